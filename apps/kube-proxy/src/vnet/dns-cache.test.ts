import { createFakeApi } from '@orrery/client/testing';
import { VirtualClock, createMetrics, seededRandom, silentLogger } from '@orrery/runtime';
import { createFabric } from '@orrery/vnet';
import { expect, it } from 'vitest';
import { createKubeProxy } from '../component.ts';
import { dnsCacheRules } from './dns-cache.ts';

it.each(['169.254.20.10', '=10.241.0.11', 'a=b=c'])('%s names no DNS cache', (setting) => {
  expect(() => dnsCacheRules(setting)).toThrow(`--node-dns-cache takes ADDRESS=TARGET, not "${setting}"`);
});

it('leads what pods send to the cache of their node to where that runs, also after the switch was forgotten', async () => {
  const clock = new VirtualClock({ drain: () => new Promise((resolve) => setImmediate(resolve)) });
  const env = { clock, random: seededRandom(1), log: silentLogger, metrics: createMetrics() };
  const fabric = createFabric(env);
  const node = fabric.addSwitch({ node: 'n', nodeIp: '10.240.0.11' });
  const cache = fabric.addSwitch({ node: 'cache', nodeIp: '10.241.0.11' });
  cache.hostStack.listen({ ip: '', port: 53 }, (conn) => void conn.close());
  const pod = node.attach({ ips: ['10.244.0.2'] }).stack;
  const ask = async (port: number): Promise<string> => (await pod.dial({ ip: '169.254.20.10', port }).then(() => 'open', (error: Error & { code?: string }) => error.code ?? error.message));
  const proxy = createKubeProxy(env, { api: createFakeApi(env) }, { minSyncPeriodMs: 5, nodeName: 'n', nodeDnsCache: '169.254.20.10=10.241.0.11' });
  proxy.addNode({ nodeName: 'n', control: node });
  await proxy.start();
  expect(await ask(53)).toBe('open');
  expect(await ask(9253)).toBe('ECONNREFUSED');
  await node.updateServices([{ layer: 'own', full: true, services: new Map() }]);
  proxy.resync();
  await clock.advance(100);
  expect(await ask(53)).toBe('open');
  await proxy.stop();
});
