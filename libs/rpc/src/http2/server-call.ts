import type { Clock, Timer } from '@orrery/runtime';
import { AsyncQueue } from '../async-queue.ts';
import { Code, RpcError, toRpcError } from '../rpc-error.ts';
import type { CallContext, MethodDefinition, Peer } from '../service.ts';
import { answerHead, failureTrailer, messageHeader, okTrailer, wholeAnswer } from './answer-frames.ts';
import type { CallHead } from './call-head.ts';
import { type ByteTransport, type Http2Connection, type Stream, type StreamEvents, streamWindow } from './connection.ts';
import { encodeMessage } from './encode.ts';
import { type Gunzip, MessageReader, sendMessage } from './messages.ts';

/** A method with what carries it out; without a handler it answers UNIMPLEMENTED. */
export interface Route {
  readonly method: MethodDefinition;
  readonly handler: ((input: unknown, context: CallContext) => unknown) | undefined;
}

/** What the calls of one connection share. */
export interface CallSite {
  readonly connection: Http2Connection;
  readonly transport: ByteTransport;
  readonly clock: Clock;
  readonly peer: Peer;
  readonly maxMessageBytes: number;
  readonly gunzip: Gunzip | undefined;
}

/** Room is given back in pieces of this size. */
const creditBytes = 64 * 1024;
/** A stream of answers pauses while so much of it waits for the client. */
const maxWaiting = 256 * 1024;

/** One call: it collects what the client sends, has it carried out, and answers. */
export class ServerCall implements CallContext, StreamEvents {
  readonly metadata: CallContext['metadata'];
  readonly peer: Peer;
  private readonly site: CallSite;
  private readonly stream: Stream;
  private readonly route: Route;
  private readonly messages: MessageReader;
  private readonly timer: Timer | undefined;
  private readonly queue: AsyncQueue<Buffer> | undefined;
  private controller: AbortController | undefined;
  private aborted: RpcError | undefined;
  private request: Buffer | undefined;
  /** Bytes of requests that the handler has not taken. */
  private unread = 0;
  /** Bytes that came and were not given back as room. */
  private owed = 0;
  private begun = false;
  private over = false;

  constructor(site: CallSite, stream: Stream, call: { head: CallHead; route: Route }) {
    const { head, route } = call;
    this.site = site;
    this.stream = stream;
    this.route = route;
    this.metadata = head.metadata;
    this.peer = site.peer;
    this.messages = new MessageReader({ maxBytes: site.maxMessageBytes, encoding: head.encoding, gunzip: site.gunzip });
    if (head.timeoutMs !== undefined) this.timer = site.clock.after(Math.min(head.timeoutMs, 2 ** 31 - 1), () => this.fail(new RpcError(Code.DEADLINE_EXCEEDED, 'context deadline exceeded')));
    if (!route.method.requestStream) return;
    this.queue = new AsyncQueue<Buffer>();
    this.carryOut(this.requests());
  }

  /** Made for the handlers that ask: most calls are over before anyone could abort them. */
  get signal(): AbortSignal {
    if (!this.controller) {
      this.controller = new AbortController();
      if (this.aborted) this.controller.abort(this.aborted);
    }
    return this.controller.signal;
  }

  data(payload: Buffer): void {
    if (this.over) return;
    this.owed += payload.length;
    try {
      this.messages.push(payload, this);
    } catch (error) {
      return this.fail(error);
    }
    this.credit();
  }

  /** A whole one has come. */
  message(bytes: Buffer): void {
    if (this.over) return;
    if (this.queue) {
      this.unread += bytes.length;
      this.queue.push(bytes);
    } else if (this.request) this.fail(new RpcError(Code.INTERNAL, 'more than one request of a call that takes one'));
    else this.request = bytes;
  }

  private credit(): void {
    if (this.owed < creditBytes || this.unread > streamWindow / 2) return;
    this.site.connection.credit(this.stream, this.owed);
    this.owed = 0;
  }

  end(): void {
    if (this.over) return;
    if (!this.messages.isWhole) return this.fail(new RpcError(Code.INTERNAL, 'unexpected EOF'));
    if (this.queue) return this.queue.end();
    const { request } = this;
    this.request = undefined;
    if (!request) return this.fail(new RpcError(Code.INTERNAL, 'no request'));
    let input: unknown;
    try {
      input = this.decode(request);
    } catch (error) {
      return this.fail(error);
    }
    this.carryOut(input);
  }

  private decode(bytes: Buffer): unknown {
    try {
      return this.route.method.requestType.decode(bytes);
    } catch (error) {
      throw new RpcError(Code.INTERNAL, `grpc: error unmarshalling request: ${(error as Error).message}`);
    }
  }

  private async *requests(): AsyncIterable<unknown> {
    for await (const bytes of this.queue as AsyncQueue<Buffer>) {
      this.unread -= bytes.length;
      this.credit();
      yield this.decode(bytes);
    }
  }

  private carryOut(input: unknown): void {
    const { handler, method } = this.route;
    if (!handler) return this.fail(new RpcError(Code.UNIMPLEMENTED, `method ${method.name} not implemented`));
    try {
      const result = handler(input, this);
      if (method.responseStream) this.pump(result as AsyncIterable<unknown>).then(() => this.finish(), (error: unknown) => this.fail(error));
      else (result as Promise<unknown>).then((value) => this.answer(value), (error: unknown) => this.fail(error));
    } catch (error) {
      this.fail(error);
    }
  }

  private answer(value: unknown): void {
    if (this.over) return;
    const { connection } = this.site;
    const { stream } = this;
    let bytes: Uint8Array;
    try {
      bytes = encodeMessage(this.route.method.responseType, value);
    } catch (error) {
      return this.fail(error);
    }
    if (!connection.windows.claim(stream.out, messageHeader + bytes.length)) {
      this.send(bytes);
      return this.finish();
    }
    this.close();
    connection.finish(stream, wholeAnswer(stream.out.id, bytes));
  }

  private send(bytes: Uint8Array): void {
    const { connection } = this.site;
    if (!this.begun) connection.sendHeaders(this.stream, answerHead);
    this.begun = true;
    sendMessage(connection.windows, this.stream.out, bytes);
  }

  private async pump(answers: AsyncIterable<unknown>): Promise<void> {
    for await (const value of answers) {
      if (this.over) return;
      this.send(encodeMessage(this.route.method.responseType, value));
      if (this.stream.out.waitingBytes > maxWaiting) await new Promise<void>((resolve) => (this.stream.out.drained = resolve));
      if (this.site.transport.backlog > maxWaiting) await this.site.transport.drained();
    }
  }

  /** Ends the call well. */
  private finish(): void {
    if (this.over) return;
    if (!this.begun) this.site.connection.sendHeaders(this.stream, answerHead);
    this.close();
    this.site.connection.windows.end(this.stream.out, okTrailer(this.stream.out.id));
  }

  private fail(error: unknown): void {
    if (this.over) return;
    const failure = toRpcError(error);
    this.close();
    this.abort(failure);
    this.site.connection.windows.end(this.stream.out, failureTrailer(this.stream.out.id, failure, this.begun));
  }

  private close(): void {
    this.over = true;
    this.timer?.cancel();
    this.queue?.end();
  }

  private abort(reason: RpcError): void {
    this.aborted = reason;
    this.controller?.abort(reason);
  }

  /** The client, or its connection, is gone. What it asked for is still carried out, but nobody is told. */
  closed(): void {
    if (this.over) return;
    this.close();
    this.abort(new RpcError(Code.CANCELLED, 'client cancelled'));
  }
}
