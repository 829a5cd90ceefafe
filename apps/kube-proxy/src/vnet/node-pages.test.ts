import { VirtualClock, createMetrics, seededRandom, silentLogger } from '@orrery/runtime';
import { type NetStack, createFabric } from '@orrery/vnet';
import { expect, it } from 'vitest';
import { servePages } from '@orrery/vnet-link';
import { createProxyHealth, metricsPages } from '../health.ts';
import { nodePages } from './node-pages.ts';

async function get(net: NetStack, ip: string, port: number, path: string): Promise<string> {
  const conn = await net.dial({ ip, port });
  await conn.write(Buffer.from(`GET ${path} HTTP/1.1\r\nHost: node\r\n\r\n`));
  let text = '';
  for (let bytes = await conn.read(); bytes; bytes = await conn.read()) text += Buffer.from(bytes).toString();
  return `${text.slice(0, text.indexOf('\r\n'))} ${text.slice(text.indexOf('\r\n\r\n') + 4)}`;
}

it("a node of the emulated network has kube-proxy's ports: health for all, the mode for itself", async () => {
  const env = { clock: new VirtualClock({ startMs: Date.UTC(2026, 0, 1) }), random: seededRandom(1), log: silentLogger, metrics: createMetrics() };
  const fabric = createFabric(env);
  const [one, two] = [fabric.addSwitch({ node: 'one', nodeIp: '10.240.0.11' }), fabric.addSwitch({ node: 'two', nodeIp: '10.240.0.12' })];
  const close = servePages(one.hostStack, nodePages({ health: createProxyHealth(env, { timeoutMs: 1 }).pages, metrics: metricsPages(env, { mode: 'vnet', settings: { minSyncPeriodMs: 5 } }) }), silentLogger);
  expect(await get(one.hostStack, '127.0.0.1', 10_249, '/proxyMode')).toBe('HTTP/1.1 200 OK vnet');
  expect(await get(one.hostStack, '127.0.0.1', 10_256, '/healthz')).toMatch(/^HTTP\/1.1 200 OK .*"nodeEligible": true/);
  expect(await get(two.hostStack, '10.240.0.11', 10_256, '/livez')).toMatch(/^HTTP\/1.1 200 OK/);
  expect(await get(two.hostStack, '10.240.0.11', 10_256, '/other')).toMatch(/^HTTP\/1.1 404 Not Found/);
  await expect(two.hostStack.dial({ ip: '10.240.0.11', port: 10_249 })).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  expect(await get(one.hostStack, '127.0.0.1', 10_249, '/statusz')).toMatch(/^HTTP\/1.1 200 OK \nkube-proxy statusz\n[^]*Started: Thu Jan  1 00:00:00 UTC 2026\n[^]*Paths: \/configz \/flagz \/healthz \/metrics \/proxyMode \/statusz/);
  expect(await get(one.hostStack, '127.0.0.1', 10_249, '/flagz')).toMatch(/^HTTP\/1.1 200 OK \nkube-proxy flagz\n[^\n]*\nmin-sync-period-ms=5\n$/);
  close();
  await expect(one.hostStack.dial({ ip: '127.0.0.1', port: 10_249 })).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});
