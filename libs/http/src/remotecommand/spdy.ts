import type { Clock } from '@orrery/runtime';
import type { ByteStream } from '../byte-stream.ts';
import { acceptSpdy } from '../spdy/handshake.ts';
import { SpdySession, type SpdyStream } from '../spdy/session.ts';
import type { UpgradeRequest } from '../upgrade.ts';
import { type RemoteCommandSession, type RemoteCommandStreams, emptyReader, parseResizes, resultStatus, resultText } from './session.ts';

/** v5 differs from v4 only over WebSocket; servers do not offer it here. */
const protocols = ['v4.channel.k8s.io', 'v3.channel.k8s.io', 'v2.channel.k8s.io', 'channel.k8s.io'];

const streamCreationTimeoutMs = 30_000;
const closeTimeoutMs = 10_000;

function wantedStreams(streams: RemoteCommandStreams, protocol: string): string[] {
  const resize = streams.tty && ['v4.channel.k8s.io', 'v3.channel.k8s.io'].includes(protocol);
  return ['error', ...(streams.stdin ? ['stdin'] : []), ...(streams.stdout ? ['stdout'] : []), ...(streams.stderr && !streams.tty ? ['stderr'] : []), ...(resize ? ['resize'] : [])];
}

/** Resolves with the streams by type as soon as the client has opened all of them. */
function collectStreams(wanted: readonly string[], clock: Clock): { add: (stream: SpdyStream) => void; fail: (error: Error) => void; all: Promise<Map<string, SpdyStream>> } {
  const byType = new Map<string, SpdyStream>();
  const { promise, resolve, reject } = Promise.withResolvers<Map<string, SpdyStream>>();
  const timer = clock.after(streamCreationTimeoutMs, () => reject(new Error('timed out waiting for client to create streams')));
  promise.then(
    () => timer.cancel(),
    () => timer.cancel(),
  );
  return {
    add(stream) {
      const type = stream.headers['streamtype'] ?? '';
      if (!wanted.includes(type) || byType.has(type)) {
        stream.close();
        return;
      }
      byType.set(type, stream);
      if (byType.size === wanted.length) resolve(byType);
    },
    fail: reject,
    all: promise,
  };
}

/** Serves exec or attach over SPDY/3.1. Undefined when refused or when the client did not open its streams. */
export async function acceptSpdyCommand(request: UpgradeRequest, options: { stream: ByteStream; streams: RemoteCommandStreams; clock: Clock }): Promise<RemoteCommandSession | undefined> {
  const { clock, streams } = options;
  const accepted = await acceptSpdy(request, { stream: options.stream, protocols });
  if (!accepted) return undefined;
  const collector = collectStreams(wantedStreams(streams, accepted.protocol), clock);
  const session = new SpdySession(options.stream, { role: 'server', onStream: collector.add });
  const gone = new AbortController();
  const ended = session.run().then(
    () => gone.abort(new Error('connection closed')),
    (error: Error) => gone.abort(error),
  );
  void ended.then(() => collector.fail(gone.signal.reason as Error));
  let byType: Map<string, SpdyStream>;
  try {
    byType = await collector.all;
  } catch {
    session.destroy();
    return undefined;
  }
  const stdout = byType.get('stdout');
  const nothing = { write: () => Promise.resolve() };
  const resize = byType.get('resize');
  return {
    stdin: byType.get('stdin') ?? emptyReader,
    stdout: stdout ?? nothing,
    stderr: byType.get('stderr') ?? (streams.tty && stdout ? stdout : nothing),
    resizes: parseResizes(resize ?? emptyReader),
    signal: gone.signal,
    async exit(result) {
      const text = accepted.protocol === 'v4.channel.k8s.io' ? resultStatus(result) : resultText(result);
      const timer = clock.after(closeTimeoutMs, () => session.destroy());
      try {
        if (text) await byType.get('error')?.write(Buffer.from(text));
        for (const stream of byType.values()) await stream.closeWrite();
        await session.finish();
        await ended;
      } catch {
        // The client went away first: nobody is left to be told.
        session.destroy();
      } finally {
        timer.cancel();
      }
    },
  };
}
