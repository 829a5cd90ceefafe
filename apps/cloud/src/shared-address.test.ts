import { VirtualClock, createMetrics, seededRandom, silentLogger } from '@orrery/runtime';
import { expect, it } from 'vitest';
import { createAddressPool } from './address-pool.ts';
import { createLoadBalancers } from './load-balancers.ts';

it('shares one address and binds elsewhere, so that a container can publish its ports', async () => {
  const taken = new Set<string>();
  const balancers = createLoadBalancers(
    { clock: new VirtualClock(), random: seededRandom(1), log: silentLogger, metrics: createMetrics() },
    {
      pool: createAddressPool('127.77.0.0/16'),
      sharedAddress: '127.0.0.1',
      listenHost: '0.0.0.0',
      fallbackHost: '127.0.0.1',
      save: () => undefined,
      network: {
        dial: () => Promise.reject(new Error('no')),
        listenUdp: () => Promise.reject(new Error('no')),
        listen({ host, port }) {
          const endpoint = `${host}:${port}`;
          if (taken.has(endpoint)) return Promise.reject(new Error(`listen EADDRINUSE ${endpoint}`));
          taken.add(endpoint);
          return Promise.resolve({ endpoint, close: () => Promise.resolve() });
        },
      },
    },
  );
  const listener = (port: number) => [{ protocol: 'TCP', port, targets: [] }];
  expect(await balancers.ensure({ name: 'a', listeners: listener(8000) })).toMatchObject({ address: '127.0.0.1', listeners: [{ hostEndpoint: '0.0.0.0:8000', error: '' }] });
  expect((await balancers.ensure({ name: 'b', listeners: listener(8000) })).listeners?.[0]?.error).toBe('listen EADDRINUSE 0.0.0.0:8000');
});
