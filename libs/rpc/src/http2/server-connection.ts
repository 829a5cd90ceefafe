import { ConnectionError, type FrameHead, FrameReader, protocolError, unpad } from './frame-reader.ts';
import { defaultFrameSize, defaultWindow, encodeFrame, encodeSettings, flag, frame, h2Error, largestWindow, setting, uint32 } from './frames.ts';
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

/** What happens on one stream, in order. Nothing comes after `closed`. */
export interface StreamEvents {
  data(payload: Buffer): void;
  /** The client has sent its last. */
  end(): void;
  /** The client or its connection is gone before the stream was over. */
  closed(): void;
}

export interface ServerStream {
  readonly out: Outgoing;
  events: StreamEvents | undefined;
  /** Bytes the client may still send. */
  window: number;
  remoteEnded: boolean;
}

interface Pending {
  readonly stream: number;
  readonly endStream: boolean;
  blocks: Buffer[];
  bytes: number;
}

/** What a client may have on its way: on one stream, and in all. */
export const streamWindow = 1024 * 1024;
const connectionWindow = 16 * 1024 * 1024;
/** Of the headers of one call. */
const maxHeaderBytes = 64 * 1024;
/** A client that asks and does not read is given up. */
const maxBacklog = 64 * 1024 * 1024;
const nothing = Buffer.alloc(0);

/**
 * The server's side of one HTTP/2 connection (RFC 9113), for calls: streams with headers, data and trailers. No pushing, no
 * priorities. Bytes come in by `receive` and leave by the transport; it never waits and keeps no time.
 */
export class ServerConnection {
  readonly windows: SendWindows;
  private readonly transport: ByteTransport;
  private readonly opened: (stream: ServerStream, headers: readonly Header[]) => StreamEvents;
  private readonly streams = new Map<number, ServerStream>();
  private readonly hpack = new HpackDecoder(maxHeaderBytes);
  private readonly frames = new FrameReader((head, payload) => this.frame(head, payload));
  private settled = false;
  private pending: Pending | undefined;
  private lastStream = 0;
  private taken = 0;
  private leaving = false;
  private closed = false;

  /** `opened` is called for every new stream and returns who follows it. */
  constructor(transport: ByteTransport, opened: (stream: ServerStream, headers: readonly Header[]) => StreamEvents) {
    this.transport = transport;
    this.opened = opened;
    this.windows = new SendWindows((bytes) => this.write(bytes), ({ id }) => this.localEnded(id));
    const settings = encodeSettings([[setting.initialWindowSize, streamWindow], [setting.maxHeaderListSize, maxHeaderBytes]]);
    transport.write(Buffer.concat([settings, encodeFrame({ type: frame.windowUpdate }, uint32(connectionWindow - defaultWindow))]));
  }

  /** Streams that are not over. */
  get size(): number {
    return this.streams.size;
  }

  private write(bytes: Buffer): void {
    if (this.closed) return;
    this.transport.write(bytes);
    if (this.transport.backlog > maxBacklog) this.fail(new ConnectionError(h2Error.enhanceYourCalm, 'answers are not read'));
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
    if (this.pending && (type !== frame.continuation || id !== this.pending.stream)) throw protocolError('frame within a header block');
    if (!this.settled && type !== frame.settings) throw protocolError('no settings at the beginning');
    switch (type) {
      case frame.data:
        return this.data(head, payload);
      case frame.headers:
        return this.headers(head, payload);
      case frame.continuation:
        return this.continuation(flags, payload);
      case frame.reset:
        return this.reset(id, payload);
      case frame.settings:
        return this.settings(head, payload);
      case frame.pushPromise:
        throw protocolError('clients do not push');
      case frame.ping:
        if (id !== 0) throw protocolError('ping on a stream');
        if (payload.length !== 8) throw new ConnectionError(h2Error.frameSize, 'ping');
        if (!(flags & flag.ack)) this.write(encodeFrame({ type, flags: flag.ack }, payload));
        return undefined;
      case frame.goaway:
        if (id !== 0) throw protocolError('goaway on a stream');
        return undefined;
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
  credit(stream: ServerStream, bytes: number): void {
    if (stream.remoteEnded || bytes === 0 || !this.streams.has(stream.out.id)) return;
    stream.window += bytes;
    this.write(encodeFrame({ type: frame.windowUpdate, stream: stream.out.id }, uint32(bytes)));
  }

  private headers({ flags, id }: FrameHead, payload: Buffer): void {
    if (id % 2 === 0) throw protocolError(`headers on stream ${id}`);
    let block = flags & flag.padded ? unpad(payload) : payload;
    if (flags & flag.priority) {
      if (block.length < 5) throw new ConnectionError(h2Error.frameSize, 'headers');
      block = block.subarray(5);
    }
    const endStream = (flags & flag.endStream) !== 0;
    if (flags & flag.endHeaders) return this.headerBlock({ stream: id, endStream }, block);
    this.pending = { stream: id, endStream, blocks: [block], bytes: block.length };
  }

  private continuation(flags: number, payload: Buffer): void {
    const { pending } = this;
    if (!pending) throw protocolError('continuation of nothing');
    pending.blocks.push(payload);
    pending.bytes += payload.length;
    if (pending.bytes > maxHeaderBytes || pending.blocks.length > 16) throw new ConnectionError(h2Error.enhanceYourCalm, 'more headers than are taken');
    if (!(flags & flag.endHeaders)) return;
    this.pending = undefined;
    this.headerBlock(pending, Buffer.concat(pending.blocks));
  }

  private headerBlock({ stream: id, endStream }: { stream: number; endStream: boolean }, block: Buffer): void {
    // Decoded in any case: the table depends on it.
    const headers = this.hpack.decode(block);
    if (id <= this.lastStream) return this.trailers(this.streams.get(id), endStream);
    this.lastStream = id;
    if (this.leaving) return this.write(resetFrame(id, h2Error.refusedStream));
    const stream: ServerStream = { out: this.windows.outgoing(id), events: undefined, window: streamWindow, remoteEnded: false };
    this.streams.set(id, stream);
    stream.events = this.opened(stream, headers);
    if (endStream) this.remoteEnded(stream);
  }

  private trailers(stream: ServerStream | undefined, endStream: boolean): void {
    if (!stream) return;
    if (stream.remoteEnded || !endStream) return this.abort(stream, h2Error.protocol);
    this.remoteEnded(stream);
  }

  private remoteEnded(stream: ServerStream): void {
    stream.remoteEnded = true;
    stream.events?.end();
  }

  private reset(id: number, payload: Buffer): void {
    if (id === 0 || id > this.lastStream) throw protocolError(`reset of stream ${id}`);
    if (payload.length !== 4) throw new ConnectionError(h2Error.frameSize, 'reset');
    const stream = this.streams.get(id);
    if (stream) this.forget(stream);
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
  private abort(stream: ServerStream, code: number): void {
    this.write(resetFrame(stream.out.id, code));
    this.forget(stream);
  }

  private forget(stream: ServerStream): void {
    if (!this.streams.delete(stream.out.id)) return;
    this.windows.drop(stream.out);
    stream.events?.closed();
  }

  /** Sends headers before the first data. */
  sendHeaders({ out }: ServerStream, block: Uint8Array): void {
    if (this.streams.has(out.id)) this.write(headersFrame(out.id, block, false));
  }

  /** Sends what ends the stream: frames of its own, ready to go. For what was claimed from the windows. */
  finish({ out }: ServerStream, frames: Buffer): void {
    if (!this.streams.has(out.id)) return;
    this.write(frames);
    this.localEnded(out.id);
  }

  /** A stream that the client has not ended is of no use to it any more. */
  private localEnded(id: number): void {
    const stream = this.streams.get(id);
    if (!stream) return;
    this.streams.delete(id);
    if (!stream.remoteEnded) this.write(resetFrame(id, h2Error.none));
    if (this.leaving && this.streams.size === 0) this.close();
  }

  /** Takes no more streams; ends when those there are have ended. */
  leave(): void {
    if (this.closed || this.leaving) return;
    this.leaving = true;
    this.write(goaway(this.lastStream, h2Error.none, ''));
    if (this.streams.size === 0) this.close();
  }

  private fail({ code, message }: ConnectionError): void {
    if (this.closed) return;
    this.transport.write(goaway(this.lastStream, code, message));
    this.close();
  }

  /** Ends everything at once; also to be called when the transport is gone. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.frames.stop();
    for (const stream of [...this.streams.values()]) this.forget(stream);
    this.transport.end();
  }
}

function goaway(lastStream: number, code: number, message: string): Buffer {
  return encodeFrame({ type: frame.goaway }, Buffer.concat([uint32(lastStream, code), Buffer.from(message)]));
}
