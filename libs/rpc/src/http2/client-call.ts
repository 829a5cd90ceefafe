import type { Clock, Timer } from '@orrery/runtime';
import { AsyncQueue } from '../async-queue.ts';
import { Code, RpcError, toRpcError } from '../rpc-error.ts';
import type { CallOptions, MethodDefinition, ServiceDefinition } from '../service.ts';
import { answerStatus, callHeaders } from './answer-status.ts';
import { type Http2Connection, type Stream, type StreamEvents, streamWindow } from './connection.ts';
import { encodeMessage } from './encode.ts';
import { flag, frame, encodeFrame, h2Error } from './frames.ts';
import type { Header } from './hpack.ts';
import { MessageReader, sendMessage } from './messages.ts';

/** What the calls of one channel share. */
export interface ClientSite {
  readonly clock: Clock;
  readonly maxMessageBytes: number;
  readonly scheme: 'http' | 'https';
  readonly authority: string;
}

export interface ClientCallOptions {
  readonly site: ClientSite;
  readonly definition: ServiceDefinition;
  readonly method: MethodDefinition;
  readonly input: unknown;
  readonly options: CallOptions;
  /** The call is over. */
  readonly ended: (call: ClientCall) => void;
}

/** Room is given back in pieces of this size. */
const creditBytes = 64 * 1024;
/** A stream of requests pauses while so much of it waits for the server. */
const maxWaiting = 256 * 1024;
const nothing = new Uint8Array(0);

function resetError(code: number | undefined): RpcError {
  if (code === undefined) return new RpcError(Code.UNAVAILABLE, 'connection to the server was lost');
  if (code === h2Error.refusedStream) return new RpcError(Code.UNAVAILABLE, 'the server refused the stream');
  if (code === h2Error.cancel) return new RpcError(Code.CANCELLED, 'the server cancelled the call');
  if (code === h2Error.enhanceYourCalm) return new RpcError(Code.RESOURCE_EXHAUSTED, 'the server is asked too much');
  return new RpcError(Code.INTERNAL, `the server broke the stream off with HTTP/2 error ${code}`);
}

/** One call from its caller's side: it may wait for a connection first. Nothing that comes after its end has an effect. */
export class ClientCall implements StreamEvents {
  /** Of a call with one answer. */
  readonly answer: Promise<unknown>;
  private readonly call: ClientCallOptions;
  private readonly queue = new AsyncQueue<Buffer>();
  private readonly timer: Timer | undefined;
  private readonly stopListening: () => void;
  private resolve: (value: unknown) => void = () => undefined;
  private reject: (error: unknown) => void = () => undefined;
  private messages: MessageReader | undefined;
  private connection: Http2Connection | undefined;
  private stream: Stream | undefined;
  private status: RpcError | 'ok' | undefined;
  private first: Buffer | undefined;
  /** Bytes of answers that the caller has not taken. */
  private unread = 0;
  /** Bytes that came and were not given back as room. */
  private owed = 0;
  private over = false;

  constructor(call: ClientCallOptions) {
    const { site, options, method } = call;
    this.call = call;
    this.answer = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    // A stream tells its reader instead.
    if (method.responseStream) this.answer.catch(() => undefined);
    const { signal, timeoutMs } = options;
    const abort = (): void => this.cancel('the caller gave the call up');
    signal?.addEventListener('abort', abort, { once: true });
    this.stopListening = () => signal?.removeEventListener('abort', abort);
    if (timeoutMs !== undefined) this.timer = site.clock.after(Math.min(Math.max(timeoutMs, 0), 2 ** 31 - 1), () => this.giveUp(new RpcError(Code.DEADLINE_EXCEEDED, 'context deadline exceeded')));
  }

  get isOver(): boolean {
    return this.over;
  }

  /** Goes out on a connection. */
  start(connection: Http2Connection): void {
    if (this.over) return;
    const { site, definition, method, input, options } = this.call;
    this.connection = connection;
    const stream = (this.stream = connection.open(callHeaders({ ...site, path: `/${definition.fullName}/${method.name}` }, options), this));
    if (method.requestStream) {
      this.pump(input as AsyncIterable<unknown>, stream).catch(() => this.cancel('the requests failed'));
      return;
    }
    try {
      sendMessage(connection.windows, stream.out, encodeMessage(method.requestType, input));
    } catch (error) {
      return this.giveUp(new RpcError(Code.INTERNAL, `grpc: error while marshaling: ${toRpcError(error).message}`));
    }
    this.endRequests(stream);
  }

  private endRequests(stream: Stream): void {
    this.connection?.windows.end(stream.out, encodeFrame({ type: frame.data, flags: flag.endStream, stream: stream.out.id }, nothing));
  }

  private async pump(requests: AsyncIterable<unknown>, stream: Stream): Promise<void> {
    for await (const request of requests) {
      if (this.over) return;
      sendMessage((this.connection as Http2Connection).windows, stream.out, encodeMessage(this.call.method.requestType, request));
      if (stream.out.waitingBytes > maxWaiting) await new Promise<void>((resolve) => (stream.out.drained = resolve));
    }
    if (!this.over) this.endRequests(stream);
  }

  headers(list: readonly Header[]): void {
    if (this.over) return;
    const { encoding, status } = answerStatus(list, this.messages === undefined);
    if (status) this.status = status;
    this.messages ??= new MessageReader({ maxBytes: this.call.site.maxMessageBytes, encoding, gunzip: undefined });
  }

  data(payload: Buffer): void {
    if (this.over) return;
    this.owed += payload.length;
    try {
      if (!this.messages) throw new RpcError(Code.INTERNAL, 'data before the headers of an answer');
      this.messages.push(payload, this);
    } catch (error) {
      return this.giveUp(toRpcError(error));
    }
    this.credit();
  }

  /** A whole one has come. */
  message(bytes: Buffer): void {
    if (this.over) return;
    if (!this.call.method.responseStream) {
      if (this.first) this.giveUp(new RpcError(Code.INTERNAL, 'more than one answer to a call that has one'));
      this.first = bytes;
      return;
    }
    this.unread += bytes.length;
    this.queue.push(bytes);
  }

  private credit(): void {
    if (this.owed < creditBytes || this.unread > streamWindow / 2 || !this.stream) return;
    this.connection?.credit(this.stream, this.owed);
    this.owed = 0;
  }

  end(): void {
    if (this.over) return;
    const { status = new RpcError(Code.INTERNAL, 'server closed the stream without sending trailers'), first } = this;
    if (status !== 'ok') return this.fail(status);
    if (this.call.method.responseStream) {
      this.close();
      return this.queue.end();
    }
    if (!first) return this.fail(new RpcError(Code.INTERNAL, 'an answer without a message'));
    try {
      this.resolve(this.decode(first));
      this.close();
    } catch (error) {
      this.fail(error);
    }
  }

  closed(code?: number): void {
    this.fail(resetError(code));
  }

  private decode(bytes: Buffer): unknown {
    try {
      return this.call.method.responseType.decode(bytes);
    } catch (error) {
      throw new RpcError(Code.INTERNAL, `grpc: failed to unmarshal the received message: ${(error as Error).message}`);
    }
  }

  /** Of a call with a stream of answers. Who stops reading ends the call. */
  async *answers(): AsyncIterable<unknown> {
    try {
      for await (const bytes of this.queue) {
        this.unread -= bytes.length;
        this.credit();
        yield this.decode(bytes);
      }
    } finally {
      this.cancel('the caller stopped reading');
    }
  }

  cancel(why: string): void {
    this.giveUp(new RpcError(Code.CANCELLED, why));
  }

  /** Fails the call from this side; the server is told. */
  private giveUp(error: RpcError): void {
    if (this.over) return;
    if (this.stream) this.connection?.cancel(this.stream);
    this.fail(error);
  }

  fail(error: unknown): void {
    if (this.over) return;
    this.close();
    this.reject(error);
    this.queue.end(error);
  }

  private close(): void {
    this.over = true;
    this.timer?.cancel();
    this.stopListening();
    this.call.ended(this);
  }
}
