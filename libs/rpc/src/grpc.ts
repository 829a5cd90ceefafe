import * as grpc from '@grpc/grpc-js';
import type { PingLimits } from './http2/ping-policy.ts';
import { Code, RpcError, toRpcError } from './rpc-error.ts';
import type { CallContext, CallOptions, Channel, MethodDefinition, MessageType, Peer, ServedService, ServiceDefinition } from './service.ts';

/** PEM material of one end. With `ca` the other end's certificate is verified against it. */
export interface TlsMaterial {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

const limits = { 'grpc.max_receive_message_length': 512 * 1024 * 1024, 'grpc.max_send_message_length': 512 * 1024 * 1024 };

function serializer<T>(type: MessageType<T>): (message: T) => Buffer {
  return (message) => {
    const bytes = type.encode(message).finish();
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  };
}

function grpcMethod(definition: ServiceDefinition, method: MethodDefinition): grpc.MethodDefinition<unknown, unknown> {
  return {
    path: `/${definition.fullName}/${method.name}`,
    requestStream: method.requestStream,
    responseStream: method.responseStream,
    requestSerialize: serializer(method.requestType),
    requestDeserialize: (bytes) => method.requestType.decode(bytes),
    responseSerialize: serializer(method.responseType),
    responseDeserialize: (bytes) => method.responseType.decode(bytes),
  };
}

function metadataOf(values: Readonly<Record<string, string>> = {}): grpc.Metadata {
  const metadata = new grpc.Metadata();
  for (const [key, value] of Object.entries(values)) metadata.set(key, value);
  return metadata;
}

interface Writable {
  write(message: unknown): boolean;
  end(): void;
  once(event: 'drain' | 'close', fn: () => void): unknown;
  off(event: 'drain' | 'close', fn: () => void): unknown;
}

async function pump(source: AsyncIterable<unknown>, sink: Writable, signal: AbortSignal): Promise<void> {
  for await (const message of source) {
    if (signal.aborted) return;
    if (!sink.write(message)) {
      await new Promise<void>((resolve) => {
        const done = (): void => {
          sink.off('drain', done);
          sink.off('close', done);
          signal.removeEventListener('abort', done);
          resolve();
        };
        sink.once('drain', done);
        sink.once('close', done);
        signal.addEventListener('abort', done, { once: true });
      });
    }
  }
}

type AnyCall = grpc.ClientDuplexStream<unknown, unknown>;

/** Sends the requests, ties the caller's signal to the call, and frees both when it ends. */
function drive(call: AnyCall, method: MethodDefinition, input: unknown, options: CallOptions): void {
  const ended = new AbortController();
  const cancel = (): void => call.cancel();
  if (options.signal?.aborted) cancel();
  options.signal?.addEventListener('abort', cancel, { once: true });
  call.once('status', () => {
    ended.abort();
    options.signal?.removeEventListener('abort', cancel);
  });
  if (!method.requestStream) return;
  pump(input as AsyncIterable<unknown>, call, ended.signal).then(
    () => call.end(),
    () => call.cancel(),
  );
}

/** How long calls wait for a connection: one that a server which hangs takes, and does not answer on, stands for as long as that hangs. */
const connectTimeoutMs = 5_000;

/** Tells calls that begin without a connection when none came about in time. They never left this machine. */
function connectionWatch(client: grpc.Client, timeoutMs: number): (giveUp: () => void) => () => void {
  const waiting = new Set<() => void>();
  let isWatched = false;
  const watch = (): void => {
    isWatched = true;
    client.waitForReady(Date.now() + timeoutMs, (error) => {
      isWatched = false;
      const calls = [...waiting];
      waiting.clear();
      if (error) for (const giveUp of calls) giveUp();
    });
  };
  return (giveUp) => {
    if (client.getChannel().getConnectivityState(false) === grpc.connectivityState.READY) return () => undefined;
    waiting.add(giveUp);
    if (!isWatched) watch();
    return () => waiting.delete(giveUp);
  };
}

async function* responses(call: AnyCall, untilConnected: (giveUp: () => void) => () => void): AsyncIterable<unknown> {
  let isLate = false;
  const forget = untilConnected(() => {
    isLate = true;
    call.cancel();
  });
  call.once('metadata', forget);
  call.once('status', forget);
  try {
    for await (const message of call) yield message;
  } catch (error) {
    throw isLate ? unconnected() : toRpcError(error);
  } finally {
    call.on('error', () => undefined);
    call.cancel();
  }
}

const unconnected = (): RpcError => new RpcError(Code.UNAVAILABLE, 'No connection established. Last error: no connection in time');

/** A channel over one gRPC connection. `target` is `host:port` or `unix:/path`; without TLS material it is plain text. */
export function grpcChannel(target: string, options: { tls?: TlsMaterial; keepAliveMs?: number; serverName?: string; connectMs?: number } = {}): Channel {
  const { tls } = options;
  const pem = (text?: string): Buffer | null => (text === undefined ? null : Buffer.from(text));
  const credentials = tls ? grpc.credentials.createSsl(pem(tls.ca), pem(tls.key), pem(tls.cert)) : grpc.credentials.createInsecure();
  const client = new grpc.Client(target, credentials, {
    ...limits,
    'grpc.keepalive_time_ms': options.keepAliveMs ?? 10_000,
    'grpc.keepalive_timeout_ms': 5_000,
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 2_000,
    'grpc.use_local_subchannel_pool': 1,
    ...(options.serverName ? { 'grpc.ssl_target_name_override': options.serverName } : {}),
  });
  const untilConnected = connectionWatch(client, options.connectMs ?? connectTimeoutMs);
  return {
    call(definition, method, input, callOptions) {
      const { path, requestSerialize, responseDeserialize } = grpcMethod(definition, method);
      const metadata = metadataOf(callOptions.metadata);
      const deadline = callOptions.timeoutMs === undefined ? {} : { deadline: new Date(Date.now() + callOptions.timeoutMs) };
      const [req, res] = [method.requestStream, method.responseStream];
      if (res) {
        const call = req
          ? client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, metadata, deadline)
          : client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, input, metadata, deadline);
        drive(call as AnyCall, method, input, callOptions);
        return responses(call as AnyCall, untilConnected);
      }
      return new Promise((resolve, reject) => {
        const done = (error: grpc.ServiceError | null, value?: unknown): void => {
          forget();
          if (error) reject(toRpcError(error));
          else resolve(value);
        };
        const call = req
          ? client.makeClientStreamRequest(path, requestSerialize, responseDeserialize, metadata, deadline, done)
          : client.makeUnaryRequest(path, requestSerialize, responseDeserialize, input, metadata, deadline, done);
        const forget = untilConnected(() => {
          reject(unconnected());
          call.cancel();
        });
        drive(call as unknown as AnyCall, method, input, callOptions);
      });
    },
    connected: (timeoutMs) =>
      new Promise((resolve, reject) => {
        client.waitForReady(Date.now() + timeoutMs, (error) => (error ? reject(error) : resolve()));
      }),
    close: () => client.close(),
  };
}

interface TlsCertificate {
  readonly subject?: unknown;
  readonly raw?: Uint8Array;
}

function peerOf(call: { getPeer(): string; getAuthContext?(): { sslPeerCertificate?: TlsCertificate } }, verified: boolean): Peer {
  const certificate = call.getAuthContext?.().sslPeerCertificate;
  if (!certificate?.subject || !certificate.raw) return { address: call.getPeer() };
  if (!verified) return { address: call.getPeer(), shownCertificate: certificate.raw };
  const { CN, O } = certificate.subject as { CN?: string | string[]; O?: string | string[] };
  const organizations = O === undefined ? [] : [O].flat();
  const commonName = [CN ?? ''].flat()[0] ?? '';
  return { address: call.getPeer(), commonName, organizations };
}

type ServerCall = grpc.ServerDuplexStream<unknown, unknown> & { request: unknown };

function serverContext(call: ServerCall, verified: boolean): CallContext {
  const controller = new AbortController();
  call.on('cancelled', () => controller.abort(new RpcError(Code.CANCELLED, 'client cancelled')));
  const metadata = Object.fromEntries(Object.entries(call.metadata.getMap()).map(([k, v]) => [k, String(v)]));
  return { signal: controller.signal, metadata, peer: peerOf(call, verified) };
}

function toServiceError(error: unknown): Partial<grpc.StatusObject> & { message: string } {
  const { code, message } = toRpcError(error);
  return { code, details: message, message };
}

/** The incoming half of a call. Cancellation surfaces as the end of the stream, not as a failure of the handler. */
async function* requestsOf(call: ServerCall, signal: AbortSignal): AsyncIterable<unknown> {
  try {
    for await (const message of call) yield message;
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

type Handler = ((input: unknown, context: CallContext) => unknown) | undefined;

function implementation(method: MethodDefinition, handler: Handler, verified: boolean): grpc.UntypedHandleCall {
  return ((call: ServerCall, callback?: grpc.sendUnaryData<unknown>) => {
    const fail = (error: unknown): void => {
      if (callback) callback(toServiceError(error));
      else call.emit('error', toServiceError(error));
    };
    if (!handler) return fail(new RpcError(Code.UNIMPLEMENTED, `unknown method ${method.name}`));
    const context = serverContext(call, verified);
    const input = method.requestStream ? requestsOf(call, context.signal) : call.request;
    if (!method.responseStream) {
      new Promise((resolve) => resolve(handler(input, context))).then((value) => callback?.(null, value), fail);
      return;
    }
    new Promise<void>((resolve) => resolve(pump(handler(input, context) as AsyncIterable<unknown>, call, context.signal))).then(
      () => call.end(),
      (error: unknown) => (context.signal.aborted ? call.end() : fail(error)),
    );
  }) as grpc.UntypedHandleCall;
}

export interface GrpcServer {
  /** Listens on `host:port` (0 picks one) or `unix:/path`; resolves to the bound port (0 for a socket). */
  listen(address: string): Promise<number>;
  /** Refuses new calls, waits for those in flight for `graceMs` (default 0), then ends them. */
  stop(graceMs?: number): Promise<void>;
}

export interface GrpcServerOptions {
  readonly tls?: TlsMaterial;
  /** Clients must show a certificate that verifies against `tls.ca`. */
  readonly requireClientCert?: boolean;
  /** Clients are asked for a certificate but may come without; one they show is `Peer.shownCertificate`, for the handler to verify. */
  readonly optionalClientCert?: boolean;
  /** Of one request; larger ones are refused with RESOURCE_EXHAUSTED (512 MiB). */
  readonly maxMessageBytes?: number | undefined;
  /** How often clients may ping; of `serveGrpc` only. */
  readonly pings?: PingLimits | undefined;
}

function serverCredentials({ tls, requireClientCert = false, optionalClientCert = false }: GrpcServerOptions): grpc.ServerCredentials {
  if (!tls) return grpc.ServerCredentials.createInsecure();
  const ca = tls.ca === undefined ? null : Buffer.from(tls.ca);
  const credentials = grpc.ServerCredentials.createSsl(ca, [{ private_key: Buffer.from(tls.key ?? ''), cert_chain: Buffer.from(tls.cert ?? '') }], requireClientCert);
  // grpc-js knows only all or nothing; TLS itself can also ask and leave the verdict to the application.
  if (optionalClientCert && !requireClientCert) Object.assign(credentials._getConstructorOptions() ?? {}, { requestCert: true, rejectUnauthorized: false });
  return credentials;
}

/** Serves over gRPC. */
export function grpcServer(services: readonly ServedService[], options: GrpcServerOptions = {}): GrpcServer {
  const received = options.maxMessageBytes === undefined ? {} : { 'grpc.max_receive_message_length': options.maxMessageBytes };
  const server = new grpc.Server({ ...limits, ...received, 'grpc.keepalive_permit_without_calls': 1, 'grpc.http2.min_ping_interval_without_data_ms': 1000 });
  for (const { definition, handlers } of services) {
    const methods = Object.entries(definition.methods);
    const described = Object.fromEntries(methods.map(([key, method]) => [key, grpcMethod(definition, method)]));
    const implemented = methods.map(([key, m]) => [key, implementation(m, handlers[key] as Handler, options.optionalClientCert !== true)]);
    server.addService(described, Object.fromEntries(implemented) as grpc.UntypedServiceImplementation);
  }
  const credentials = serverCredentials(options);
  return {
    listen: (address) =>
      new Promise((resolve, reject) => {
        server.bindAsync(address, credentials, (error, port) => (error ? reject(error) : resolve(port)));
      }),
    stop: (graceMs = 0) =>
      new Promise((resolve) => {
        if (graceMs === 0) {
          server.forceShutdown();
          resolve();
          return;
        }
        const timer = setTimeout(() => server.forceShutdown(), graceMs);
        server.tryShutdown(() => {
          clearTimeout(timer);
          resolve();
        });
      }),
  };
}
