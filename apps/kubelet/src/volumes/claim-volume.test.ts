import { PersistentVolumeClaims, PersistentVolumes } from '@orrery/api';
import type { CSIDriver, PersistentVolumeSpec, PodSpec } from '@orrery/api/types';
import { expect, it } from 'vitest';
import { type Fixture, container, fixture } from '../testing.ts';
import { followsFsGroup } from './ownership.ts';

const using = (more: object = {}): Partial<PodSpec> => ({
  containers: [container('app', { volumeMounts: [{ name: 'data', mountPath: '/data' }] })],
  volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'c', ...more } }],
});
const mountOf = (f: Fixture) => [...f.cri.containers.values()][0]?.config.mounts?.find(({ containerPath }) => containerPath === '/data');

function seed(f: Fixture, spec: PersistentVolumeSpec, more: { annotations?: Record<string, string>; uid?: string; phase?: string; owner?: string } = {}): void {
  const { annotations = {}, uid = 'claim-uid', phase = 'Bound' } = more;
  f.api.seed(PersistentVolumes, { metadata: { name: 'pv', annotations }, spec: { claimRef: { namespace: 'default', name: 'c', uid }, ...spec } });
  f.api.seed(PersistentVolumeClaims, { metadata: { name: 'c', namespace: 'default', uid: 'claim-uid' }, spec: { volumeName: 'pv' }, status: { phase } });
}

async function start(spec: Partial<PodSpec>, prepare: (f: Fixture) => void): Promise<Fixture> {
  const f = fixture();
  prepare(f);
  await f.kubelet.start();
  await f.create('p', spec);
  await f.clock.advance(100);
  return f;
}

it.each<[string, PersistentVolumeSpec, Record<string, string>, number]>([
  ['hostPath', { hostPath: { path: '/srv/x' } }, {}, 0o755],
  ['hostPath of the provisioner', { hostPath: { path: '/srv/x', type: 'DirectoryOrCreate' } }, { 'pv.kubernetes.io/provisioned-by': 'orrery.dev/local' }, 0o777],
])('mounts a claim of a %s volume, and leaves its data when the pod goes', async (_name, spec, annotations, mode) => {
  const f = await start(using({ readOnly: true }), (g) => seed(g, spec, { annotations }));
  expect(mountOf(f)).toMatchObject({ hostPath: '/srv/x', readonly: true });
  expect(f.host.lookup('/srv/x')).toMatchObject({ kind: 'directory', mode });
  await f.api.delete(PersistentVolumeClaims, { namespace: 'default', name: 'c' });
  expect(await f.host.kind('/srv/x')).toBe('directory');
});

it('mounts a local volume whose directory is there', async () => {
  const f = await start(using(), (g) => {
    g.host.ensureDirectory('/mnt/disk');
    seed(g, { local: { path: '/mnt/disk' } });
  });
  expect(mountOf(f)).toMatchObject({ hostPath: '/mnt/disk', readonly: false });
});

const unable = 'FailedMount: Unable to attach or mount volumes: unmounted volumes=[data], unattached volumes=[], failed to process volumes=[data]: error processing PVC default/c: ';
it.each<[string, PersistentVolumeSpec, Parameters<typeof seed>[2], string]>([
  ['is not bound', { hostPath: { path: '/x' } }, { phase: 'Pending' }, `${unable}PVC is not bound`],
  ['is bound to a volume of another', { hostPath: { path: '/x' } }, { uid: 'other' }, `${unable}found PV object pv but its pv.Spec.ClaimRef.UID other does not point to claim.UID claim-uid`],
  ['lies elsewhere', { hostPath: { path: '/x' }, nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: ['other'] }] }] } } }, {}, 'FailedMount: MountVolume.NodeAffinity check failed for volume "pv" : no matching NodeSelectorTerms'],
  ['has no directory', { local: { path: '/none' } }, {}, 'FailedMount: MountVolume.NewMounter initialization failed for volume "pv" : path "/none" does not exist'],
  ['has a directory of the wrong type', { hostPath: { path: '/none', type: 'File' } }, {}, 'FailedMount: MountVolume.SetUp failed for volume "pv" : hostPath type check failed: /none is not a file'],
  ['needs a driver', { csi: { driver: 'd.x', volumeHandle: 'h' } }, {}, 'FailedMount: MountVolume.MountDevice failed for volume "pv" : kubernetes.io/csi: attacher.MountDevice failed to create newCsiDriverClient: driver name d.x not found in the list of registered CSI drivers'],
])('waits when the claim %s', async (_name, spec, more, event) => {
  const f = await start(using(), (g) => seed(g, spec, more));
  expect([f.pod('p').status?.phase, f.events().filter((text) => text.startsWith('FailedMount'))]).toEqual(['Pending', [event]]);
});

it('starts the pod soon after its claim is bound, having said once what it waits for', async () => {
  const f = await start(using(), (g) => seed(g, { hostPath: { path: '/x' } }, { phase: 'Pending' }));
  await f.clock.advance(60_000);
  expect(f.events().filter((text) => text.startsWith('FailedMount'))).toHaveLength(1);
  f.api.setStatus(PersistentVolumeClaims, { namespace: 'default', name: 'c' }, { phase: 'Bound' });
  await f.clock.advance(1_500);
  expect(f.pod('p').status?.phase).toBe('Running');
});

it('takes only the claim that was made for the pod as its ephemeral volume', async () => {
  const f = await start({ containers: [container('app', { volumeMounts: [{ name: 'e', mountPath: '/e' }] })], volumes: [{ name: 'e', ephemeral: { volumeClaimTemplate: { spec: {} } } }] }, (g) =>
    g.api.seed(PersistentVolumeClaims, { metadata: { name: 'p-e', namespace: 'default', uid: 'u' }, spec: { volumeName: 'pv' }, status: { phase: 'Bound' } }));
  expect(f.events().join('\n')).toContain('error processing PVC default/p-e: PVC default/p-e was not created for pod default/p (pod is not owner)');
});

const files = (f: Fixture) => ['', '/dir', '/dir/file'].map((path) => {
  const node = f.host.lookup(`/mnt/disk${path}`);
  return node?.kind === 'symlink' ? undefined : [node?.gid ?? 0, (node?.mode ?? 0).toString(8)];
});

it('gives what is in a local volume to the group of the pod; where only the root is looked at, only if that is not the group\'s', async () => {
  const prepare = (g: Fixture): void => {
    g.host.ensureDirectory('/mnt/disk/dir').entries.set('file', { kind: 'file', bytes: new Uint8Array(0), mode: 0o600, mtimeMs: 0 });
    seed(g, { local: { path: '/mnt/disk' } });
  };
  const given = [[1234, '2775'], [1234, '2775'], [1234, '660']];
  const always = await start({ ...using(), securityContext: { fsGroup: 1234 } }, prepare);
  expect(files(always)).toEqual(given);
  const spec = { ...using(), securityContext: { fsGroup: 1234, fsGroupChangePolicy: 'OnRootMismatch' } };
  expect(files(await start(spec, prepare))).toEqual(given);
  const matching = await start(spec, (g) => {
    prepare(g);
    Object.assign(g.host.ensureDirectory('/mnt/disk'), { gid: 1234, mode: 0o2770 });
  });
  expect(files(matching)).toEqual([[1234, '2770'], [0, '755'], [0, '600']]);
  expect(files(await start({ ...using({ readOnly: true }), securityContext: { fsGroup: 1234 } }, prepare))[2]).toEqual([0, '600']);
});

it.each<[string, CSIDriver | undefined, { fsType?: string; accessModes: string[]; readOnly: boolean }, boolean]>([
  ['a driver that says nothing, a file system, one writer', undefined, { fsType: 'ext4', accessModes: ['ReadWriteOnce'], readOnly: false }, true],
  ['no file system told', undefined, { accessModes: ['ReadWriteOnce'], readOnly: false }, false],
  ['many writers', undefined, { fsType: 'ext4', accessModes: ['ReadWriteMany'], readOnly: false }, false],
  ['policy File', { metadata: {}, spec: { fsGroupPolicy: 'File' } }, { accessModes: ['ReadWriteMany'], readOnly: false }, true],
  ['policy File, read-only', { metadata: {}, spec: { fsGroupPolicy: 'File' } }, { accessModes: ['ReadWriteMany'], readOnly: true }, false],
  ['policy None', { metadata: {}, spec: { fsGroupPolicy: 'None' } }, { fsType: 'ext4', accessModes: ['ReadWriteOnce'], readOnly: false }, false],
])('a CSI volume becomes the group\'s or not: %s', (_what, driver, volume, expected) => {
  expect(followsFsGroup(driver, volume)).toBe(expected);
});

it('gives a container the device of a local volume; who uses it as something else waits', async () => {
  const block: PersistentVolumeSpec = { local: { path: '/dev/loop0' }, volumeMode: 'Block' };
  const device: Partial<PodSpec> = { ...using({ readOnly: true }), containers: [container('app', { volumeDevices: [{ name: 'data', devicePath: '/dev/xvda' }] })] };
  const begin = async (spec: Partial<PodSpec>, volume: PersistentVolumeSpec, file = true): Promise<Fixture> => {
    const f = fixture();
    if (file) await f.host.writeFile('/dev/loop0', { bytes: new Uint8Array(512), mode: 0o600 });
    seed(f, volume);
    await f.kubelet.start();
    await f.create('p', spec);
    await f.clock.advance(100);
    return f;
  };
  const f = await begin(device, block);
  expect([...f.cri.containers.values()][0]?.config.devices).toEqual([{ hostPath: '/dev/loop0', containerPath: '/dev/xvda', permissions: 'r' }]);
  const failures = async (...at: Parameters<typeof begin>): Promise<string[]> => (await begin(...at)).events().filter((text) => text.startsWith('Failed'));
  const mismatch = 'FailedMount: Unable to attach or mount volumes: unmounted volumes=[data], unattached volumes=[], failed to process volumes=[data]: volume data has volumeMode';
  expect(await failures(device, { local: { path: '/dev/loop0' } })).toEqual([`${mismatch} Filesystem, but is specified in volumeDevices`]);
  expect(await failures(using(), block)).toEqual([`${mismatch} Block, but is specified in volumeMounts`]);
  expect(await failures(device, block, false)).toEqual(['FailedMapVolume: MapVolume.MapBlockVolume failed for volume "pv" : lstat /dev/loop0: no such file or directory']);
});

it('does not wait for what no container uses', async () => {
  const f = await start({ containers: [container('app')], volumes: [{ name: 'x', configMap: { name: 'nosuch' } }] }, () => undefined);
  expect(f.pod('p').status?.phase).toBe('Running');
});
