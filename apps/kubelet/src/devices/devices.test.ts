import { Nodes } from '@orrery/api';
import { type Device, DevicePluginDefinition, RegistrationDefinition } from '@orrery/proto/deviceplugin';
import { AsyncQueue, type ServedService, createClient, inMemoryChannel, service } from '@orrery/rpc';
import { expect, test } from 'vitest';
import type { PluginHost } from '../plugins/plugin-host.ts';
import { container, fixture } from '../testing.ts';
import { DeviceBook } from './device-book.ts';

const resource = 'example.com/gadget';
const device = (ID: string, health = 'Healthy'): Device => ({ ID, health });

/** A plug-in in memory, and the kubelet's socket. */
function plugin() {
  const calls: string[] = [];
  const streams: AsyncQueue<{ devices: Device[] }>[] = [];
  let kubelet: readonly ServedService[] = [];
  const served = service(DevicePluginDefinition, {
    getDevicePluginOptions: async () => ({}),
    listAndWatch: () => {
      const stream = new AsyncQueue<{ devices: Device[] }>();
      streams.push(stream);
      return stream;
    },
    getPreferredAllocation: async ({ containerRequests = [] }) => {
      const [{ availableDeviceIDs = [], mustIncludeDeviceIDs = [], allocationSize = 0 } = {}] = containerRequests;
      calls.push(`prefer ${allocationSize} of ${availableDeviceIDs.join(',')} with ${mustIncludeDeviceIDs.join(',')}`);
      return { containerResponses: [{ deviceIDs: [...availableDeviceIDs].sort().reverse().slice(0, allocationSize) }] };
    },
    allocate: async ({ containerRequests = [] }) => {
      calls.push(`allocate ${containerRequests.map(({ devicesIds = [] }) => devicesIds.join(',')).join(';')}`);
      return { containerResponses: containerRequests.map(({ devicesIds = [] }) => ({ envs: { GADGETS: devicesIds.join(',') }, devices: devicesIds.map((id) => ({ containerPath: `/dev/${id}`, hostPath: `/dev/${id}`, permissions: 'rw' })), mounts: [{ containerPath: '/lib/gadget', hostPath: '/opt/gadget', readOnly: true }], annotations: { gadget: 'yes' } })) };
    },
    preStartContainer: async ({ devicesIds = [] }) => (calls.push(`prestart ${devicesIds.join(',')}`), {}),
  });
  const host: PluginHost = {
    sockets: async () => [],
    connect: () => inMemoryChannel([served]),
    serve: async (_path, services) => ((kubelet = services), { stop: async () => undefined }),
  };
  const register = (more: object = {}) => createClient(RegistrationDefinition, inMemoryChannel(kubelet)).register({ version: 'v1beta1', endpoint: 'gadget.sock', resourceName: resource, options: { preStartRequired: true }, ...more });
  return { host, calls, streams, register, tell: (...devices: Device[]) => streams.at(-1)?.push({ devices }) };
}

async function world(p = plugin()) {
  const f = fixture({ deps: { plugins: p.host } });
  await f.kubelet.start();
  await p.register();
  await f.clock.advance(0);
  p.tell(device('a'), device('b'), device('c', 'Unhealthy'));
  await f.clock.advance(10);
  const using = (name: string, count: number) => f.create(name, { containers: [{ ...container('app'), resources: { limits: { [resource]: String(count) }, requests: { [resource]: String(count) } } }] });
  const amounts = () => {
    const { capacity = {}, allocatable = {} } = f.api.find(Nodes, 'node-1')?.status ?? {};
    return [capacity[resource], allocatable[resource]];
  };
  return { ...f, p, using, amounts };
}

test.each([
  [{ version: 'v1' }, 'requested API version "v1" is not supported by kubelet. Supported version is ["v1beta1"]'],
  [{ resourceName: 'gadget' }, 'the ResourceName "gadget" is invalid'],
  [{ resourceName: 'kubernetes.io/gadget' }, 'the ResourceName "kubernetes.io/gadget" is invalid'],
])('a registration with %j is refused', async (more, message) => {
  const p = plugin();
  const f = fixture({ deps: { plugins: p.host } });
  await f.kubelet.start();
  await expect(p.register(more)).rejects.toThrow(message);
  await f.kubelet.stop();
});

test('the node has what the plug-in has; containers get what it gives them', async () => {
  const f = await world();
  expect(f.amounts()).toEqual(['3', '2']);
  await f.using('one', 1);
  await f.clock.advance(100);
  const [made] = [...f.cri.containers.values()];
  expect(f.p.calls).toEqual(['allocate a', 'prestart a']);
  expect(made?.config).toMatchObject({ devices: [{ containerPath: '/dev/a', hostPath: '/dev/a', permissions: 'rw' }], annotations: { gadget: 'yes' } });
  expect(made?.config.envs).toContainEqual({ key: 'GADGETS', value: 'a' });
  expect(made?.config.mounts).toContainEqual({ containerPath: '/lib/gadget', hostPath: '/opt/gadget', readonly: true });
  await f.kubelet.stop();
});

test('devices are given once, come back with their pod, and are remembered by the next kubelet', async () => {
  const f = await world();
  await f.using('one', 1);
  await f.clock.advance(100);
  await f.kubelet.stop();
  const again = f.again();
  await again.start();
  await f.p.register();
  await f.clock.advance(0);
  f.p.tell(device('a'), device('b'));
  await f.clock.advance(10);
  await f.using('two', 1);
  await f.clock.advance(100);
  expect(f.p.calls.filter((call) => call.startsWith('allocate'))).toEqual(['allocate a', 'allocate b']);
  // Both are taken.
  await f.using('three', 1);
  await f.clock.advance(100);
  expect(f.pod('three').status).toMatchObject({ phase: 'Failed', reason: `OutOf${resource}` });
  await again.stop();
});

test('a plug-in that goes away leaves nothing to allocate, and after a while nothing at all', async () => {
  const f = await world();
  f.p.streams.at(-1)?.end();
  await f.clock.advance(100);
  expect(f.amounts()).toEqual(['3', '0']);
  await f.clock.advance(310_000);
  expect(f.amounts()).toEqual(['0', '0']);
  await f.kubelet.stop();
  expect(f.clock.pending).toBe(0);
});

test('the status of a container tells how its devices are', async () => {
  const f = await world();
  await f.using('one', 2);
  const shown = async (tell: () => void) => {
    tell();
    await f.clock.advance(1_000);
    return f.pod('one').status?.containerStatuses?.[0]?.allocatedResourcesStatus;
  };
  const healths = (a: string, b: string) => [{ name: resource, resources: [{ resourceID: 'a', health: a }, { resourceID: 'b', health: b }] }];
  expect(await shown(() => undefined)).toEqual(healths('Healthy', 'Healthy'));
  expect(await shown(() => f.p.tell(device('a'), device('b', 'Unhealthy')))).toEqual(healths('Healthy', 'Unhealthy'));
  expect(await shown(() => f.p.streams.at(-1)?.end())).toEqual(healths('Unknown', 'Unknown'));
  await f.kubelet.stop();
});

test('containers pass on what init containers had; a pod gets all its devices or none', () => {
  const book = new DeviceBook();
  book.set(resource, new Map([['a', true], ['b', true]]));
  const asking = (name: string, count: number) => ({ name, resources: { limits: { [resource]: String(count) } } });
  book.assign({ metadata: { uid: 'p' }, spec: { initContainers: [asking('i', 2)], containers: [asking('m', 1), asking('n', 1)] } });
  expect(book.all().map(({ container: name, ids }) => [name, ids])).toEqual([['i', ['a', 'b']], ['m', ['a']], ['n', ['b']]]);
  expect(book.release('p')).toBe(true);
  expect(() => book.assign({ metadata: { uid: 'q' }, spec: { containers: [asking('m', 1), asking('n', 2)] } })).toThrow(`requested number of devices unavailable for ${resource}. Requested: 2, Available: 1`);
  expect(book.free(resource)).toEqual(['a', 'b']);
  book.disable(resource);
  expect(() => book.assign({ metadata: { uid: 'q' }, spec: { containers: [asking('m', 1)] } })).toThrow(`no healthy devices present; cannot allocate unhealthy devices ${resource}`);
});

test('a plug-in that has a preference is asked before a container has its devices for the first time', async () => {
  const p = plugin();
  const f = fixture({ deps: { plugins: p.host } });
  await f.kubelet.start();
  await p.register({ options: { getPreferredAllocationAvailable: true } });
  await f.clock.advance(0);
  p.tell(device('a'), device('b'), device('c'));
  await f.clock.advance(10);
  const limits = (count: number) => ({ resources: { limits: { [resource]: String(count) } } });
  await f.create('p', { initContainers: [container('first', limits(1))], containers: [container('app', limits(2))] });
  await f.clock.advance(100);
  f.cri.exit([...f.cri.containers.values()][0]?.id ?? '', { exitCode: 0 });
  await f.clock.advance(1_000);
  await f.create('q', { containers: [container('app', limits(1))] });
  await f.clock.advance(100);
  expect(p.calls).toEqual(['prefer 1 of a,c with a', 'allocate a', 'prefer 2 of a,b,c with a', 'allocate a,c', 'prefer 1 of b with ', 'allocate b']);
  const app = [...f.cri.containers.values()].find(({ config }) => config.metadata?.name === 'app');
  f.cri.exit(app?.id ?? '', { exitCode: 1 });
  await f.clock.advance(1_000);
  expect(p.calls.slice(6)).toEqual(['allocate a,c']);
});
