import { Pods, ResourceClaims } from '@orrery/api';
import type { PodSpec } from '@orrery/api/types';
import { DRAPluginDefinition } from '@orrery/proto/dra';
import { RegistrationDefinition } from '@orrery/proto/registration';
import { Code, RpcError, inMemoryChannel, service } from '@orrery/rpc';
import { expect, test } from 'vitest';
import type { PluginHost } from '../plugins/plugin-host.ts';
import { container, fixture } from '../testing.ts';

const registry = '/var/lib/kubelet/plugins_registry';
const driver = 'gpu.example.com';
type Asked = { claims?: { uid?: string; name?: string }[] };

/** A driver in memory, which notes what it is asked, at sockets that come and go. */
function driverOf(versions: string[] = ['v1.DRAPlugin']) {
  const calls: string[] = [];
  const told: string[] = [];
  const sockets = new Set<string>();
  const trouble = { rpc: '', claim: '', skips: false };
  const answer = (call: string, { claims = [] }: Asked, more: object) => {
    calls.push(`${call} ${claims.map(({ name = '' }) => name).join(',')}`);
    if (trouble.rpc) throw new RpcError(Code.INTERNAL, trouble.rpc);
    return { claims: trouble.skips ? {} : Object.fromEntries(claims.map(({ uid = '' }) => [uid, trouble.claim ? { error: trouble.claim } : more])) };
  };
  const devices = ['one', 'two'].map((request) => ({ requestNames: [request], poolName: 'p', deviceName: request, cdiDeviceIds: [`example.com/gpu=${request}`] }));
  const definition = { ...DRAPluginDefinition, fullName: `k8s.io.kubelet.pkg.apis.dra.${(versions[0] ?? '').replace('DRAPlugin', '')}DRAPlugin` } as DRAPluginDefinition;
  const plugin = service(definition, {
    nodePrepareResources: async (asked) => answer('prepare', asked, { devices }),
    nodeUnprepareResources: async (asked) => answer('unprepare', asked, {}),
  });
  const registration = service(RegistrationDefinition, {
    getInfo: async () => ({ type: 'DRAPlugin', name: driver, endpoint: '/dra.sock', supportedVersions: versions }),
    notifyRegistrationStatus: async ({ pluginRegistered = false, error = '' }) => (told.push(`${pluginRegistered} ${error}`), {}),
  });
  const host: PluginHost = {
    sockets: async (dir) => (dir === registry ? [...sockets] : []),
    connect: (path) => inMemoryChannel(path === '/dra.sock' ? [plugin] : [registration]),
    serve: async () => ({ stop: async () => undefined }),
  };
  return { host, calls, told, sockets, trouble };
}

const spec = (request?: string): Partial<PodSpec> => ({
  containers: [container('app', { resources: { claims: [{ name: 'gpu', ...(request ? { request } : {}) }] } }), container('other')],
  resourceClaims: [{ name: 'gpu', resourceClaimName: 'c' }],
});

async function world(options: { versions?: string[]; registered?: boolean; plugins?: boolean } = {}) {
  const d = driverOf(options.versions);
  const f = fixture({ deps: options.plugins === false ? {} : { plugins: d.host } });
  const register = async (): Promise<void> => {
    d.sockets.add(`${registry}/gpu.sock`);
    await f.clock.advance(2_000);
  };
  /** The claim as the scheduler leaves it: allocated, and reserved for these pods. */
  const claim = (uids: readonly string[], more: object = {}): void => {
    const result = { driver, pool: 'p', device: 'one', request: 'one' };
    f.api.seed(ResourceClaims, { metadata: { name: 'c', namespace: 'default', uid: 'claim-uid' }, spec: {}, status: { allocation: { devices: { results: [result] } }, reservedFor: uids.map((uid) => ({ resource: 'pods', name: 'p', uid })) }, ...more });
  };
  const uses = async (name: string, others: readonly string[] = [], request?: string): Promise<string> => {
    const pod = await f.create(name, spec(request));
    claim([pod.metadata?.uid ?? '', ...others]);
    return pod.metadata?.uid ?? '';
  };
  await f.kubelet.start();
  if (options.registered ?? true) await register();
  const phase = (name: string) => f.pod(name).status?.phase;
  const problems = () => f.events().filter((text) => text.startsWith('FailedPrepareDynamicResources'));
  return { ...f, d, register, claim, uses, phase, problems };
}

const told = (problem: string): string => `FailedPrepareDynamicResources: Failed to prepare dynamic resources: prepare dynamic resources: ${problem}`;

test.each([[true], [false]])('a pod whose driver is not there waits, and starts once it is; plug-ins possible: %s', async (plugins) => {
  const f = await world({ registered: false, plugins });
  await f.uses('p');
  await f.clock.advance(3_000);
  expect(f.problems()[0]).toBe(told(`DRA driver ${driver} is not registered`));
  expect(f.pod('p').status).toMatchObject({ phase: 'Pending', containerStatuses: [{ state: { waiting: { reason: 'ContainerCreating' } } }, {}] });
  expect(f.cri.containers.size).toBe(0);
  await f.register();
  await f.clock.advance(10_000);
  expect(f.phase('p')).toBe(plugins ? 'Running' : 'Pending');
  await f.kubelet.stop();
});

test.each([
  ['v1.DRAPlugin', 'true '],
  ['v1beta1.DRAPlugin', 'true '],
  ['v1alpha4.Node', `false invalid supported gRPC versions of DRA driver plugin ${driver} at endpoint /dra.sock: none of services supported by the plugin (["v1alpha4.Node"]) are supported by the kubelet (["v1.DRAPlugin" "v1beta1.DRAPlugin"])`],
])('a driver of %s is told "%s"', async (version, answer) => {
  const f = await world({ versions: [version] });
  expect(f.d.told[0]).toBe(answer);
  await f.uses('p');
  await f.clock.advance(5_000);
  expect(f.d.calls).toEqual(answer === 'true ' ? ['prepare c'] : []);
  await f.kubelet.stop();
});

test.each([
  [{ rpc: 'no such card' }, 'NodePrepareResources: rpc error: code = Internal desc = no such card'],
  [{ claim: 'busy' }, 'NodePrepareResources failed for ResourceClaim c: busy'],
  [{ skips: true }, 'NodePrepareResources skipped 1 ResourceClaims'],
])('a driver with the trouble %j is asked again until it has none', async (trouble, message) => {
  const f = await world();
  Object.assign(f.d.trouble, trouble);
  await f.uses('p');
  await f.clock.advance(300);
  expect(f.problems()[0]).toBe(told(message));
  Object.assign(f.d.trouble, { rpc: '', claim: '', skips: false });
  await f.clock.advance(5_000);
  expect(f.phase('p')).toBe('Running');
  await f.kubelet.stop();
});

test('a claim that is another pod\'s, not the pod\'s own or not there keeps the pod from starting', async () => {
  const f = await world();
  const { metadata } = await f.create('p', spec());
  await f.clock.advance(300);
  expect(f.problems()[0]).toMatch(/fetch ResourceClaim c: .*not found/);
  f.claim(['another']);
  await f.clock.advance(1_000);
  expect(f.problems()).toContain(told(`pod p (${metadata?.uid ?? ''}) is not allowed to use ResourceClaim c (claim-uid)`));
  await f.create('q', { ...spec(), resourceClaims: [{ name: 'gpu', resourceClaimTemplateName: 't' }] });
  await f.clock.advance(300);
  expect(f.problems()).toContain(told('pod "default/q": ResourceClaim not created yet'));
  expect(f.d.calls).toEqual([]);
  await f.kubelet.stop();
});

test.each([
  [undefined, ['example.com/gpu=one', 'example.com/gpu=two']],
  ['two', ['example.com/gpu=two']],
])('a container that names the request %s gets %j over CDI', async (request, devices) => {
  const f = await world();
  await f.uses('p', [], request);
  await f.clock.advance(1_000);
  const cdi = [...f.cri.containers.values()].map(({ config }) => config.CDIDevices?.map(({ name }) => name) ?? []);
  expect(cdi).toEqual([devices, []]);
  await f.kubelet.stop();
});

test('a shared claim is prepared once and undone with its last pod, which waits for that; the next kubelet knows', async () => {
  const f = await world();
  const first = await f.uses('p');
  await f.clock.advance(1_000);
  await f.uses('q', [first]);
  await f.clock.advance(1_000);
  expect(f.d.calls).toEqual(['prepare c']);
  await f.api.delete(Pods, { namespace: 'default', name: 'p' });
  await f.clock.advance(40_000);
  expect(f.d.calls).toEqual(['prepare c']);
  await f.kubelet.stop();
  const again = f.again();
  await again.start();
  await f.api.delete(Pods, { namespace: 'default', name: 'q' });
  // Its driver has still to register with this kubelet.
  await f.clock.advance(500);
  f.d.trouble.claim = 'busy';
  await f.clock.advance(40_000);
  expect(f.api.find(Pods, 'q', 'default')).toBeDefined();
  f.d.trouble.claim = '';
  await f.clock.advance(130_000);
  expect(f.d.calls.at(-1)).toBe('unprepare c');
  expect(f.api.find(Pods, 'q', 'default')).toBeUndefined();
  await again.stop();
  expect(f.clock.pending).toBe(0);
});

test('what was prepared for a pod that was removed by force is undone within a minute', async () => {
  const f = await world();
  await f.uses('p');
  await f.clock.advance(1_000);
  await f.api.delete(Pods, { namespace: 'default', name: 'p' }, { gracePeriodSeconds: 0 });
  await f.clock.advance(61_000);
  expect(f.d.calls).toEqual(['prepare c', 'unprepare c']);
  await f.kubelet.stop();
});
