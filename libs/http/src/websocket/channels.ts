import type { Message, WebSocketConnection } from './connection.ts';

/** How channels are carried in messages: a first byte, or a first digit and base64. */
export type ChannelCodec = 'binary' | 'base64';

/** A message of a channel protocol. `halfClose`: the peer will send nothing more on the channel (v5 only). */
export interface ChannelMessage {
  readonly channel: number;
  readonly data: Buffer;
  readonly halfClose: boolean;
}

const halfCloseByte = 255;

/** Channels multiplexed over a WebSocket, in the manner of *.channel.k8s.io. */
export class ChannelConnection {
  private readonly socket: WebSocketConnection;
  private readonly codec: ChannelCodec;
  private readonly halfClose: boolean;

  constructor(socket: WebSocketConnection, options: { codec: ChannelCodec; halfClose: boolean }) {
    this.socket = socket;
    this.codec = options.codec;
    this.halfClose = options.halfClose;
  }

  /** The next message; empty ones are skipped. Undefined at the end. */
  async receive(): Promise<ChannelMessage | undefined> {
    for (;;) {
      const message = await this.socket.receive();
      if (!message) return undefined;
      if (message.data.length) return this.decode(message);
    }
  }

  send(channel: number, data: Uint8Array): Promise<void> {
    if (this.codec === 'binary') return this.socket.send(Buffer.concat([Buffer.from([channel]), data]));
    return this.socket.send(Buffer.from(`${channel}${Buffer.from(data).toString('base64')}`), 'text');
  }

  close(): Promise<void> {
    return this.socket.close(1000);
  }

  destroy(): void {
    this.socket.destroy();
  }

  private decode(message: Message): ChannelMessage {
    const first = message.data[0] as number;
    const rest = message.data.subarray(1);
    if (this.codec === 'base64') return { channel: first - 0x30, data: Buffer.from(rest.toString('latin1'), 'base64'), halfClose: false };
    if (this.halfClose && first === halfCloseByte && rest.length) return { channel: rest[0] as number, data: Buffer.alloc(0), halfClose: true };
    return { channel: first, data: rest, halfClose: false };
  }
}
