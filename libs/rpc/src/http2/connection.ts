import { ConnectionError, type FrameHead, FrameReader, protocolError, unpad } from './frame-reader.ts';
import { defaultFrameSize, defaultWindow, encodeFrame, encodeSettings, flag, frame, h2Error, largestWindow, preface, setting, uint32 } from './frames.ts';
import { type HeaderBlock, HeaderBlocks } from './header-blocks.ts';
import { type Header, HpackDecoder, HpackError } from './hpack.ts';
import { type Outgoing, SendWindows, headersFrame, resetFrame } from './send-window.ts';

/** A connection's bytes. `write` may gather what one turn of the event loop has to say. */
export interface ByteTransport {
  write(bytes: Uint8Array): void;
  /** Bytes written that the other end has not taken. */
  readonly backlog: number;
  /** Resolves when the backlog was taken, or the connection is gone. */
  drained(): Promise<void>;
  /** Ends the connection after what was written. */
  end(): void;
}

/** What happens on one stream, in order. Nothing comes after `end` of a client's stream, nor after `closed`. */
export interface StreamEvents {
  /** Of a client's stream: the answer's headers, or its trailers. */
  headers?(headers: readonly Header[]): void;
  data(payload: Buffer): void;
  /** The other end has sent its last. */
  end(): void;
  /** The stream was broken off before it was over: by the other end, with HTTP/2's code, or with its connection. */
  closed(code?: number): void;
}

export interface Stream {
  readonly out: Outgoing;
  events: StreamEvents | undefined;
  /** Bytes the other end may still send. */
  window: number;
  localEnded: boolean;
  remoteEnded: boolean;
}

/** Whose side of a connection it is, and what it is told. */
export type Side =
  | {
      readonly role: 'server';
      /** Called for every new stream; returns who follows it. */
      opened(stream: Stream, headers: readonly Header[]): StreamEvents;
      /** A ping came; `busy`: an answer has gone out since the last one. Returns what the client is told that sends too many. */
      pinged?(busy: boolean): string | undefined;
    }
  | {
      readonly role: 'client';
      /** No new streams may be opened: the server leaves, or the connection is gone. */
      leaving(reason: string): void;
    };

/** What the other end may have on its way: on one stream, and in all. */
export const streamWindow = 1024 * 1024;
const connectionWindow = 16 * 1024 * 1024;
/** Of the headers of one call. */
const maxHeaderBytes = 64 * 1024;
/** A client that asks and does not read is given up. */
const maxBacklog = 64 * 1024 * 1024;
const nothing = Buffer.alloc(0);

/**
 * One side of an HTTP/2 connection (RFC 9113), for calls: streams with headers, data and trailers. No pushing, no priorities.
 * Bytes come in by `receive` and leave by the transport; it never waits and keeps no time.
 */
export class Http2Connection {
  readonly windows: SendWindows;
  private readonly transport: ByteTransport;
  private readonly side: Side;
  private readonly streams = new Map<number, Stream>();
  private readonly hpack = new HpackDecoder(maxHeaderBytes);
  private readonly frames: FrameReader;
  private readonly blocks = new HeaderBlocks(maxHeaderBytes);
  private settled = false;
  private lastStream: number;
  private taken = 0;
  /** Headers or data went out since the last ping. */
  private busy = false;
  private leaving = false;
  private closed = false;

  constructor(transport: ByteTransport, side: Side) {
    const isClient = side.role === 'client';
    this.transport = transport;
    this.side = side;
    this.frames = new FrameReader((head, payload) => this.frame(head, payload), { greeted: isClient });
    // A client's streams have odd numbers.
    this.lastStream = isClient ? -1 : 0;
    this.windows = new SendWindows((bytes) => this.send(bytes), ({ id }) => this.localEnded(id));
    const settings = encodeSettings([...(isClient ? [[setting.enablePush, 0] as const] : []), [setting.initialWindowSize, streamWindow], [setting.maxHeaderListSize, maxHeaderBytes]]);
    transport.write(Buffer.concat([...(isClient ? [preface] : []), settings, encodeFrame({ type: frame.windowUpdate }, uint32(connectionWindow - defaultWindow))]));
  }

  /** Streams that are not over. */
  get size(): number {
    return this.streams.size;
  }

  private write(bytes: Buffer): void {
    if (this.closed) return;
    this.transport.write(bytes);
    if (this.transport.backlog > maxBacklog && this.side.role === 'server') this.fail(new ConnectionError(h2Error.enhanceYourCalm, 'answers are not read'));
  }

  /** Headers and data. */
  private send(bytes: Buffer): void {
    this.busy = true;
    this.write(bytes);
  }

  receive(chunk: Buffer): void {
    if (this.closed) return;
    try {
      this.frames.push(chunk);
    } catch (error) {
      if (error instanceof HpackError) this.fail(new ConnectionError(h2Error.compression, error.message));
      else if (error instanceof ConnectionError) this.fail(error);
      else throw error;
    }
  }

  private frame(head: FrameHead, payload: Buffer): void {
    const { type, flags, id } = head;
    if (this.blocks.awaited !== 0 && (type !== frame.continuation || id !== this.blocks.awaited)) throw protocolError('frame within a header block');
    if (!this.settled && type !== frame.settings) throw protocolError('no settings at the beginning');
    switch (type) {
      case frame.data:
        return this.data(head, payload);
      case frame.headers:
        return this.headers(head, payload);
      case frame.continuation:
        return this.headerBlock(this.blocks.continued(flags, payload));
      case frame.reset:
        return this.reset(id, payload);
      case frame.settings:
        return this.settings(head, payload);
      case frame.pushPromise:
        throw protocolError('nobody may push');
      case frame.ping:
        return this.pinged(head, payload);
      case frame.goaway:
        return this.goaway(id, payload);
      case frame.windowUpdate:
        return this.windowUpdate(id, payload);
      case frame.priority:
        if (id === 0) throw protocolError('priority of the connection');
        return undefined;
      default:
        return undefined;
    }
  }

  private data({ flags, id }: FrameHead, payload: Buffer): void {
    if (id === 0 || id > this.lastStream) throw protocolError(`data on stream ${id}`);
    // Whatever becomes of the stream, the connection goes on.
    this.taken += payload.length;
    if (this.taken >= connectionWindow / 2) {
      this.write(encodeFrame({ type: frame.windowUpdate }, uint32(this.taken)));
      this.taken = 0;
    }
    const stream = this.streams.get(id);
    if (!stream) return;
    if (stream.remoteEnded) return this.abort(stream, h2Error.streamClosed);
    stream.window -= payload.length;
    if (stream.window < 0) return this.abort(stream, h2Error.flowControl);
    const content = flags & flag.padded ? unpad(payload) : payload;
    // What is padding was taken, too.
    if (content.length < payload.length) this.credit(stream, payload.length - content.length);
    if (content.length) stream.events?.data(content);
    if (flags & flag.endStream) this.remoteEnded(stream);
  }

  /** The client may send so many bytes more. */
  credit(stream: Stream, bytes: number): void {
    if (stream.remoteEnded || bytes === 0 || !this.streams.has(stream.out.id)) return;
    stream.window += bytes;
    this.write(encodeFrame({ type: frame.windowUpdate, stream: stream.out.id }, uint32(bytes)));
  }

  private pinged({ type, flags, id }: FrameHead, payload: Buffer): void {
    if (id !== 0) throw protocolError('ping on a stream');
    if (payload.length !== 8) throw new ConnectionError(h2Error.frameSize, 'ping');
    if (flags & flag.ack) return;
    this.write(encodeFrame({ type, flags: flag.ack }, payload));
    if (this.side.role === 'client') return;
    const complaint = this.side.pinged?.(this.busy);
    this.busy = false;
    if (complaint !== undefined) throw new ConnectionError(h2Error.enhanceYourCalm, complaint);
  }

  /** Asks the other end for a sign of life: it answers, which `receive` gets. */
  ping(): void {
    this.write(encodeFrame({ type: frame.ping }, Buffer.alloc(8)));
  }

  private goaway(id: number, payload: Buffer): void {
    if (id !== 0) throw protocolError('goaway on a stream');
    if (payload.length < 8) throw new ConnectionError(h2Error.frameSize, 'goaway');
    if (this.side.role === 'server') return;
    this.noMore(payload.subarray(8).toString() || `HTTP/2 error ${payload.readUInt32BE(4)}`);
    const last = payload.readUInt32BE(0) & largestWindow;
    // The server has not looked at these and never will.
    for (const stream of [...this.streams.values()]) if (stream.out.id > last) this.forget(stream, h2Error.refusedStream);
    if (this.streams.size === 0) this.close();
  }

  /** Tells a client once that it can open no more streams here. */
  private noMore(reason: string): void {
    if (this.leaving) return;
    this.leaving = true;
    if (this.side.role === 'client') this.side.leaving(reason);
  }

  private headers(head: FrameHead, payload: Buffer): void {
    if (head.id % 2 === 0) throw protocolError(`headers on stream ${head.id}`);
    this.headerBlock(this.blocks.begun(head, payload));
  }

  private headerBlock(whole: HeaderBlock | undefined): void {
    if (!whole) return;
    const { stream: id, endStream } = whole;
    // Decoded in any case: the table depends on it.
    const headers = this.hpack.decode(whole.block);
    if (id <= this.lastStream) return this.followed(this.streams.get(id), headers, endStream);
    const { side } = this;
    if (side.role === 'client') throw protocolError(`headers on stream ${id}`);
    this.lastStream = id;
    if (this.leaving) return this.write(resetFrame(id, h2Error.refusedStream));
    const stream = this.newStream(id);
    stream.events = side.opened(stream, headers);
    if (endStream) this.remoteEnded(stream);
  }

  private newStream(id: number): Stream {
    const stream: Stream = { out: this.windows.outgoing(id), events: undefined, window: streamWindow, localEnded: false, remoteEnded: false };
    this.streams.set(id, stream);
    return stream;
  }

  /** Of a client: begins a stream with these headers. Not after it was told that it may not. */
  open(block: Uint8Array, events: StreamEvents): Stream {
    this.lastStream += 2;
    const stream = this.newStream(this.lastStream);
    stream.events = events;
    this.send(headersFrame(stream.out.id, block, false));
    return stream;
  }

  /** Headers on a stream that is there: an answer's, or trailers. */
  private followed(stream: Stream | undefined, headers: readonly Header[], endStream: boolean): void {
    if (!stream) return;
    if (stream.remoteEnded || (!endStream && this.side.role === 'server')) return this.abort(stream, h2Error.protocol);
    stream.events?.headers?.(headers);
    if (endStream && this.streams.has(stream.out.id)) this.remoteEnded(stream);
  }

  private remoteEnded(stream: Stream): void {
    stream.remoteEnded = true;
    // An answer that is whole makes the rest of the question useless.
    if (this.side.role === 'client') {
      this.windows.drop(stream.out);
      this.over(stream, h2Error.cancel);
    }
    stream.events?.end();
  }

  private reset(id: number, payload: Buffer): void {
    if (id === 0 || id > this.lastStream) throw protocolError(`reset of stream ${id}`);
    if (payload.length !== 4) throw new ConnectionError(h2Error.frameSize, 'reset');
    const stream = this.streams.get(id);
    if (stream) this.forget(stream, payload.readUInt32BE(0));
  }

  private settings({ flags, id }: FrameHead, payload: Buffer): void {
    if (id !== 0) throw protocolError('settings of a stream');
    if (payload.length % 6 || (flags & flag.ack && payload.length)) throw new ConnectionError(h2Error.frameSize, 'settings');
    this.settled = true;
    if (flags & flag.ack) return;
    for (let at = 0; at < payload.length; at += 6) this.setting(payload.readUInt16BE(at), payload.readUInt32BE(at + 2));
    this.write(encodeFrame({ type: frame.settings, flags: flag.ack }, nothing));
  }

  private setting(name: number, value: number): void {
    if (name === setting.maxFrameSize) {
      if (value < defaultFrameSize || value >= 2 ** 24) throw protocolError(`frames of ${value} bytes`);
      this.windows.maxFrame = Math.min(value, 4 * defaultFrameSize);
    } else if (name === setting.enablePush) {
      if (value > 1) throw protocolError('push');
    } else if (name === setting.initialWindowSize) {
      if (value > largestWindow) throw new ConnectionError(h2Error.flowControl, `window of ${value} bytes`);
      const more = value - this.windows.initial;
      this.windows.initial = value;
      for (const { out } of this.streams.values()) this.windows.growStream(out, more);
    }
  }

  private windowUpdate(id: number, payload: Buffer): void {
    if (payload.length !== 4) throw new ConnectionError(h2Error.frameSize, 'window update');
    if (id > this.lastStream) throw protocolError(`window of stream ${id}`);
    const bytes = payload.readUInt32BE(0) & largestWindow;
    if (id === 0) {
      if (bytes === 0) throw protocolError('window update of nothing');
      if (!this.windows.grow(bytes)) throw new ConnectionError(h2Error.flowControl, 'window too large');
      return;
    }
    const stream = this.streams.get(id);
    if (!stream) return;
    if (bytes === 0) this.abort(stream, h2Error.protocol);
    else if (!this.windows.growStream(stream.out, bytes)) this.abort(stream, h2Error.flowControl);
  }

  /** Ends a stream that cannot go on. */
  private abort(stream: Stream, code: number): void {
    this.write(resetFrame(stream.out.id, code));
    this.forget(stream, code);
  }

  private forget(stream: Stream, code?: number): void {
    if (!this.streams.delete(stream.out.id)) return;
    this.windows.drop(stream.out);
    stream.events?.closed(code);
    this.perhapsClose();
  }

  private perhapsClose(): void {
    if (this.leaving && this.streams.size === 0) this.close();
  }

  /** Of a client: gives up a stream; it hears no more of it. */
  cancel(stream: Stream): void {
    if (!this.streams.has(stream.out.id)) return;
    stream.events = undefined;
    this.abort(stream, h2Error.cancel);
  }

  /** Sends headers before the first data. */
  sendHeaders({ out }: Stream, block: Uint8Array): void {
    if (this.streams.has(out.id)) this.send(headersFrame(out.id, block, false));
  }

  /** Sends what ends the stream: frames of its own, ready to go. For what was claimed from the windows. */
  finish({ out }: Stream, frames: Buffer): void {
    if (!this.streams.has(out.id)) return;
    this.send(frames);
    this.localEnded(out.id);
  }

  /** A server's answer ends the stream, also for a client that has not ended it: that is of no use any more. */
  private localEnded(id: number): void {
    const stream = this.streams.get(id);
    if (!stream) return;
    stream.localEnded = true;
    if (this.side.role === 'server') this.over(stream, h2Error.none);
  }

  /** The answer is whole. `code`: why the question need not be. */
  private over(stream: Stream, code: number): void {
    this.streams.delete(stream.out.id);
    if (!(stream.localEnded && stream.remoteEnded)) this.write(resetFrame(stream.out.id, code));
    this.perhapsClose();
  }

  /** Opens and takes no more streams; ends when those there are have ended. */
  leave(): void {
    if (this.closed || this.leaving) return;
    this.write(goawayFrame(Math.max(this.lastStream, 0), h2Error.none, ''));
    this.noMore('the connection is being closed');
    if (this.streams.size === 0) this.close();
  }

  private fail({ code, message }: ConnectionError): void {
    if (this.closed) return;
    this.transport.write(goawayFrame(this.side.role === 'server' ? this.lastStream : 0, code, message));
    this.close();
  }

  /** Ends everything at once; also to be called when the transport is gone. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.frames.stop();
    this.noMore('the connection was closed');
    for (const stream of [...this.streams.values()]) this.forget(stream);
    this.transport.end();
  }
}

function goawayFrame(lastStream: number, code: number, message: string): Buffer {
  return encodeFrame({ type: frame.goaway }, Buffer.concat([uint32(lastStream, code), Buffer.from(message)]));
}
