import type { ByteStream } from '../byte-stream.ts';
import { formatRequestHead, formatResponseHead, headerMap, headerValues, readResponseHead } from '../http1/head.ts';
import { type UpgradeRequest, refuseUpgrade } from '../upgrade.ts';

const versionHeader = 'X-Stream-Protocol-Version';

/**
 * Answers a SPDY upgrade. `protocols` are the sub-protocols the server speaks; the client's first choice among them
 * wins. Undefined when refused (the reply was sent).
 */
export async function acceptSpdy(request: UpgradeRequest, options: { stream: ByteStream; protocols: readonly string[] }): Promise<{ protocol: string } | undefined> {
  const { stream, protocols } = options;
  const offered = headerValues(request.headers, versionHeader);
  const protocol = offered.length ? offered.find((one) => protocols.includes(one)) : '';
  if (protocol === undefined) {
    const message = `unable to upgrade: unable to negotiate protocol: client supports [${offered.join(' ')}], server accepts [${protocols.join(' ')}]`;
    const headers = protocols.map((one) => ['X-Accepted-Stream-Protocol-Versions', one] as const);
    await refuseUpgrade(stream, { status: 403, reason: 'Forbidden', message, headers });
    return undefined;
  }
  const headers: [string, string][] = [['Connection', 'Upgrade'], ['Upgrade', 'SPDY/3.1'], ...(protocol ? [[versionHeader, protocol] as [string, string]] : [])];
  await stream.write(formatResponseHead({ status: 101, reason: 'Switching Protocols', headers }));
  return { protocol };
}

/** The client's side over a fresh connection. Throws when the server refuses. */
export async function connectSpdy(stream: ByteStream, options: { target: string; host: string; protocols: readonly string[]; headers?: readonly (readonly [string, string])[] }): Promise<{ stream: ByteStream; protocol: string }> {
  const headers: [string, string][] = [
    ['Host', options.host],
    ['Connection', 'Upgrade'],
    ['Upgrade', 'SPDY/3.1'],
    ...options.protocols.map((one): [string, string] => [versionHeader, one]),
    ...(options.headers ?? []).map(([name, value]): [string, string] => [name, value]),
  ];
  await stream.write(formatRequestHead({ method: 'POST', target: options.target, headers: [...headers, ['Content-Length', '0']] }));
  const { head, rest } = await readResponseHead(stream);
  if (head.status !== 101) {
    stream.close();
    throw new Error(`SPDY upgrade refused: ${head.status} ${head.reason}`);
  }
  return { stream: rest, protocol: headerMap(head.headers)['x-stream-protocol-version'] ?? '' };
}
