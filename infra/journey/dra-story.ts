import { unixPlugins } from '@orrery/cri';
import { DRAPluginDefinition } from '@orrery/proto/dra';
import { type DeviceHealth, DRAResourceHealthDefinition } from '@orrery/proto/drahealth';
import { RegistrationDefinition } from '@orrery/proto/registration';
import { AsyncQueue, service } from '@orrery/rpc';
import { type Kubectl, type TestCluster, eventually } from '@orrery/testkit';
import { expect } from 'vitest';

const driver = 'gpu.example.com';
const node = 'node-1';
const socket = '/var/lib/kubelet/plugins/gpu/dra.sock';

/** A DRA driver of one card on one node: what it prepared, and a way to have it say how the card is. */
export interface Driver {
  readonly calls: readonly string[];
  /** How often a kubelet has asked how the card is. */
  asked(): number;
  /** Whoever asks from now on is told with the next word only. */
  hush(): void;
  tell(health: number, message: string): void;
  stop(): Promise<void>;
}

export async function startDriver(cluster: TestCluster): Promise<Driver> {
  const calls: string[] = [];
  let streams: AsyncQueue<{ devices: DeviceHealth[] }>[] = [];
  let last: { devices: DeviceHealth[] } | undefined = { devices: [] };
  const plugin = service(DRAPluginDefinition, {
    nodePrepareResources: async ({ claims = [] }) => {
      calls.push('prepare');
      return { claims: Object.fromEntries(claims.map(({ uid = '' }) => [uid, { devices: [{ requestNames: ['card'], poolName: node, deviceName: 'card-0' }] }])) };
    },
    nodeUnprepareResources: async ({ claims = [] }) => {
      calls.push('unprepare');
      return { claims: Object.fromEntries(claims.map(({ uid = '' }) => [uid, {}])) };
    },
  });
  const health = service(DRAResourceHealthDefinition, {
    nodeWatchResources: () => {
      const stream = new AsyncQueue<{ devices: DeviceHealth[] }>();
      streams = [...streams, stream];
      if (last) stream.push(last);
      return stream;
    },
  });
  const registration = service(RegistrationDefinition, {
    getInfo: async () => ({ type: 'DRAPlugin', name: driver, endpoint: socket, supportedVersions: ['v1.DRAPlugin', 'v1alpha1.DRAResourceHealth'] }),
    notifyRegistrationStatus: async () => ({}),
  });
  const plugins = unixPlugins(`${cluster.dataDir}/nodes/${node}`);
  // It listens before it introduces itself.
  const served = [await plugins.serve(socket, [plugin, health]), await plugins.serve('/var/lib/kubelet/plugins_registry/gpu.sock', [registration])];
  return {
    calls,
    asked: () => streams.length,
    hush: () => void (last = undefined),
    tell(state, message) {
      last = { devices: [{ device: { poolName: node, deviceName: 'card-0' }, health: state as NonNullable<DeviceHealth['health']>, message }] };
      for (const stream of streams) stream.push(last);
    },
    async stop() {
      for (const stream of streams) stream.end();
      for (const one of served.reverse()) await one.stop();
    },
  };
}

const apply = (kubectl: Kubectl, ...items: readonly object[]): Promise<string> => kubectl.ok(['apply', '-f', '-'], { input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items }) });
const until = (what: string, look: () => Promise<unknown>): Promise<unknown> => eventually(look, { what, withinMs: 30_000, everyMs: 200 });

const resource = 'resource.k8s.io/v1';
const slice = { apiVersion: resource, kind: 'ResourceSlice', metadata: { name: 'cards' }, spec: { driver, nodeName: node, pool: { name: node, generation: 1, resourceSliceCount: 1 }, devices: [{ name: 'card-0' }] } };
const devices = { requests: [{ name: 'card', exactly: { deviceClassName: 'cards' } }] };

/** A pod gets the card by a claim of its own, and shows what the driver says of it. */
export async function podHasTheCard(kubectl: Kubectl, { calls, tell }: Driver): Promise<void> {
  await apply(
    kubectl,
    slice,
    { apiVersion: resource, kind: 'DeviceClass', metadata: { name: 'cards' }, spec: { selectors: [{ cel: { expression: `device.driver == "${driver}"` } }] } },
    { apiVersion: resource, kind: 'ResourceClaimTemplate', metadata: { name: 'one-card' }, spec: { spec: { devices } } },
    { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'renders' }, spec: { terminationGracePeriodSeconds: 1, containers: [{ name: 'c', image: 'nginx', resources: { claims: [{ name: 'gpu' }] } }], resourceClaims: [{ name: 'gpu', resourceClaimTemplateName: 'one-card' }] } },
  );
  await kubectl.ok(['wait', '--for=condition=Ready', 'pod/renders', '--timeout=30s']);
  expect(calls).toEqual(['prepare']);
  for (const [state, message, shown] of [[1, '', 'Healthy '], [2, 'too hot', 'Unhealthy too hot']] as const) {
    tell(state, message);
    const path = '{range .status.containerStatuses[0].allocatedResourcesStatus[*]}{.name} {.resources[0].resourceID} {.resources[0].health} {.resources[0].message}{end}';
    await until(`the pod says ${shown}`, async () => expect(await kubectl.ok(['get', 'pod', 'renders', '-o', `jsonpath=${path}`])).toBe(`claim:gpu ${driver}/${node}/card-0 ${shown}`));
  }
}

/** Kills the node's kubelet; another is started in its place. */
function killKubelet(cluster: TestCluster): void {
  const pid = cluster.state().processes?.[`kubelet-${node}`];
  expect(pid).toBeGreaterThan(0);
  process.kill(pid ?? 0, 'SIGKILL');
}

/** A kubelet that starts knows what the one before was told of the card, and asks again. */
export async function healthOutlivesTheKubelet(cluster: TestCluster, kubectl: Kubectl, { tell, hush, asked }: Driver): Promise<void> {
  const shown = (): Promise<string> => kubectl.ok(['get', 'pod', 'renders', '-o', 'jsonpath={.status.containerStatuses[0].allocatedResourcesStatus[0].resources[0].health}']);
  tell(2, 'too hot');
  hush();
  const before = asked();
  killKubelet(cluster);
  await until('the driver is asked again', async () => expect(asked()).toBe(before + 1));
  // About as many seconds as it takes a kubelet to look at all pods and to write what it found.
  const seen = new Set<string>();
  for (let look = 0; look < 20; look++) seen.add(await shown());
  expect([...seen]).toEqual(['Unhealthy']);
  tell(1, '');
  await until('the pod says Healthy', async () => expect(await shown()).toBe('Healthy'));
}

/** With the pod the claim is undone. */
export async function cardIsFreeAgain(kubectl: Kubectl, { calls }: Driver): Promise<void> {
  await kubectl.ok(['delete', 'pod', 'renders']);
  await until('the card is free again', async () => expect([calls, await kubectl.ok(['get', 'resourceclaims', '-o', 'name'])]).toEqual([['prepare', 'unprepare'], '']));
}

/** A kubelet that starts knows no driver yet: what was told of the node's devices goes, until the driver tells it again. */
export async function slicesGoWithTheKubelet(cluster: TestCluster, kubectl: Kubectl): Promise<void> {
  await apply(kubectl, slice);
  killKubelet(cluster);
  await until('the slices are gone', async () => expect(await kubectl.ok(['get', 'resourceslices', '-o', 'name'])).toBe(''));
}
