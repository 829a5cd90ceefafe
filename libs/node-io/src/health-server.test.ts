import { type AddressInfo, createServer } from 'node:net';
import { type Component, ConfigError, VirtualClock, createMetrics, seededRandom, silentLogger } from '@orrery/runtime';
import { expect, it } from 'vitest';
import { listenAddress, withHealthServer } from './health-server.ts';

const env = { clock: new VirtualClock(), random: seededRandom(1), log: silentLogger, metrics: createMetrics() };
const component = (ready: () => boolean): Component => ({ name: 'it', start: async () => undefined, stop: async () => undefined, ready });

it.each([
  ['127.0.0.1:80', '127.0.0.1', 80],
  ['[::1]:0', '::1', 0],
  ['localhost:65535', 'localhost', 65_535],
  [':9', '', 9],
])('reads %s', (text, host, port) => expect(listenAddress('--at', text)).toEqual({ host, port }));

it.each(['80', 'host', 'host:', 'host:65536', '::1:80', 'host:80/x'])('refuses %s', (text) => {
  expect(() => listenAddress('--at', text)).toThrow(`--at "${text}" is not host:port`);
  expect(() => withHealthServer(component(() => true), { env, address: text })).toThrow(ConfigError);
});

it('serves from its start to its end, and says which address it cannot have', async () => {
  const other = createServer();
  await new Promise<void>((listening) => other.listen(0, '127.0.0.1', () => listening()));
  const address = `127.0.0.1:${(other.address() as AddressInfo).port}`;
  let ready = false;
  const served = withHealthServer(component(() => ready), { env, address });
  await expect(served.start()).rejects.toSatisfy((error) => error instanceof ConfigError && error.message.startsWith(`--health-address ${address}: listen EADDRINUSE`));
  await new Promise((closed) => other.close(closed));

  await served.start();
  env.metrics.counter('things', 'Things').inc();
  const get = async (path: string): Promise<string> => {
    const reply = await fetch(`http://${address}${path}`);
    return `${reply.status} ${await reply.text()}`;
  };
  expect([await get('/healthz'), await get('/readyz')]).toEqual(['200 ok', '503 not ready']);
  ready = true;
  expect([await get('/readyz'), await get('/metrics')]).toEqual(['200 ok', expect.stringContaining('\nthings 1\n')]);
  await served.stop();
  await expect(get('/healthz')).rejects.toThrow();
});
