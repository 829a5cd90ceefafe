import { ByteQueue, type ByteStream } from '../byte-stream.ts';
import { type SpdyFrame, SpdyParser, encodeSpdyFrame } from './frames.ts';
import { HeaderDecoder, HeaderEncoder, type SpdyHeaders } from './headers.ts';

const Reset = { protocolError: 1, invalidStream: 2, refusedStream: 3, cancel: 5 } as const;

/** Data frames are cut to this size, so that streams of one connection take turns. */
const chunkBytes = 32 * 1024;
/** Unread bytes of one stream at which reading from the connection pauses. */
const highWaterBytes = 1024 * 1024;

/** One stream of a session. */
export interface SpdyStream extends ByteStream {
  readonly id: number;
  /** What the opening side sent with SYN_STREAM. */
  readonly headers: SpdyHeaders;
  /** Tells the other side that the stream is over (RST_STREAM). */
  reset(): Promise<void>;
}

interface StreamState {
  readonly stream: SpdyStream;
  readonly incoming: ByteQueue;
  localClosed: boolean;
  remoteClosed: boolean;
  replied: () => void;
  failed: (error: Error) => void;
}

export interface SpdySessionOptions {
  readonly role: 'server' | 'client';
  /** A stream that the other side opened; it has been accepted (SYN_REPLY). */
  onStream?(stream: SpdyStream): void;
}

/**
 * SPDY/3.1 over a connection, as Kubernetes clients speak it: no flow control by windows (they announce none and honour
 * none), so back-pressure is that of the connection. Call `run()` once; it resolves when the connection has ended.
 */
export class SpdySession {
  private readonly conn: ByteStream;
  private readonly options: SpdySessionOptions;
  private readonly parser = new SpdyParser();
  private readonly encoder = new HeaderEncoder();
  private readonly decoder = new HeaderDecoder();
  private readonly streams = new Map<number, StreamState>();
  private nextId: number;
  private lastRemoteId = 0;
  private over = false;

  constructor(conn: ByteStream, options: SpdySessionOptions) {
    this.conn = conn;
    this.options = options;
    this.nextId = options.role === 'client' ? 1 : 2;
  }

  /** Reads frames until the connection ends; then every stream ends. Rejects when the peer breaks the protocol. */
  async run(): Promise<void> {
    let failure: Error | undefined;
    try {
      for (let bytes = await this.conn.read(); bytes; bytes = await this.conn.read()) {
        this.parser.push(bytes);
        for (let frame = this.parser.next(); frame; frame = this.parser.next()) await this.accept(frame);
      }
    } catch (error) {
      failure = error as Error;
      throw error;
    } finally {
      this.over = true;
      this.conn.close(failure);
      for (const state of this.streams.values()) {
        state.incoming.end(state.remoteClosed ? undefined : (failure ?? new Error('connection closed')));
        state.failed(failure ?? new Error('connection closed'));
      }
      this.streams.clear();
    }
  }

  /** Opens a stream; resolves when the other side has accepted it. */
  async open(headers: SpdyHeaders): Promise<SpdyStream> {
    const id = this.nextId;
    this.nextId += 2;
    const state = this.addStream(id, headers);
    const accepted = new Promise<void>((resolve, reject) => {
      state.replied = resolve;
      state.failed = reject;
    });
    accepted.catch(() => undefined);
    await this.send({ type: 'synStream', streamId: id, fin: false, unidirectional: false, headerBlock: this.encoder.encode(headers) });
    await accepted;
    return state.stream;
  }

  /** Tells the peer that no more streams are taken, and ends our half of the connection. */
  async finish(): Promise<void> {
    if (this.over) return;
    await this.send({ type: 'goAway', lastStreamId: this.lastRemoteId, status: 0 });
    await this.conn.closeWrite();
  }

  /** Drops the connection. */
  destroy(): void {
    this.conn.close();
  }

  private send(frame: SpdyFrame): Promise<void> {
    return this.over ? Promise.reject(new Error('connection closed')) : this.conn.write(encodeSpdyFrame(frame));
  }

  private addStream(id: number, headers: SpdyHeaders): StreamState {
    const incoming = new ByteQueue(highWaterBytes);
    const stream: SpdyStream = {
      id,
      headers,
      read: () => incoming.read(),
      write: (bytes) => this.writeData(id, bytes),
      closeWrite: () => this.endLocal(id),
      close: () => void this.reset(id).catch(() => undefined),
      reset: () => this.reset(id),
    };
    const state: StreamState = { stream, incoming, localClosed: false, remoteClosed: false, replied: () => undefined, failed: () => undefined };
    this.streams.set(id, state);
    return state;
  }

  private async writeData(id: number, bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; at += chunkBytes) {
      const state = this.streams.get(id);
      if (!state || state.localClosed) throw new Error('stream closed');
      await this.send({ type: 'data', streamId: id, fin: false, data: bytes.subarray(at, at + chunkBytes) });
    }
  }

  private async endLocal(id: number): Promise<void> {
    const state = this.streams.get(id);
    if (!state || state.localClosed) return;
    state.localClosed = true;
    await this.send({ type: 'data', streamId: id, fin: true, data: new Uint8Array(0) });
    this.forget(id, state);
  }

  private async reset(id: number, status: number = Reset.cancel): Promise<void> {
    const state = this.streams.get(id);
    if (!state) return;
    this.streams.delete(id);
    state.localClosed = true;
    state.incoming.end();
    await this.send({ type: 'rstStream', streamId: id, status });
  }

  /** A stream whose halves are both closed is gone; what it received can still be read. */
  private forget(id: number, state: StreamState): void {
    if (state.localClosed && state.remoteClosed) this.streams.delete(id);
  }

  private async accept(frame: SpdyFrame): Promise<void> {
    switch (frame.type) {
      case 'synStream':
        return this.acceptStream(frame);
      case 'synReply':
        this.decoder.decode(frame.headerBlock);
        this.streams.get(frame.streamId)?.replied();
        if (frame.fin) this.endRemote(frame.streamId);
        return;
      case 'headers':
        this.decoder.decode(frame.headerBlock);
        if (frame.fin) this.endRemote(frame.streamId);
        return;
      case 'data':
        return this.acceptData(frame);
      case 'rstStream':
        return this.acceptReset(frame.streamId);
      case 'ping': {
        const ours = (frame.id & 1) === (this.options.role === 'client' ? 1 : 0);
        if (!ours) await this.send(frame);
        return;
      }
      default:
        return;
    }
  }

  private async acceptStream(frame: Extract<SpdyFrame, { type: 'synStream' }>): Promise<void> {
    const headers = this.decoder.decode(frame.headerBlock);
    const { onStream } = this.options;
    if (!onStream || frame.streamId <= this.lastRemoteId) {
      await this.send({ type: 'rstStream', streamId: frame.streamId, status: onStream ? Reset.protocolError : Reset.refusedStream });
      return;
    }
    this.lastRemoteId = frame.streamId;
    const state = this.addStream(frame.streamId, headers);
    await this.send({ type: 'synReply', streamId: frame.streamId, fin: false, headerBlock: this.encoder.encode({}) });
    if (frame.unidirectional) state.localClosed = true;
    if (frame.fin) this.endRemote(frame.streamId);
    onStream(state.stream);
  }

  private async acceptData(frame: Extract<SpdyFrame, { type: 'data' }>): Promise<void> {
    const state = this.streams.get(frame.streamId);
    if (!state || state.remoteClosed) return;
    const room = state.incoming.push(Buffer.from(frame.data));
    if (frame.fin) this.endRemote(frame.streamId);
    await room;
  }

  private acceptReset(id: number): void {
    const state = this.streams.get(id);
    if (!state) return;
    this.streams.delete(id);
    state.localClosed = true;
    state.incoming.end(new Error('stream reset'));
    state.failed(new Error('stream reset'));
  }

  private endRemote(id: number): void {
    const state = this.streams.get(id);
    if (!state) return;
    state.remoteClosed = true;
    state.incoming.end();
    this.forget(id, state);
  }
}
