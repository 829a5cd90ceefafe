import type { ByteStream } from '../byte-stream.ts';
import { type Frame, FrameParser, Opcode, WebSocketError, encodeFrame } from './frames.ts';

const maxMessageBytes = 16 * 1024 * 1024;

export interface Message {
  readonly kind: 'text' | 'binary';
  readonly data: Buffer;
}

export interface WebSocketOptions {
  /** Clients mask what they send. */
  readonly role: 'server' | 'client';
}

/**
 * A WebSocket over an upgraded connection. Answers pings by itself, puts fragments together. One reader; writers may
 * overlap.
 */
export class WebSocketConnection {
  private readonly stream: ByteStream;
  private readonly role: 'server' | 'client';
  private readonly parser = new FrameParser(maxMessageBytes);
  private fragments: Frame[] = [];
  private closeSent = false;
  private ended = false;

  constructor(stream: ByteStream, options: WebSocketOptions) {
    this.stream = stream;
    this.role = options.role;
  }

  /** The next message, or undefined after a close frame or the end of the connection. A peer that breaks the protocol is told so and closed. */
  async receive(): Promise<Message | undefined> {
    try {
      for (;;) {
        const frame = await this.nextFrame();
        if (!frame) return undefined;
        const message = await this.accept(frame);
        if (message) return message;
      }
    } catch (error) {
      this.ended = true;
      if (error instanceof WebSocketError) await this.close(error.code, error.message).catch(() => this.stream.close());
      throw error;
    }
  }

  send(data: Uint8Array, kind: 'text' | 'binary' = 'binary'): Promise<void> {
    return this.write(kind === 'text' ? Opcode.text : Opcode.binary, data);
  }

  ping(): Promise<void> {
    return this.write(Opcode.ping, Buffer.alloc(0));
  }

  /** Sends a close frame, once; the peer's answer ends `receive`. A server then drops the connection. */
  async close(code = 1000, reason = ''): Promise<void> {
    if (this.closeSent) return;
    const payload = Buffer.alloc(2 + Buffer.byteLength(reason));
    payload.writeUInt16BE(code, 0);
    payload.write(reason, 2);
    const sent = this.write(Opcode.close, payload);
    this.closeSent = true;
    await sent;
  }

  destroy(): void {
    this.stream.close();
  }

  private async nextFrame(): Promise<Frame | undefined> {
    while (!this.ended) {
      const frame = this.parser.next();
      if (frame) return frame;
      const bytes = await this.stream.read();
      if (!bytes) break;
      this.parser.push(bytes);
    }
    this.ended = true;
    return undefined;
  }

  private async accept(frame: Frame): Promise<Message | undefined> {
    switch (frame.opcode) {
      case Opcode.ping:
        await this.write(Opcode.pong, frame.payload);
        return undefined;
      case Opcode.pong:
        return undefined;
      case Opcode.close:
        await this.close(frame.payload.length >= 2 ? frame.payload.readUInt16BE(0) : 1000).catch(() => undefined);
        this.ended = true;
        return undefined;
      case Opcode.text:
      case Opcode.binary:
        if (this.fragments.length) throw new WebSocketError(1002, 'new message within a fragmented one');
        break;
      case Opcode.continuation:
        if (!this.fragments.length) throw new WebSocketError(1002, 'continuation without a beginning');
        break;
      default:
        throw new WebSocketError(1002, `unknown opcode ${frame.opcode}`);
    }
    return this.assemble(frame);
  }

  private assemble(frame: Frame): Message | undefined {
    const parts = [...this.fragments, frame];
    if (parts.reduce((sum, part) => sum + part.payload.length, 0) > maxMessageBytes) throw new WebSocketError(1009, 'message is too big');
    this.fragments = frame.final ? [] : parts;
    if (!frame.final) return undefined;
    const kind = parts[0]?.opcode === Opcode.text ? 'text' : 'binary';
    return { kind, data: parts.length === 1 ? frame.payload : Buffer.concat(parts.map((part) => part.payload)) };
  }

  private async write(opcode: number, payload: Uint8Array): Promise<void> {
    if (this.closeSent) throw new Error('websocket: close sent');
    const mask = this.role === 'client' ? crypto.getRandomValues(new Uint8Array(4)) : undefined;
    await this.stream.write(encodeFrame({ final: true, opcode, payload: Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength) }, mask));
  }
}
