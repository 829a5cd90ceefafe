import type { Clock, Timer } from '@orrery/runtime';
import { AsyncQueue } from '../async-queue.ts';
import { Code, RpcError, toRpcError } from '../rpc-error.ts';
import type { CallContext, MethodDefinition, Peer } from '../service.ts';
import { answerHead, failureTrailer, messageHeader, messageOf, messagePrefix, okTrailer, wholeAnswer } from './answer-frames.ts';
import type { CallHead } from './call-head.ts';
import { encodeMessage } from './encode.ts';
import { type ByteTransport, type ServerConnection, type ServerStream, type StreamEvents, streamWindow } from './server-connection.ts';

/** A method with what carries it out; without a handler it answers UNIMPLEMENTED. */
export interface Route {
  readonly method: MethodDefinition;
  readonly handler: ((input: unknown, context: CallContext) => unknown) | undefined;
}

/** What the calls of one connection share. */
export interface CallSite {
  readonly connection: ServerConnection;
  readonly transport: ByteTransport;
  readonly clock: Clock;
  readonly peer: Peer;
  readonly maxMessageBytes: number;
}

/** Room is given back in pieces of this size. */
const creditBytes = 64 * 1024;
/** A stream of answers pauses while so much of it waits for the client. */
const maxWaiting = 256 * 1024;
const copiedBytes = 4096;

/** One call: it collects what the client sends, has it carried out, and answers. */
export class ServerCall implements CallContext, StreamEvents {
  readonly metadata: CallContext['metadata'];
  readonly peer: Peer;
  private readonly site: CallSite;
  private readonly stream: ServerStream;
  private readonly route: Route;
  private readonly encoding: string;
  private readonly timer: Timer | undefined;
  private readonly queue: AsyncQueue<Buffer> | undefined;
  private controller: AbortController | undefined;
  private aborted: RpcError | undefined;
  /** Pieces of a message that is not whole; what they have, and must have, together. */
  private parts: Buffer[] = [];
  private have = 0;
  private need = messageHeader;
  private request: Buffer | undefined;
  /** Bytes of requests that the handler has not taken. */
  private unread = 0;
  /** Bytes that came and were not given back as room. */
  private owed = 0;
  private begun = false;
  private over = false;

  constructor(site: CallSite, stream: ServerStream, call: { head: CallHead; route: Route }) {
    const { head, route } = call;
    this.site = site;
    this.stream = stream;
    this.route = route;
    this.metadata = head.metadata;
    this.peer = site.peer;
    this.encoding = head.encoding;
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
    this.have += payload.length;
    if (this.parts.length) this.parts.push(payload);
    if (this.have >= this.need) this.cut(this.parts.length ? Buffer.concat(this.parts, this.have) : payload);
    else if (this.parts.length === 0) this.parts.push(payload);
    this.credit();
  }

  /** Takes the whole messages off what came, and keeps the rest. */
  private cut(bytes: Buffer): void {
    let at = 0;
    this.need = messageHeader;
    while (at + messageHeader <= bytes.length) {
      const length = bytes.readUInt32BE(at + 1);
      const refusal = this.refusal(bytes[at] as number, length);
      if (refusal) return this.fail(refusal);
      const end = at + messageHeader + length;
      if (end > bytes.length) {
        this.need = messageHeader + length;
        break;
      }
      this.message(bytes.subarray(at + messageHeader, end));
      if (this.over) return;
      at = end;
    }
    this.have = bytes.length - at;
    this.parts = this.have ? [bytes.subarray(at)] : [];
  }

  private refusal(compressed: number, length: number): RpcError | undefined {
    const { maxMessageBytes } = this.site;
    if (length > maxMessageBytes) return new RpcError(Code.RESOURCE_EXHAUSTED, `grpc: received message larger than max (${length} vs. ${maxMessageBytes})`);
    if (compressed === 0) return undefined;
    if (this.encoding === 'identity') return new RpcError(Code.INTERNAL, 'grpc: compressed flag set with identity or empty encoding');
    return new RpcError(Code.UNIMPLEMENTED, `grpc: Decompressor is not installed for grpc-encoding "${this.encoding}"`);
  }

  private message(bytes: Buffer): void {
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
    if (this.have) return this.fail(new RpcError(Code.INTERNAL, 'unexpected EOF'));
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
    const { out } = this.stream;
    // Small ones in one piece; large ones are not copied for the sake of five bytes.
    if (bytes.length > copiedBytes) connection.windows.data(out, messagePrefix(bytes.length), Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    else connection.windows.data(out, messageOf(bytes));
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
