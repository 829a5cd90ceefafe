import { EndpointSlices, Endpoints, Leases } from '@orrery/api';
import { VirtualClock, createMetrics, seededRandom, silentLogger } from '@orrery/runtime';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Store, createStore } from '../../store/src/component.ts';
import { bootstrapPlugin } from '../src/bootstrap/index.ts';
import { type ApiServer, createApiServer } from '../src/component.ts';
import { endpointsPlugin } from '../src/endpoints/index.ts';
import { admin, eventually } from './test-server.ts';

const kubernetes = { namespace: 'default', name: 'kubernetes' };

describe('the endpoints of the kubernetes service', () => {
  const clock = new VirtualClock();
  const env = { clock, random: seededRandom(7), log: silentLogger, metrics: createMetrics() };
  let store: Store;
  const servers: ApiServer[] = [];

  const startServer = async (advertiseAddress: string): Promise<ApiServer> => {
    const server = createApiServer(env, { store: store.channel(), plugins: [bootstrapPlugin, endpointsPlugin] }, { advertiseAddress, compactionIntervalMs: 0 });
    servers.push(server);
    await server.start();
    return server;
  };
  const addresses = async (server: ApiServer): Promise<unknown[]> => {
    const api = server.client(admin);
    const endpoints = await api.get(Endpoints, kubernetes);
    const slice = await api.get(EndpointSlices, kubernetes);
    return [(endpoints.subsets?.[0]?.addresses ?? []).map(({ ip }) => ip), (slice.endpoints ?? []).map((endpoint) => endpoint.addresses[0])];
  };
  const become = (server: ApiServer, wanted: string[]): Promise<void> =>
    eventually(async () => {
      await clock.advance(1000);
      return JSON.stringify(await addresses(server).catch(() => [])) === JSON.stringify([wanted, wanted]);
    }, `addresses ${wanted.join()}`);

  beforeEach(async () => {
    store = createStore(env, {}, { listenClient: [] });
    await store.start();
  });
  afterEach(async () => {
    for (const server of servers.splice(0)) await server.stop();
    await store.stop();
  });

  it('are all API servers that live: one that stops takes itself out', async () => {
    const first = await startServer('10.0.0.2');
    expect(await addresses(first)).toEqual([['10.0.0.2'], ['10.0.0.2']]);
    const second = await startServer('10.0.0.1');
    await become(first, ['10.0.0.1', '10.0.0.2']);
    await second.stop();
    expect(await addresses(first)).toEqual([['10.0.0.2'], ['10.0.0.2']]);
  });

  it('lose one that died when its lease has run out, and have it again when it is back', async () => {
    const first = await startServer('10.0.0.2');
    // What a server that was killed leaves: its lease, which nobody renews.
    const { store: etcd, root } = first.core.registry;
    const lease = await etcd.leaseFor(15);
    await etcd.commit([{ key: `${root}/masterleases/10.0.0.9`, put: Buffer.from('k8s\0 as upstream writes it'), lease }]);
    await become(first, ['10.0.0.2', '10.0.0.9']);
    await become(first, ['10.0.0.2']);
    await startServer('10.0.0.9');
    await become(first, ['10.0.0.2', '10.0.0.9']);
  });

  it('are mended when somebody changes them', async () => {
    const server = await startServer('10.0.0.2');
    const api = server.client(admin);
    await api.update(Endpoints, { ...(await api.get(Endpoints, kubernetes)), subsets: [] });
    await api.delete(EndpointSlices, kubernetes, {});
    await expect(addresses(server)).rejects.toThrow('not found');
    await become(server, ['10.0.0.2']);
  });

  it('have a Lease in kube-system that says who is there; those of the long gone are removed', async () => {
    const server = await startServer('10.0.0.2');
    const api = server.client(admin);
    const mine = (await api.list(Leases, { namespace: 'kube-system', labelSelector: 'apiserver.kubernetes.io/identity=kube-apiserver' })).items;
    expect(mine.map(({ metadata }) => metadata?.name)).toEqual([expect.stringMatching(/^apiserver-[a-z2-7]{25}$/)]);
    const gone = { ...mine[0]?.spec, renewTime: '1970-01-01T00:00:00.000000Z' };
    await api.create(Leases, { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { namespace: 'kube-system', name: 'apiserver-gone', labels: mine[0]?.metadata?.labels ?? {} }, spec: gone });
    await clock.advance(3_600_000);
    await eventually(async () => (await api.list(Leases, { namespace: 'kube-system' })).items.every(({ metadata }) => metadata?.name !== 'apiserver-gone'));
    expect((await api.list(Leases, { namespace: 'kube-system' })).items).toHaveLength(1);
  });
});
