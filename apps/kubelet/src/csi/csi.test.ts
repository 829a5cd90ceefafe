import { CSIDrivers, CSINodes, Nodes, PersistentVolumeClaims, PersistentVolumes, Pods, Secrets, VolumeAttachments } from '@orrery/api';
import type { PodSpec } from '@orrery/api/types';
import { sha256Hex } from '@orrery/cri';
import { NodeDefinition, NodeServiceCapability_RPC_Type as Type } from '@orrery/proto/csi';
import { RegistrationDefinition } from '@orrery/proto/registration';
import { Code, RpcError, inMemoryChannel, service } from '@orrery/rpc';
import { expect, test } from 'vitest';
import type { PluginHost } from '../plugins/plugin-host.ts';
import { container, fixture } from '../testing.ts';

const registry = '/var/lib/kubelet/plugins_registry';

/** A driver in memory, which notes what it is asked, at sockets that come and go. */
function driverOf(options: { versions?: string[] } = {}) {
  const calls: string[] = [];
  const told: string[] = [];
  const sockets = new Set<string>();
  let problem = '';
  const noted = (call: string): object => {
    calls.push(call);
    if (problem) throw new RpcError(Code.INTERNAL, problem);
    return {};
  };
  const capability = (type: number) => ({ type: { $case: 'rpc' as const, value: { type: type as 1 } } });
  const node = service(NodeDefinition, {
    nodeGetInfo: async () => ({ nodeId: 'id-1', maxVolumesPerNode: 7, accessibleTopology: { segments: { 'csi.example.com/zone': 'z' } } }),
    nodeGetCapabilities: async () => ({ capabilities: [capability(Type.STAGE_UNSTAGE_VOLUME), capability(Type.EXPAND_VOLUME)] }),
    nodeStageVolume: async ({ volumeId = '', secrets = {}, publishContext = {} }) => noted(`stage ${volumeId} ${JSON.stringify(secrets)} ${JSON.stringify(publishContext)}`),
    nodeUnstageVolume: async ({ volumeId = '' }) => noted(`unstage ${volumeId}`),
    nodePublishVolume: async ({ volumeId = '', readonly = false, volumeContext = {} }) => noted(`publish ${volumeId} ${readonly} ${volumeContext['csi.storage.k8s.io/pod.name'] ?? ''}`),
    nodeUnpublishVolume: async ({ volumeId = '' }) => noted(`unpublish ${volumeId}`),
    nodeExpandVolume: async ({ volumeId = '', capacityRange }) => noted(`expand ${volumeId} ${capacityRange?.requiredBytes}`),
    nodeGetVolumeStats: async () => ({}),
  });
  const registration = service(RegistrationDefinition, {
    getInfo: async () => ({ type: 'CSIPlugin', name: 'csi.example.com', endpoint: '/csi.sock', supportedVersions: options.versions ?? ['1.0.0'] }),
    notifyRegistrationStatus: async ({ pluginRegistered = false, error = '' }) => (told.push(`${pluginRegistered} ${error}`), {}),
  });
  const host: PluginHost = {
    sockets: async (dir) => (dir === registry ? [...sockets] : []),
    connect: (path) => inMemoryChannel(path === '/csi.sock' ? [node] : [registration]),
    serve: async () => ({ stop: async () => undefined }),
  };
  return { host, calls, told, sockets, fail: (text: string) => void (problem = text) };
}

const spec = (): Partial<PodSpec> => ({ containers: [container('app', { volumeMounts: [{ name: 'data', mountPath: '/data' }] })], volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'c' } }] });

async function world(driver = driverOf()) {
  const f = fixture({ deps: { plugins: driver.host } });
  f.api.seed(CSIDrivers, { metadata: { name: 'csi.example.com' }, spec: { podInfoOnMount: true, volumeLifecycleModes: ['Persistent', 'Ephemeral'] } });
  f.api.seed(Secrets, { metadata: { name: 's', namespace: 'default' }, data: { key: Buffer.from('v').toString('base64') } });
  f.api.seed(PersistentVolumes, { metadata: { name: 'pv' }, spec: { capacity: { storage: '2Gi' }, accessModes: ['ReadWriteOnce'], claimRef: { namespace: 'default', name: 'c', uid: 'claim-uid' }, csi: { driver: 'csi.example.com', volumeHandle: 'vol-1', nodeStageSecretRef: { name: 's', namespace: 'default' } } } });
  f.api.seed(PersistentVolumeClaims, { metadata: { name: 'c', namespace: 'default', uid: 'claim-uid' }, spec: { volumeName: 'pv' }, status: { phase: 'Bound', capacity: { storage: '1Gi' } } });
  await f.kubelet.start();
  driver.sockets.add(`${registry}/example.sock`);
  await f.clock.advance(2_000);
  const attach = (): void => {
    f.api.seed(VolumeAttachments, { metadata: { name: `csi-${sha256Hex('vol-1csi.example.comnode-1')}` }, spec: { attacher: 'csi.example.com', nodeName: 'node-1', source: { persistentVolumeName: 'pv' } }, status: { attached: true, attachmentMetadata: { disk: 'sdb' } } });
  };
  return { ...f, driver, attach };
}

test('a driver registers: it is told so, and the API server knows it', async () => {
  const f = await world();
  expect(f.driver.told).toEqual(['true ']);
  expect(f.api.find(CSINodes, 'node-1')?.spec?.drivers).toEqual([{ name: 'csi.example.com', nodeID: 'id-1', topologyKeys: ['csi.example.com/zone'], allocatable: { count: 7 } }]);
  expect(f.api.find(Nodes, 'node-1')?.metadata).toMatchObject({ annotations: { 'csi.volume.kubernetes.io/nodeid': '{"csi.example.com":"id-1"}' }, labels: { 'csi.example.com/zone': 'z' } });
  f.driver.sockets.clear();
  await f.clock.advance(2_000);
  expect(f.api.find(CSINodes, 'node-1')?.spec?.drivers).toEqual([]);
  await f.kubelet.stop();
});

test('one of another version is refused, and tried again later and later', async () => {
  const options = { versions: ['0.3.0'] };
  const f = await world(driverOf(options));
  expect(f.driver.told[0]).toBe('false versions "0.3.0" of CSI driver csi.example.com are not supported: none begins with 1');
  await f.clock.advance(60_000);
  expect(f.driver.told).toHaveLength(7);
  options.versions = ['1.5.0'];
  await f.clock.advance(64_000);
  expect(f.driver.told.slice(7)).toEqual(['true ']);
  await f.kubelet.stop();
});

test('a claim waits to be attached, is staged once, published to each pod, and undone when the last is gone', async () => {
  const f = await world();
  await f.create('a', spec());
  await f.clock.advance(3_000);
  expect(f.driver.calls).toEqual([]);
  expect(f.events().filter((event) => event.startsWith('FailedMount'))).toEqual([]);
  await f.clock.advance(123_000);
  expect(f.events()).toContainEqual(expect.stringMatching(/^FailedMount: MountVolume\.WaitForAttach failed for volume "pv" : volume vol-1 has GET error for volume attachment csi-[0-9a-f]{64}: /));
  // Whoever attaches waits for this.
  expect(f.api.find(Nodes, 'node-1')?.status?.volumesInUse).toEqual(['kubernetes.io/csi/csi.example.com^vol-1']);
  f.attach();
  await f.clock.advance(10_000);
  expect(f.driver.calls).toEqual(['stage vol-1 {"key":"v"} {"disk":"sdb"}', 'publish vol-1 false a', `expand vol-1 ${2 * 1024 ** 3}`]);
  expect(f.api.find(PersistentVolumeClaims, 'c', 'default')?.status?.capacity).toEqual({ storage: '2Gi' });
  // It grows while it is mounted.
  f.driver.calls.length = 0;
  f.api.seed(PersistentVolumes, { ...f.api.find(PersistentVolumes, 'pv'), spec: { ...f.api.find(PersistentVolumes, 'pv')?.spec, capacity: { storage: '3Gi' } } });
  f.api.seed(PersistentVolumeClaims, { ...f.api.find(PersistentVolumeClaims, 'c', 'default'), status: { phase: 'Bound', capacity: { storage: '2Gi' }, allocatedResourceStatuses: { storage: 'NodeResizePending' } } });
  await f.clock.advance(10_000);
  expect(f.driver.calls).toEqual([`expand vol-1 ${3 * 1024 ** 3}`]);
  expect(f.api.find(PersistentVolumeClaims, 'c', 'default')?.status?.capacity).toEqual({ storage: '3Gi' });
  const uid = f.pod('a').metadata?.uid ?? '';
  const [made] = [...f.cri.containers.values()];
  expect(made?.config.mounts?.find(({ containerPath }) => containerPath === '/data')?.hostPath).toBe(`/var/lib/kubelet/pods/${uid}/volumes/kubernetes.io~csi/pv/mount`);

  await f.create('b', spec());
  await f.clock.advance(1_000);
  const removed = async (name: string): Promise<string[]> => {
    f.driver.calls.length = 0;
    await f.api.delete(Pods, { namespace: 'default', name });
    await f.clock.advance(5_000);
    return f.driver.calls;
  };
  expect(await removed('a')).toEqual(['unpublish vol-1']);
  expect(await removed('b')).toEqual(['unpublish vol-1', 'unstage vol-1']);
  expect(f.api.find(Nodes, 'node-1')?.status?.volumesInUse ?? []).toEqual([]);
  await f.kubelet.stop();
  expect(f.clock.pending).toBe(0);
});

test('volumes of pods that went while the kubelet was away are unmounted once their driver is there, and unstaged when nobody has them', async () => {
  const f = await world();
  f.attach();
  await f.create('a', spec());
  await f.create('b', spec());
  await f.clock.advance(10_000);
  const uid = (name: string): string => f.pod(name).metadata?.uid ?? '';
  const [a, b] = [uid('a'), uid('b')];
  await f.kubelet.stop();
  f.cri.reset();
  f.driver.calls.length = 0;
  await f.api.delete(Pods, { namespace: 'default', name: 'a' }, { gracePeriodSeconds: 0 });
  f.driver.sockets.clear();
  f.kubelet = f.again();
  await f.kubelet.start();
  await f.clock.advance(5_000);
  expect([f.driver.calls, await f.host.list('/var/lib/kubelet/pods')]).toEqual([[], [a, b]]);
  f.driver.sockets.add(`${registry}/example.sock`);
  await f.clock.advance(10_000);
  expect(await f.host.list('/var/lib/kubelet/pods')).toEqual([b]);
  expect(f.driver.calls.filter((call) => call.startsWith('un'))).toEqual(['unpublish vol-1']);
  await f.kubelet.stop();
  expect(f.clock.pending).toBe(0);
});

test('what a driver says is wrong is told, and tried again', async () => {
  const f = await world();
  f.attach();
  f.driver.fail('disk is broken');
  await f.create('a', spec());
  await f.clock.advance(2_000);
  expect(f.events()).toContainEqual(expect.stringContaining('FailedMount: MountVolume.MountDevice failed for volume "pv" : '));
  f.driver.fail('');
  await f.clock.advance(10_000);
  expect(f.pod('a').status?.phase).toBe('Running');
  await f.kubelet.stop();
});

test('a volume of the pod alone', async () => {
  const f = await world();
  await f.create('a', { containers: [container('app', { volumeMounts: [{ name: 'v', mountPath: '/v' }] })], volumes: [{ name: 'v', csi: { driver: 'csi.example.com' } }] });
  await f.clock.advance(1_000);
  expect(f.pod('a').status?.phase).toBe('Running');
  expect(f.driver.calls).toEqual([expect.stringMatching(/^publish csi-[0-9a-f]{64} false a$/)]);
  await f.kubelet.stop();
});

test('a volume without a file system is a device of the container', async () => {
  const f = await world();
  f.attach();
  f.api.seed(PersistentVolumes, { ...f.api.find(PersistentVolumes, 'pv'), spec: { ...f.api.find(PersistentVolumes, 'pv')?.spec, volumeMode: 'Block' } });
  const volumes = [{ name: 'data', persistentVolumeClaim: { claimName: 'c' } }];
  await f.create('a', { containers: [container('app', { volumeDevices: [{ name: 'data', devicePath: '/dev/xvda' }] })], volumes });
  await f.clock.advance(5_000);
  const uid = f.pod('a').metadata?.uid ?? '';
  const plugin = '/var/lib/kubelet/plugins/kubernetes.io/csi/volumeDevices';
  expect([...f.cri.containers.values()][0]?.config.devices).toEqual([{ hostPath: `${plugin}/publish/pv/${uid}`, containerPath: '/dev/xvda', permissions: 'mrw' }]);
  expect(f.driver.calls).toEqual(['stage vol-1 {"key":"v"} {"disk":"sdb"}', 'publish vol-1 false a', `expand vol-1 ${2 * 1024 ** 3}`]);
  expect(f.events().filter((text) => text.startsWith('SuccessfulMountVolume'))).toEqual([
    `SuccessfulMountVolume: MapVolume.MapPodDevice succeeded for volume "pv" globalMapPath "${plugin}/pv/dev"`,
    `SuccessfulMountVolume: MapVolume.MapPodDevice succeeded for volume "pv" volumeMapPath "/var/lib/kubelet/pods/${uid}/volumeDevices/kubernetes.io~csi"`,
  ]);
  await f.create('b', { ...spec(), volumes });
  await f.clock.advance(1_000);
  expect(f.events()).toContain('FailedMount: Unable to attach or mount volumes: unmounted volumes=[data], unattached volumes=[], failed to process volumes=[data]: volume data has volumeMode Block, but is specified in volumeMounts');
  await f.api.delete(Pods, { namespace: 'default', name: 'b' });
  f.driver.calls.length = 0;
  await f.api.delete(Pods, { namespace: 'default', name: 'a' });
  await f.clock.advance(5_000);
  expect(f.driver.calls).toEqual(['unpublish vol-1', 'unstage vol-1']);
  f.driver.fail('disk is broken');
  await f.create('c', { containers: [container('app', { volumeDevices: [{ name: 'data', devicePath: '/dev/xvda' }] })], volumes });
  await f.clock.advance(1_000);
  expect(f.events()).toContainEqual(expect.stringContaining('FailedMapVolume: MapVolume.SetUpDevice failed for volume "pv" : '));
  await f.kubelet.stop();
});
