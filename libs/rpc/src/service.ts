import type { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire';

/** A message type as ts-proto generates it. */
export interface MessageType<T> {
  encode(message: T, writer?: BinaryWriter): BinaryWriter;
  decode(input: BinaryReader | Uint8Array, length?: number): T;
}

export interface MethodDefinition<Req = unknown, Res = unknown> {
  readonly name: string;
  readonly requestType: MessageType<Req>;
  readonly requestStream: boolean;
  readonly responseType: MessageType<Res>;
  readonly responseStream: boolean;
}

/** A service as ts-proto's `outputServices=generic-definitions` describes it. */
export interface ServiceDefinition {
  readonly name: string;
  readonly fullName: string;
  readonly methods: Readonly<Record<string, MethodDefinition>>;
}

type RequestOf<M> = M extends { requestType: MessageType<infer R> } ? R : never;
type ResponseOf<M> = M extends { responseType: MessageType<infer R> } ? R : never;

export interface CallOptions {
  /** Ends the call; the server's context aborts too. */
  signal?: AbortSignal;
  /** Milliseconds the call may take; exceeded, it fails with DEADLINE_EXCEEDED. */
  timeoutMs?: number;
  metadata?: Readonly<Record<string, string>>;
}

/** Who calls and for how long. */
export interface CallContext {
  /** Aborts when the caller goes away, cancels or runs out of time. */
  readonly signal: AbortSignal;
  readonly metadata: Readonly<Record<string, string>>;
  readonly peer: Peer;
}

/** The other end: its address, and the subject of its verified client certificate if it showed one. */
export interface Peer {
  readonly address: string;
  readonly commonName?: string;
  readonly organizations?: readonly string[];
  /** DER of a client certificate that nobody has verified yet (servers with `optionalClientCert`); its key is the client's. */
  readonly shownCertificate?: Uint8Array;
}

type ClientMethod<M> = M extends { requestStream: true; responseStream: true }
  ? (requests: AsyncIterable<RequestOf<M>>, options?: CallOptions) => AsyncIterable<ResponseOf<M>>
  : M extends { requestStream: true }
    ? (requests: AsyncIterable<RequestOf<M>>, options?: CallOptions) => Promise<ResponseOf<M>>
    : M extends { responseStream: true }
      ? (request: RequestOf<M>, options?: CallOptions) => AsyncIterable<ResponseOf<M>>
      : (request: RequestOf<M>, options?: CallOptions) => Promise<ResponseOf<M>>;

/** The typed client of a service. Over an in-memory channel messages pass by reference: never change one you sent or got. */
export type Client<S extends ServiceDefinition> = { readonly [K in keyof S['methods']]: ClientMethod<S['methods'][K]> };

type HandlerMethod<M> = M extends { requestStream: true; responseStream: true }
  ? (requests: AsyncIterable<RequestOf<M>>, context: CallContext) => AsyncIterable<ResponseOf<M>>
  : M extends { requestStream: true }
    ? (requests: AsyncIterable<RequestOf<M>>, context: CallContext) => Promise<ResponseOf<M>>
    : M extends { responseStream: true }
      ? (request: RequestOf<M>, context: CallContext) => AsyncIterable<ResponseOf<M>>
      : (request: RequestOf<M>, context: CallContext) => Promise<ResponseOf<M>>;

/** Handlers of a service; methods left out answer UNIMPLEMENTED. */
export type Handlers<S extends ServiceDefinition> = { readonly [K in keyof S['methods']]?: HandlerMethod<S['methods'][K]> };

/** A service with its handlers, ready to be served over gRPC or in memory. */
export interface ServedService {
  readonly definition: ServiceDefinition;
  readonly handlers: Readonly<Record<string, ((input: never, context: CallContext) => unknown) | undefined>>;
}

/** Pairs a definition with handlers, checking their types. */
export function service<S extends ServiceDefinition>(definition: S, handlers: Handlers<S>): ServedService {
  return { definition, handlers: handlers as ServedService['handlers'] };
}

/** Something that can carry calls of any service: a gRPC connection or the handlers themselves. */
export interface Channel {
  call(definition: ServiceDefinition, method: MethodDefinition, input: unknown, options: CallOptions): unknown;
  /** Releases the connection; calls in flight end with CANCELLED. */
  close(): void;
  /** Resolves when a connection to the server stands, which it opens if need be; rejects after `timeoutMs`. Absent where there is nothing to connect. */
  connected?(timeoutMs: number): Promise<void>;
}

const noOptions: CallOptions = Object.freeze({});

/** The typed client of `definition` over `channel`. */
export function createClient<S extends ServiceDefinition>(definition: S, channel: Channel): Client<S> {
  const methods = Object.entries(definition.methods).map(([key, method]) => [
    key,
    (input: unknown, options: CallOptions = noOptions) => channel.call(definition, method, input, options),
  ]);
  return Object.fromEntries(methods) as Client<S>;
}
