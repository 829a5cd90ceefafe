import { ResourceClaims, ResourceSlices } from '@orrery/api';
import { DRAPluginDefinition } from '@orrery/proto/dra';
import { DRAResourceHealthDefinition, type DeviceHealth } from '@orrery/proto/drahealth';
import { RegistrationDefinition } from '@orrery/proto/registration';
import { AsyncQueue, type Channel, inMemoryChannel, service } from '@orrery/rpc';
import { expect, test } from 'vitest';
import type { PluginHost } from '../plugins/plugin-host.ts';
import { container, fixture } from '../testing.ts';

const registry = '/var/lib/kubelet/plugins_registry';
const driver = 'gpu.example.com';
const healthFile = '/var/lib/kubelet/dra_health_state';

/** A driver in memory: its socket comes and goes, its process dies and comes back, and it tells of its devices, if it does. */
function driverOf({ tellsHealth = true } = {}) {
  const sockets = new Set<string>();
  const state = { isAlive: true, watched: 0, stream: new AsyncQueue<{ devices: DeviceHealth[] }>() };
  const plugin = service(DRAPluginDefinition, {
    nodePrepareResources: async ({ claims = [] }) => ({
      claims: Object.fromEntries(claims.map(({ uid = '' }) => [uid, {
        devices: [
          { requestNames: ['one'], poolName: 'p', deviceName: 'a', cdiDeviceIds: ['example.com/gpu=a', 'example.com/gpu=all'] },
          { requestNames: ['two'], poolName: 'p', deviceName: 'b' },
          { requestNames: ['two'], poolName: 'p', deviceName: 'c', cdiDeviceIds: ['example.com/gpu=a'] },
        ],
      }])),
    }),
    nodeUnprepareResources: async ({ claims = [] }) => ({ claims: Object.fromEntries(claims.map(({ uid = '' }) => [uid, {}])) }),
  });
  const health = service(DRAResourceHealthDefinition, {
    nodeWatchResources: () => {
      state.watched += 1;
      return (state.stream = new AsyncQueue());
    },
  });
  const registration = service(RegistrationDefinition, {
    getInfo: async () => ({ type: 'DRAPlugin', name: driver, endpoint: '/dra.sock', supportedVersions: ['v1.DRAPlugin'] }),
    notifyRegistrationStatus: async () => ({}),
  });
  const host: PluginHost = {
    sockets: async (dir) => (dir === registry ? [...sockets] : []),
    connect(path): Channel {
      if (path !== '/dra.sock') return inMemoryChannel([registration]);
      const channel = inMemoryChannel(tellsHealth ? [plugin, health] : [plugin]);
      return { call: (...args) => channel.call(...args), close: () => channel.close(), connected: () => (state.isAlive ? Promise.resolve() : Promise.reject(new Error('refused'))) };
    },
    serve: async () => ({ stop: async () => undefined }),
  };
  return { host, sockets, state };
}

async function world(options: { tellsHealth?: boolean } = {}) {
  const d = driverOf(options);
  const f = fixture({ deps: { plugins: d.host } });
  const register = async (): Promise<void> => {
    d.sockets.add(`${registry}/gpu.sock`);
    await f.clock.advance(2_000);
  };
  const slice = (name: string, more: { nodeName?: string; driver?: string } = {}): void => {
    f.api.seed(ResourceSlices, { metadata: { name }, spec: { nodeName: 'node-1', driver, pool: { name: 'p', generation: 1, resourceSliceCount: 1 }, devices: [], ...more } });
  };
  const slices = (): string[] => f.api.objects(ResourceSlices).map(({ metadata }) => metadata?.name ?? '').sort();
  /** A pod with a claim on a device that the scheduler gave it. */
  const uses = async (request?: string): Promise<void> => {
    const pod = await f.create('p', {
      containers: [container('app', { resources: { claims: [{ name: 'gpu', ...(request ? { request } : {}) }] } }), container('other')],
      resourceClaims: [{ name: 'gpu', resourceClaimName: 'c' }],
    });
    const result = { driver, pool: 'p', device: 'a', request: 'one' };
    f.api.seed(ResourceClaims, { metadata: { name: 'c', namespace: 'default', uid: 'claim-uid' }, spec: {}, status: { allocation: { devices: { results: [result] } }, reservedFor: [{ resource: 'pods', name: 'p', uid: pod.metadata?.uid ?? '' }] } });
    await f.clock.advance(1_000);
  };
  const shown = () => f.pod('p').status?.containerStatuses?.map(({ allocatedResourcesStatus }) => allocatedResourcesStatus);
  const tell = async (health: number, more: Partial<DeviceHealth> = {}): Promise<void> => {
    d.state.stream.push({ devices: [{ device: { poolName: 'p', deviceName: 'a' }, health: health as NonNullable<DeviceHealth['health']>, ...more }] });
    await f.clock.advance(500);
  };
  return { ...f, d, register, slice, slices, uses, shown, tell };
}

/** What the container with the device `a` shows. */
const a = (more: object) => [[{ name: 'claim:gpu/one', resources: [{ resourceID: 'example.com/gpu=a', ...more }] }], undefined];

test('ResourceSlices of the node go when the kubelet starts, those of other nodes do not', async () => {
  const f = await world();
  for (const name of ['s', 'another']) f.slice(name, name === 's' ? {} : { driver: 'net.example.com' });
  f.slice('elsewhere', { nodeName: 'node-2' });
  await f.kubelet.start();
  await f.clock.advance(100);
  expect(f.slices()).toEqual(['elsewhere']);
  await f.kubelet.stop();
  expect(f.clock.pending).toBe(0);
});

test.each<[string, (f: Awaited<ReturnType<typeof world>>) => void]>([
  ['took its socket away', (f) => f.d.sockets.clear()],
  ['was killed', (f) => void (f.d.state.isAlive = false)],
])('the slices of a driver that %s go after half a minute, unless it is back', async (_what, leave) => {
  const f = await world({ tellsHealth: false });
  await f.kubelet.start();
  await f.register();
  for (const name of ['s', 'another']) f.slice(name, name === 's' ? {} : { driver: 'net.example.com' });
  await f.clock.advance(60_000);
  expect(f.slices()).toEqual(['another', 's']);
  leave(f);
  await f.clock.advance(28_000);
  f.d.state.isAlive = true;
  await f.register();
  await f.clock.advance(60_000);
  expect(f.slices()).toEqual(['another', 's']);
  leave(f);
  await f.clock.advance(37_000);
  expect(f.slices()).toEqual(['another']);
  await f.kubelet.stop();
  expect(f.clock.pending).toBe(0);
});

test('slices that cannot be removed now are removed later', async () => {
  const f = await world();
  f.slice('s');
  let refusals = 2;
  const real = f.api.deleteCollection.bind(f.api);
  f.api.deleteCollection = (...args) => (refusals-- > 0 ? Promise.reject(new Error('refused')) : real(...args));
  await f.kubelet.start();
  await f.clock.advance(1_000);
  expect(f.slices()).toEqual(['s']);
  await f.clock.advance(3_000);
  expect(f.slices()).toEqual([]);
  await f.kubelet.stop();
});

test.each<[string, number, Partial<DeviceHealth>, object]>([
  ['healthy', 1, {}, { health: 'Healthy' }],
  ['unhealthy', 2, { message: 'fan' }, { health: 'Unhealthy', message: 'fan' }],
  ['unknown', 0, {}, { health: 'Unknown' }],
  ['a state of the future', 9, {}, { health: 'Unknown' }],
  ['at length', 2, { message: 'x'.repeat(1025) }, { health: 'Unhealthy', message: `${'x'.repeat(1021)}...` }],
])('a device that its driver calls %s is so in the status of its container', async (_name, health, more, shown) => {
  const f = await world();
  await f.kubelet.start();
  await f.register();
  await f.uses('one');
  expect(f.shown()).toEqual(a({ health: 'Unknown' }));
  await f.tell(health, more);
  expect(f.shown()).toEqual(a(shown));
  await f.kubelet.stop();
  expect(f.clock.pending).toBe(0);
});

test('all devices of a claim are shown, once by each id, to a container that names no request', async () => {
  const f = await world({ tellsHealth: false });
  await f.kubelet.start();
  await f.register();
  await f.uses();
  expect(f.shown()?.[0]).toEqual([{ name: 'claim:gpu', resources: [{ resourceID: 'example.com/gpu=a', health: 'Unknown' }, { resourceID: `${driver}/p/b`, health: 'Unknown' }] }]);
  await f.kubelet.stop();
});

test.each([
  [0, 30_000],
  [-5, 30_000],
  [120, 120_000],
])('a word that counts %i seconds is shown no longer than a minute after its %i ms', async (healthCheckTimeoutSeconds, ms) => {
  const f = await world();
  await f.kubelet.start();
  await f.register();
  await f.uses('one');
  await f.tell(1, { healthCheckTimeoutSeconds });
  await f.clock.advance(ms - 1_000);
  expect(f.shown()).toEqual(a({ health: 'Healthy' }));
  await f.clock.advance(61_000);
  expect(f.shown()).toEqual(a({ health: 'Unknown' }));
  await f.tell(1);
  expect(f.shown()).toEqual(a({ health: 'Healthy' }));
  await f.kubelet.stop();
});

test('a stream that ends is opened again', async () => {
  const f = await world();
  await f.kubelet.start();
  await f.register();
  await f.uses('one');
  await f.tell(2);
  f.d.state.stream.end();
  await f.clock.advance(6_000);
  expect(f.d.state.watched).toBe(2);
  await f.tell(1);
  expect(f.shown()).toEqual(a({ health: 'Healthy' }));
  await f.kubelet.stop();
});

test('a pod that has ended goes on showing how its devices were', async () => {
  const f = await world();
  await f.kubelet.start();
  await f.register();
  await f.uses('one');
  await f.tell(2, { message: 'fan' });
  await f.kubelet.context.claims.unprepare(f.pod('p').metadata?.uid ?? '');
  await f.clock.advance(1_000);
  f.kubelet.pods.trigger(f.pod('p').metadata?.uid ?? '');
  await f.clock.advance(1_000);
  expect(f.shown()).toEqual(a({ health: 'Unhealthy', message: 'fan' }));
  await f.kubelet.stop();
});

test.each<[string, (f: Awaited<ReturnType<typeof world>>) => Promise<void>, object]>([
  ['counts for the next kubelet, whom nobody has told yet', async () => undefined, { health: 'Unhealthy', message: 'fan' }],
  ['that was repeated counts from the last time', async (f) => { await f.clock.advance(25_000); await f.tell(2, { message: 'fan' }); await f.clock.advance(20_000); }, { health: 'Unhealthy', message: 'fan' }],
  ['that has run out meanwhile counts no longer', async (f) => { await f.kubelet.stop(); await f.clock.advance(31_000); }, { health: 'Unknown' }],
  ['that has gone does not count', async (f) => { f.d.sockets.clear(); await f.clock.advance(3_000); }, { health: 'Unknown' }],
  ['in a file that was damaged is as none', async (f) => { await f.kubelet.stop(); await f.host.writeFile(healthFile, { bytes: Buffer.from('{"gpu.example.com":{"p/a":'), mode: 0o600 }); }, { health: 'Unknown' }],
  ['in a file of another form is as none', async (f) => { await f.kubelet.stop(); await f.host.writeFile(healthFile, { bytes: Buffer.from('{"gpu.example.com":null}'), mode: 0o600 }); }, { health: 'Unknown' }],
])('the word of a driver %s', async (_what, meanwhile, shown) => {
  const f = await world();
  await f.kubelet.start();
  await f.register();
  await f.uses('one');
  await f.tell(2, { message: 'fan' });
  await meanwhile(f);
  await f.kubelet.stop();
  f.d.sockets.clear();
  const again = f.again();
  await again.start();
  await f.clock.advance(3_000);
  expect(f.shown()).toEqual(a(shown));
  // The driver is back, and is asked.
  await f.register();
  await f.tell(1);
  expect(f.shown()).toEqual(a({ health: 'Healthy' }));
  await again.stop();
  expect(f.clock.pending).toBe(0);
});
