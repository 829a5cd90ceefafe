import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { splice } from '../vnet-bridge.ts';
import type { BackendPool } from './backend-pool.ts';
import type { Attempt, ForwardPlan, ProxiedRequest } from './contract.ts';
import { requestHeaders } from './head.ts';

export interface UpgradeInput {
  readonly pool: BackendPool;
  readonly message: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
  readonly from: ProxiedRequest;
  readonly plan: ForwardPlan;
}

export function refuseUpgrade(socket: Duplex, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
}

/** WebSocket and the like: the head is sent on to the first backend that accepts, then bytes flow both ways. Resolves at the end. */
export async function forwardUpgrade({ pool, message, socket, head, from, plan }: UpgradeInput): Promise<{ status: number; attempts: Attempt[] }> {
  const began = performance.now();
  const since = (): number => (performance.now() - began) / 1000;
  for (const endpoint of plan.endpoints) {
    const stream = await pool.open(endpoint, plan).catch(() => undefined);
    if (!stream) {
      plan.failed?.(endpoint);
      continue;
    }
    const connectSeconds = since();
    const headers = { ...requestHeaders(message.headers, plan), connection: 'Upgrade', upgrade: message.headers.upgrade };
    const lines = Object.entries(headers).flatMap(([name, value]) => [value ?? ''].flat().map((one) => `${name}: ${String(one)}\r\n`));
    stream.write(`${from.method} ${plan.target} HTTP/1.1\r\n${lines.join('')}\r\n`);
    if (head.length) stream.write(head);
    let status = 0;
    let bytes = 0;
    stream.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (status === 0) status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(chunk.toString('latin1', 0, 16))?.[1] ?? 502);
    });
    splice(socket, stream);
    return new Promise((resolve) => {
      socket.once('close', () => resolve({ status: status || 502, attempts: [{ endpoint, status, connectSeconds, headerSeconds: connectSeconds, seconds: since(), bytes }] }));
    });
  }
  refuseUpgrade(socket, '502 Bad Gateway');
  return { status: 502, attempts: [] };
}
