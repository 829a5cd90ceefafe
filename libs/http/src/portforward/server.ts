import type { Clock } from '@orrery/runtime';
import type { ByteStream } from '../byte-stream.ts';
import { acceptSpdy } from '../spdy/handshake.ts';
import { type UpgradeRequest, refuseUpgrade, upgradeProtocol } from '../upgrade.ts';
import { acceptWebSocket } from '../websocket/handshake.ts';
import { type DialPort, servePortForwardSpdy } from './spdy.ts';
import { servePortForwardChannels, tunnelStream } from './websocket.ts';

const spdyProtocol = 'portforward.k8s.io';
const tunnelProtocol = 'SPDY/3.1+portforward.k8s.io';
const channelProtocols = ['v4.channel.k8s.io', 'v4.base64.channel.k8s.io'];

/** Ports of the URL: `ports=80&ports=90`, `ports=80,90` or `port=80`. Throws for anything that is no port. */
export function forwardedPorts(query: URLSearchParams): number[] {
  const ports = [...query.getAll('ports'), ...query.getAll('port')].flatMap((value) => value.split(',')).filter((value) => value !== '');
  return ports.map((value) => {
    const port = Number(value);
    if (!Number.isInteger(port) || port < 1 || port > 65535) throw new Error(`unable to parse ${JSON.stringify(value)} as a port: must be between 1 and 65535, inclusive`);
    return port;
  });
}

/**
 * Serves a port-forward request over whatever its client speaks: SPDY/3.1, SPDY tunnelled through a WebSocket, or the
 * WebSocket channel protocol of other clients, whose ports are `ports`, or those of the URL. `dial` is called once a connection. Resolves when the client is gone;
 * rejects when it broke the protocol.
 */
export async function servePortForward(request: UpgradeRequest, options: { stream: ByteStream; dial: DialPort; clock: Clock; ports?: readonly number[] }): Promise<void> {
  const { stream, dial, clock } = options;
  const protocol = upgradeProtocol(request);
  if (protocol === 'spdy/3.1') {
    if (await acceptSpdy(request, { stream, protocols: [spdyProtocol] })) await servePortForwardSpdy(stream, { dial, clock });
    return;
  }
  if (protocol !== 'websocket') {
    await refuseUpgrade(stream, { status: 400, reason: 'Bad Request', message: 'unable to upgrade: missing upgrade headers in request' });
    return;
  }
  const accepted = await acceptWebSocket(request, { stream, protocols: [tunnelProtocol, ...channelProtocols, ''] });
  if (!accepted) return;
  if (accepted.protocol === tunnelProtocol) {
    await servePortForwardSpdy(tunnelStream(accepted.socket), { dial, clock });
    return;
  }
  const ports = options.ports?.length ? options.ports : forwardedPorts(new URL(request.url, 'http://localhost').searchParams);
  await servePortForwardChannels(accepted.socket, { ports, dial, base64: accepted.protocol.includes('base64'), clock });
}
