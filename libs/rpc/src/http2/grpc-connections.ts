import type { Clock } from '@orrery/runtime';
import { Code, RpcError } from '../rpc-error.ts';
import type { Peer, ServedService } from '../service.ts';
import { failureTrailer, httpRefusal, unknownEncoding } from './answer-frames.ts';
import { type CallHead, callHead } from './call-head.ts';
import { type ByteTransport, Http2Connection, type Stream, type StreamEvents } from './connection.ts';
import type { Header } from './hpack.ts';
import { type Gunzip, isKnownEncoding } from './messages.ts';
import { type PingLimits, PingPolicy } from './ping-policy.ts';
import { type CallSite, type Route, ServerCall } from './server-call.ts';

export interface GrpcConnections {
  /** A connection was accepted; feed what comes to `receive`, and `close` it when it is gone. */
  accept(transport: ByteTransport, peer: Peer): Http2Connection;
  /** Connections that are not closed. */
  readonly open: ReadonlySet<Http2Connection>;
}

export interface GrpcConnectionsOptions {
  readonly clock: Clock;
  /** Larger messages are refused with RESOURCE_EXHAUSTED. */
  readonly maxMessageBytes: number;
  /** Unpacks messages of `grpc-encoding: gzip`; without, that is as unknown as any other encoding. */
  readonly gunzip?: Gunzip | undefined;
  /** How often clients may ask for a sign of life; without, as often as they like. */
  readonly pings?: PingLimits | undefined;
}

const ignored: StreamEvents = { data: () => undefined, end: () => undefined, closed: () => undefined };

function routesOf(services: readonly ServedService[]): Map<string, Route> {
  const routes = new Map<string, Route>();
  for (const { definition, handlers } of services) {
    for (const [key, method] of Object.entries(definition.methods)) routes.set(`/${definition.fullName}/${method.name}`, { method, handler: handlers[key] as Route['handler'] });
  }
  return routes;
}

function unknownPath(path: string, services: readonly ServedService[]): RpcError {
  const slash = path.lastIndexOf('/');
  if (slash <= 0) return new RpcError(Code.UNIMPLEMENTED, `malformed method name: ${JSON.stringify(path)}`);
  const [service, method] = [path.slice(1, slash), path.slice(slash + 1)];
  const known = services.some(({ definition }) => definition.fullName === service);
  return new RpcError(Code.UNIMPLEMENTED, known ? `unknown method ${method} for service ${service}` : `unknown service ${service}`);
}

/** gRPC over HTTP/2 connections that someone else accepts: no sockets, no time but the clock's. Errors have the words of Go's gRPC. */
export function grpcConnections(services: readonly ServedService[], options: GrpcConnectionsOptions): GrpcConnections {
  const routes = routesOf(services);
  const open = new Set<Http2Connection>();

  const begin = (site: CallSite, stream: Stream, head: CallHead): StreamEvents => {
    const { connection } = site;
    const { id } = stream.out;
    const refuse = (frames: Buffer): StreamEvents => (connection.finish(stream, frames), ignored);
    if (head.httpMethod !== 'POST') return refuse(httpRefusal(id, 405));
    if (!/^application\/grpc(?:[+;]|$)/.test(head.contentType)) return refuse(httpRefusal(id, 415));
    if (head.refusal) return refuse(failureTrailer(id, head.refusal, false));
    const route = routes.get(head.path);
    if (!route) return refuse(failureTrailer(id, unknownPath(head.path, services), false));
    if (!isKnownEncoding(head.encoding, options.gunzip)) return refuse(unknownEncoding(id, head.encoding));
    return new ServerCall(site, stream, { head, route });
  };

  return {
    open,
    accept(transport, peer) {
      // Calls of one kind have the very same headers again and again.
      let lastHeaders: readonly Header[] | undefined;
      let lastHead: CallHead | undefined;
      const headOf = (headers: readonly Header[]): CallHead => {
        if (headers !== lastHeaders || !lastHead) lastHead = callHead((lastHeaders = headers));
        return lastHead;
      };
      const connection: Http2Connection = new Http2Connection(
        {
          write: (bytes) => transport.write(bytes),
          get backlog() {
            return transport.backlog;
          },
          drained: () => transport.drained(),
          end: () => {
            open.delete(connection);
            transport.end();
          },
        },
        { role: 'server', opened: (stream, headers) => begin(site, stream, headOf(headers)), pinged: (busy) => policy?.complaint(busy, connection.size) },
      );
      const { clock, maxMessageBytes, gunzip, pings } = options;
      const policy = pings && new PingPolicy(pings, () => clock.monotonic());
      const site: CallSite = { connection, transport, clock, peer, maxMessageBytes, gunzip };
      open.add(connection);
      return connection;
    },
  };
}
