import type { ByteStream } from '../byte-stream.ts';
import { formatRequestHead, formatResponseHead, headerMap, headerValue, headerValues, readResponseHead } from '../http1/head.ts';
import { type UpgradeRequest, refuseUpgrade } from '../upgrade.ts';
import { WebSocketConnection } from './connection.ts';

const magic = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** What proves that a server understood the handshake: `Sec-WebSocket-Accept` for a client's `Sec-WebSocket-Key`. */
export async function acceptKey(key: string): Promise<string> {
  return Buffer.from(await crypto.subtle.digest('SHA-1', Buffer.from(key + magic))).toString('base64');
}

/** The client's sub-protocol offers, in its order. */
export function offeredProtocols(request: UpgradeRequest): string[] {
  return headerValues(request.headers, 'sec-websocket-protocol');
}

/**
 * Answers a WebSocket handshake. `protocols` are those the server speaks; the client's first choice among them wins.
 * A client that offers none gets '' if that is in `protocols`. Undefined when refused (the reply was sent).
 */
export async function acceptWebSocket(request: UpgradeRequest, options: { stream: ByteStream; protocols: readonly string[] }): Promise<{ socket: WebSocketConnection; protocol: string } | undefined> {
  const { stream, protocols } = options;
  const key = headerValue(request.headers, 'sec-websocket-key');
  const refuse = async (message: string): Promise<undefined> => {
    await refuseUpgrade(stream, { status: 400, reason: 'Bad Request', message });
    return undefined;
  };
  if (request.method !== 'GET' || !key || headerValue(request.headers, 'sec-websocket-version') !== '13') return refuse('not a websocket handshake');
  const offered = offeredProtocols(request);
  const protocol = offered.length ? offered.find((one) => protocols.includes(one)) : protocols.includes('') ? '' : undefined;
  if (protocol === undefined) return refuse(`unable to negotiate protocol: client supports [${offered.join(' ')}], server accepts [${protocols.join(' ')}]`);
  const headers: [string, string][] = [
    ['Upgrade', 'websocket'],
    ['Connection', 'Upgrade'],
    ['Sec-WebSocket-Accept', await acceptKey(key)],
    ...(protocol ? [['Sec-WebSocket-Protocol', protocol] as [string, string]] : []),
  ];
  await stream.write(formatResponseHead({ status: 101, reason: 'Switching Protocols', headers }));
  return { socket: new WebSocketConnection(stream, { role: 'server' }), protocol };
}

/** The client's side of a handshake over a fresh connection. Throws when the server refuses. */
export async function connectWebSocket(stream: ByteStream, options: { target: string; host: string; protocols: readonly string[]; headers?: readonly (readonly [string, string])[] }): Promise<{ socket: WebSocketConnection; protocol: string }> {
  const key = Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString('base64');
  const headers: [string, string][] = [
    ['Host', options.host],
    ['Upgrade', 'websocket'],
    ['Connection', 'Upgrade'],
    ['Sec-WebSocket-Key', key],
    ['Sec-WebSocket-Version', '13'],
    ...(options.protocols.length ? [['Sec-WebSocket-Protocol', options.protocols.join(', ')] as [string, string]] : []),
    ...(options.headers ?? []).map(([name, value]): [string, string] => [name, value]),
  ];
  await stream.write(formatRequestHead({ method: 'GET', target: options.target, headers }));
  const { head, rest } = await readResponseHead(stream);
  const reply = headerMap(head.headers);
  if (head.status !== 101 || reply['sec-websocket-accept'] !== (await acceptKey(key))) {
    stream.close();
    throw new Error(`websocket handshake refused: ${head.status} ${head.reason}`);
  }
  return { socket: new WebSocketConnection(rest, { role: 'client' }), protocol: reply['sec-websocket-protocol'] ?? '' };
}
