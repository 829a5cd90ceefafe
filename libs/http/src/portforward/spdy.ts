import type { Clock, Timer } from '@orrery/runtime';
import { type ByteStream, splice } from '../byte-stream.ts';
import { SpdySession, type SpdyStream } from '../spdy/session.ts';

/** Connects to a port of the pod. Rejects with the text the client shall see. */
export type DialPort = (port: number) => Promise<ByteStream>;

const streamCreationTimeoutMs = 30_000;

interface Pair {
  error?: SpdyStream;
  data?: SpdyStream;
  timer: Timer;
}

/** Joins one forwarded connection; problems go to the client over the error stream. */
async function forward(pair: { error: SpdyStream; data: SpdyStream; port: number; dial: DialPort }): Promise<void> {
  const { error, data, port, dial } = pair;
  try {
    await splice(data, await dial(port));
  } catch (reason) {
    await error.write(Buffer.from(`error forwarding port ${port} to pod: ${(reason as Error).message}`));
    await data.closeWrite();
  }
  await error.closeWrite();
}

/** Serves SPDY port-forwarding over an established connection: the client opens an error and a data stream a connection. Resolves when it ends. */
export async function servePortForwardSpdy(conn: ByteStream, options: { dial: DialPort; clock: Clock }): Promise<void> {
  const pairs = new Map<string, Pair>();
  const onStream = (stream: SpdyStream): void => {
    const { requestid, streamtype, port } = stream.headers;
    const number = Number(port);
    if ((streamtype !== 'error' && streamtype !== 'data') || !(number > 0 && number < 65536)) {
      stream.close();
      return;
    }
    // Very old clients send no request ids: their data stream follows its error stream.
    const id = requestid ?? String(streamtype === 'error' ? stream.id : stream.id - 2);
    const pair: Pair = pairs.get(id) ?? { timer: options.clock.after(streamCreationTimeoutMs, () => abandon(id)) };
    pair[streamtype] = stream;
    pairs.set(id, pair);
    if (!pair.error || !pair.data) return;
    pair.timer.cancel();
    pairs.delete(id);
    forward({ error: pair.error, data: pair.data, port: number, dial: options.dial }).catch(() => {
      pair.error?.close();
      pair.data?.close();
    });
  };
  const abandon = (id: string): void => {
    const pair = pairs.get(id);
    pairs.delete(id);
    pair?.data?.close();
    pair?.error?.close();
  };
  const session = new SpdySession(conn, { role: 'server', onStream });
  try {
    await session.run();
  } finally {
    for (const pair of pairs.values()) pair.timer.cancel();
  }
}
