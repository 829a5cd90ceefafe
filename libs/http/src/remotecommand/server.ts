import type { Clock } from '@orrery/runtime';
import type { ByteStream } from '../byte-stream.ts';
import { type UpgradeRequest, refuseUpgrade, upgradeProtocol } from '../upgrade.ts';
import type { RemoteCommandSession, RemoteCommandStreams } from './session.ts';
import { acceptSpdyCommand } from './spdy.ts';
import { acceptWebSocketCommand } from './websocket.ts';

/** What the query of an exec or attach URL asks for: `stdin`, `stdout`, `stderr`, `tty` (kubelets say `input`, `output`, `error`). */
export function commandStreams(query: URLSearchParams): RemoteCommandStreams {
  const on = (...names: string[]): boolean => names.some((name) => ['1', 'true'].includes(query.get(name) ?? ''));
  return { stdin: on('stdin', 'input'), stdout: on('stdout', 'output'), stderr: on('stderr', 'error'), tty: on('tty') };
}

/**
 * Serves an exec or attach request over whatever its client speaks: WebSocket (v5, v4, v3, base64) or SPDY/3.1 (v4 to
 * v1). Resolves when the client's streams are there. Undefined when the handshake failed; the client then has its answer.
 */
export async function acceptRemoteCommand(request: UpgradeRequest, options: { stream: ByteStream; streams: RemoteCommandStreams; clock: Clock }): Promise<RemoteCommandSession | undefined> {
  const protocol = upgradeProtocol(request);
  if (protocol === 'websocket') return acceptWebSocketCommand(request, options);
  if (protocol === 'spdy/3.1') return acceptSpdyCommand(request, options);
  await refuseUpgrade(options.stream, { status: 400, reason: 'Bad Request', message: 'unable to upgrade: missing upgrade headers in request' });
  return undefined;
}
