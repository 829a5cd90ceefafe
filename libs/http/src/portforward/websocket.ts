import type { Clock, Timer } from '@orrery/runtime';
import { ByteQueue, type ByteStream, pipe } from '../byte-stream.ts';
import { ChannelConnection } from '../websocket/channels.ts';
import type { WebSocketConnection } from '../websocket/connection.ts';
import type { DialPort } from './spdy.ts';

/** The raw bytes inside the binary messages of a tunnel (`SPDY/3.1+portforward.k8s.io`). */
export function tunnelStream(socket: WebSocketConnection): ByteStream {
  return {
    async read() {
      for (;;) {
        const message = await socket.receive();
        if (!message) return undefined;
        if (message.data.length) return message.data;
      }
    },
    write: (bytes) => socket.send(bytes),
    closeWrite: () => socket.close(),
    close: () => {
      socket.close().then(
        () => socket.destroy(),
        () => socket.destroy(),
      );
    },
  };
}

/** How long a client may take to answer our close. */
const closeTimeoutMs = 10_000;

function portPrefix(port: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(port);
  return bytes;
}

/**
 * Serves the plain WebSocket port-forward: ports are fixed by the URL, each has two channels (2i data, 2i+1 errors) that
 * begin with the port in two bytes, and stands for one connection. Resolves when it ends.
 */
export async function servePortForwardChannels(socket: WebSocketConnection, options: { ports: readonly number[]; dial: DialPort; base64: boolean; clock: Clock }): Promise<void> {
  const channels = new ChannelConnection(socket, { codec: options.base64 ? 'base64' : 'binary', halfClose: false });
  for (const [i, port] of options.ports.entries()) {
    await channels.send(2 * i, portPrefix(port));
    await channels.send(2 * i + 1, portPrefix(port));
  }
  const incoming = options.ports.map(() => new ByteQueue());
  const backends: ByteStream[] = [];
  const forwardOne = async (i: number, port: number): Promise<void> => {
    try {
      const backend = await options.dial(port);
      backends.push(backend);
      const toBackend = pipe(incoming[i] as ByteQueue, backend);
      toBackend.catch((error: Error) => backend.close(error));
      for (let bytes = await backend.read(); bytes; bytes = await backend.read()) await channels.send(2 * i, bytes);
    } catch (error) {
      await channels.send(2 * i + 1, Buffer.from(`error forwarding port ${port} to pod: ${(error as Error).message}`));
    }
  };
  const running = options.ports.map((port, i) => forwardOne(i, port));
  let closing: Timer | undefined;
  void Promise.allSettled(running).then(() => {
    closing = options.clock.after(closeTimeoutMs, () => channels.destroy());
    channels.close().catch(() => channels.destroy());
  });
  try {
    for (let message = await channels.receive(); message; message = await channels.receive()) {
      if (message.channel % 2 === 0) await incoming[message.channel / 2]?.push(message.data);
    }
  } finally {
    closing?.cancel();
    for (const queue of incoming) queue.end();
    for (const backend of backends) backend.close();
    channels.destroy();
  }
}
