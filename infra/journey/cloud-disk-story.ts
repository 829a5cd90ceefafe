import { type Kubectl, eventually } from '@orrery/testkit';
import { expect } from 'vitest';

const ns = ['-n', 'disks'];
const claim = (name: string, gib: number, dataSource?: object): object => ({
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaim',
  metadata: { name, namespace: 'disks' },
  spec: { storageClassName: 'cloud-disk', accessModes: ['ReadWriteOnce'], resources: { requests: { storage: `${gib}Gi` } }, ...(dataSource ? { dataSource } : {}) },
});
const pod = (name: string, script: string, claims: readonly string[]): object => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'disks' },
  spec: {
    terminationGracePeriodSeconds: 0,
    containers: [{ name: 'c', image: 'busybox', command: ['sh', '-c', `${script}; sleep 100000`], volumeMounts: claims.map((one) => ({ name: one, mountPath: `/${one}` })) }],
    volumes: claims.map((one) => ({ name: one, persistentVolumeClaim: { claimName: one } })),
  },
});

async function apply(kubectl: Kubectl, ...items: readonly object[]): Promise<void> {
  await kubectl.ok(['apply', '-f', '-'], { input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items }) });
}

function untilSays(kubectl: Kubectl, args: readonly string[], expected: string): Promise<unknown> {
  return eventually(async () => expect(await kubectl.ok([...args])).toBe(expected), { what: `kubectl ${args.join(' ')} says ${expected}`, withinMs: 120_000, everyMs: 250 });
}

const ready = (kubectl: Kubectl, name: string): Promise<string> => kubectl.ok(['wait', '--for=condition=Ready', `pod/${name}`, '--timeout=120s', ...ns]);
const content = (kubectl: Kubectl, name: string, path: string): Promise<string> => kubectl.ok(['exec', name, ...ns, '--', 'cat', path]);

/** A claim gets a disk, its pod writes on it, and the next pod reads it on another node; meanwhile it grows. */
export async function diskFollowsItsPod(kubectl: Kubectl): Promise<void> {
  await eventually(async () => expect(await kubectl.ok(['get', 'csinodes', '-o', 'jsonpath={.items[*].spec.drivers[*].name}'])).toBe('disk.csi.orrery.dev disk.csi.orrery.dev disk.csi.orrery.dev'), { what: 'the driver is on all nodes', withinMs: 120_000, everyMs: 250 });
  await kubectl.ok(['create', 'namespace', 'disks']);
  await apply(kubectl, claim('data', 1), pod('first', 'echo written > /data/file', ['data']));
  await ready(kubectl, 'first');
  await untilSays(kubectl, ['exec', 'first', ...ns, '--', 'cat', '/data/file'], 'written\n');
  const node = await kubectl.ok(['get', 'pod', 'first', ...ns, '-o', 'jsonpath={.spec.nodeName}']);
  expect(await kubectl.ok(['get', 'volumeattachments', '-o', 'jsonpath={range .items[*]}{.spec.attacher} {.spec.nodeName} {.status.attached}{end}'])).toBe(`disk.csi.orrery.dev ${node} true`);
  await kubectl.ok(['cordon', node]);
  await kubectl.ok(['delete', 'pod', 'first', ...ns]);
  await apply(kubectl, pod('second', 'echo again >> /data/file', ['data']));
  await ready(kubectl, 'second');
  await kubectl.ok(['uncordon', node]);
  expect(await kubectl.ok(['get', 'pod', 'second', ...ns, '-o', 'jsonpath={.spec.nodeName}'])).not.toBe(node);
  await untilSays(kubectl, ['exec', 'second', ...ns, '--', 'cat', '/data/file'], 'written\nagain\n');
  expect(await kubectl.ok(['exec', 'second', ...ns, '--', 'df', '-h', '/data'])).toMatch(/^\/dev\/vdb\s+1\.0G/m);
  await kubectl.ok(['patch', 'pvc', 'data', ...ns, '-p', '{"spec":{"resources":{"requests":{"storage":"2Gi"}}}}']);
}

/** After a `kill -9` of everything the disk is there, and can be written on. */
export async function diskOutlivesTheCluster(kubectl: Kubectl): Promise<void> {
  await eventually(async () => expect(await content(kubectl, 'second', '/data/file')).toMatch(/^written\n(again\n)+$/), { what: 'the disk is back', withinMs: 120_000, everyMs: 250 });
}

const rawPod = (name: string): object => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'disks' },
  spec: {
    terminationGracePeriodSeconds: 0,
    containers: [{ name: 'c', image: 'busybox', command: ['sleep', '100000'], volumeDevices: [{ name: 'd', devicePath: '/dev/xvda' }] }],
    volumes: [{ name: 'd', persistentVolumeClaim: { claimName: 'raw' } }],
  },
});

/** A disk without a file system is a block device in its pod, of the right size, and has what the pod before has written; it goes with its claim. */
export async function diskWithoutFileSystem(kubectl: Kubectl): Promise<void> {
  const raw = claim('raw', 1) as { readonly spec: object };
  await apply(kubectl, { ...raw, spec: { ...raw.spec, volumeMode: 'Block' } }, rawPod('raw-1'), pod('mistaken', 'true', ['raw']));
  await ready(kubectl, 'raw-1');
  const in_ = (name: string, script: string): Promise<string> => kubectl.ok(['exec', name, ...ns, '--', 'sh', '-c', script]);
  expect(await in_('raw-1', 'test -b /dev/xvda && blockdev --getsize64 /dev/xvda; echo bytes | dd of=/dev/xvda bs=4k seek=100 2>/dev/null')).toBe(`${2 ** 30}\n`);
  await eventually(async () => expect(await kubectl.ok(['describe', 'pod', 'mistaken', ...ns])).toMatch(/FailedMount.*volume raw has volumeMode Block, but is specified in volumeMounts/), { what: 'who mounts it is told', withinMs: 120_000, everyMs: 250 });
  await kubectl.ok(['delete', 'pod', 'raw-1', 'mistaken', ...ns]);
  await apply(kubectl, rawPod('raw-2'));
  await ready(kubectl, 'raw-2');
  expect(await in_('raw-2', 'dd if=/dev/xvda bs=4k skip=100 count=1 2>/dev/null | head -c 6')).toBe('bytes\n');
  await kubectl.ok(['delete', 'pod/raw-2', 'pvc/raw', ...ns]);
  await untilSays(kubectl, ['get', 'pv', '-o', 'jsonpath={.items[?(@.spec.volumeMode=="Block")].metadata.name}'], '');
}

/** The disk has grown meanwhile. A snapshot keeps what was; a disk made from it has that, one made from the claim has what is now. Deleting all deletes all. */
export async function diskIsCopied(kubectl: Kubectl): Promise<void> {
  // The volume is larger before the node knows.
  await untilSays(kubectl, ['get', 'pv', '-o', 'jsonpath={.items[?(@.spec.csi)].spec.capacity.storage}'], '2Gi');
  const before = await content(kubectl, 'second', '/data/file');
  await apply(kubectl, { apiVersion: 'snapshot.storage.k8s.io/v1', kind: 'VolumeSnapshot', metadata: { name: 'then', namespace: 'disks' }, spec: { source: { persistentVolumeClaimName: 'data' } } });
  await untilSays(kubectl, ['get', 'volumesnapshot', 'then', ...ns, '-o', 'jsonpath={.status.readyToUse} {.status.restoreSize}'], 'true 2Gi');
  await kubectl.ok(['exec', 'second', ...ns, '--', 'sh', '-c', 'echo later >> /data/file']);
  await apply(kubectl, claim('restored', 2, { apiGroup: 'snapshot.storage.k8s.io', kind: 'VolumeSnapshot', name: 'then' }), claim('cloned', 2, { kind: 'PersistentVolumeClaim', name: 'data' }), pod('reader', 'true', ['restored', 'cloned']));
  await ready(kubectl, 'reader');
  expect(await content(kubectl, 'reader', '/restored/file')).toBe(before);
  expect(await content(kubectl, 'reader', '/cloned/file')).toBe(`${before}later\n`);
  await untilSays(kubectl, ['get', 'pvc', 'data', ...ns, '-o', 'jsonpath={.status.capacity.storage}{.status.conditions}'], '2Gi');
  expect(await kubectl.ok(['exec', 'second', ...ns, '--', 'df', '-h', '/data'])).toMatch(/^\/dev\/vdb\s+2\.0G/m);
  await kubectl.ok(['delete', 'namespace', 'disks', '--timeout=120s']);
  await untilSays(kubectl, ['get', 'pv,volumeattachments,volumesnapshotcontents', '-o', 'jsonpath={.items[?(@.spec.csi)].metadata.name}{.items[?(@.spec.attacher)].metadata.name}{.items[?(@.spec.volumeSnapshotRef)].metadata.name}'], '');
}
