import type { Clock } from '@orrery/runtime';
import { ByteQueue, type ByteStream } from '../byte-stream.ts';
import type { UpgradeRequest } from '../upgrade.ts';
import { ChannelConnection } from '../websocket/channels.ts';
import { acceptWebSocket } from '../websocket/handshake.ts';
import { type RemoteCommandSession, type RemoteCommandStreams, emptyReader, parseResizes, resultStatus, resultText } from './session.ts';

const protocols = ['v5.channel.k8s.io', 'v5.base64.channel.k8s.io', 'v4.channel.k8s.io', 'v4.base64.channel.k8s.io', 'v3.channel.k8s.io', 'channel.k8s.io', 'base64.channel.k8s.io', ''];
const Channel = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4 } as const;
const closeTimeoutMs = 10_000;
/**
 * client-go up to 1.33 reads before it has made its streams, and throws away what comes for one that is not there yet
 * ("Unknown stream id 1, discarding message"). Real nodes are slow enough for it; this is how long it is given.
 */
const clientStartMs = 20;

/** Reads messages into the queues of stdin and resize until the client closes. */
async function receiveAll(channels: ChannelConnection, queues: { stdin: ByteQueue; resize: ByteQueue }): Promise<void> {
  for (let message = await channels.receive(); message; message = await channels.receive()) {
    const queue = message.channel === Channel.stdin ? queues.stdin : message.channel === Channel.resize ? queues.resize : undefined;
    if (message.halfClose) queue?.end();
    else await queue?.push(message.data);
  }
}

/** Serves exec or attach over a WebSocket. Undefined when refused. */
export async function acceptWebSocketCommand(request: UpgradeRequest, options: { stream: ByteStream; streams: RemoteCommandStreams; clock: Clock }): Promise<RemoteCommandSession | undefined> {
  const { clock, streams } = options;
  const accepted = await acceptWebSocket(request, { stream: options.stream, protocols });
  if (!accepted) return undefined;
  const { protocol } = accepted;
  const channels = new ChannelConnection(accepted.socket, { codec: protocol.includes('base64') ? 'base64' : 'binary', halfClose: protocol.startsWith('v5.') });
  const queues = { stdin: new ByteQueue(), resize: new ByteQueue() };
  const gone = new AbortController();
  const over = (error?: Error): void => {
    queues.stdin.end();
    queues.resize.end();
    gone.abort(error ?? new Error('connection closed'));
    channels.destroy();
  };
  const ended = receiveAll(channels, queues).then(
    () => over(),
    (error: Error) => over(error),
  );
  if (protocol.startsWith('v5.')) await clock.sleep(clientStartMs, gone.signal).catch(() => undefined);
  // Tells the client that the streams are there, as upstream does.
  if (!gone.signal.aborted) await channels.send(streams.stdout ? Channel.stdout : streams.stderr ? Channel.stderr : Channel.error, new Uint8Array(0));
  const writer = (channel: number, wanted: boolean): RemoteCommandSession['stdout'] => ({ write: (bytes) => (wanted && bytes.length ? channels.send(channel, bytes) : Promise.resolve()) });
  const stdout = writer(Channel.stdout, streams.stdout);
  return {
    stdin: streams.stdin ? queues.stdin : emptyReader,
    stdout,
    stderr: streams.tty ? stdout : writer(Channel.stderr, streams.stderr),
    resizes: parseResizes(queues.resize),
    signal: gone.signal,
    async exit(result) {
      const text = /^v[45]\./.test(protocol) ? resultStatus(result) : resultText(result);
      const timer = clock.after(closeTimeoutMs, () => channels.destroy());
      try {
        if (text) await channels.send(Channel.error, Buffer.from(text));
        await channels.close();
        queues.stdin.end();
        await ended;
      } catch {
        // The client went away first: nobody is left to be told.
        channels.destroy();
      } finally {
        timer.cancel();
      }
    },
  };
}
