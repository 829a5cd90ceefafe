import { CSIDrivers, Events, Nodes, PersistentVolumeClaims, PersistentVolumes, Pods, StorageClasses, VolumeAttachments } from '@orrery/api';
import type { PersistentVolumeClaim } from '@orrery/api/types';
import { expect, it, vi } from 'vitest';
import { type Harness, startManager } from '../testing/manager-harness.ts';

const key = { namespace: 'ns', name: 'c' };
const claimOf = (more: object = {}): PersistentVolumeClaim => ({ metadata: { ...key }, spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } }, ...more } });
const found = ({ api }: Harness) => api.find(PersistentVolumeClaims, 'c', 'ns');
const onlyVolume = ({ api }: Harness) => api.objects(PersistentVolumes)[0];
const reasons = ({ api }: Harness): string[] => api.objects(Events).filter(({ involvedObject }) => involvedObject?.kind === 'PersistentVolumeClaim').map(({ reason = '' }) => reason);

async function withNode(): Promise<Harness> {
  const h = await startManager();
  h.api.seed(Nodes, { metadata: { name: 'n' }, status: { conditions: [{ type: 'Ready', status: 'True' }] } });
  await h.clock.advance(100);
  return h;
}

/** As the scheduler does for the first pod that uses the claim. */
async function select(h: Harness, node: string): Promise<void> {
  await h.api.patch(PersistentVolumeClaims, key, { metadata: { annotations: { 'volume.kubernetes.io/selected-node': node } } }, { type: 'application/merge-patch+json' });
  await h.clock.advance(200);
}

it('a claim of the default class waits for a node, gets a volume there, grows, and takes its data along when it goes', async () => {
  const h = await withNode();
  expect(h.api.objects(StorageClasses).map(({ metadata }) => metadata?.name)).toEqual(['standard']);
  await h.api.create(PersistentVolumeClaims, claimOf());
  await h.clock.advance(100);
  expect([found(h)?.spec?.storageClassName, found(h)?.status?.phase]).toEqual(['standard', 'Pending']);
  await select(h, 'n');
  expect(found(h)).toMatchObject({ spec: { volumeName: onlyVolume(h)?.metadata?.name }, status: { phase: 'Bound', capacity: { storage: '1Gi' } } });
  expect(onlyVolume(h)?.status?.phase).toBe('Bound');
  expect(reasons(h)).toEqual(['WaitForFirstConsumer', 'ExternalProvisioning', 'Provisioning', 'ProvisioningSucceeded']);
  await h.api.patch(PersistentVolumeClaims, key, { spec: { resources: { requests: { storage: '2Gi' } } } }, { type: 'application/merge-patch+json' });
  await h.clock.advance(200);
  expect([found(h)?.status?.capacity?.storage, onlyVolume(h)?.spec?.capacity?.storage]).toEqual(['2Gi', '2Gi']);
  expect(reasons(h).slice(4).sort()).toEqual(['ExternalExpanding', 'Resizing', 'VolumeResizeSuccessful']);
  await h.api.delete(PersistentVolumeClaims, key);
  await h.clock.advance(200);
  expect([found(h), onlyVolume(h)?.status?.phase]).toEqual([undefined, 'Released']);
  const [helper] = h.api.objects(Pods);
  expect(helper?.spec?.nodeName).toBe('n');
  h.api.setStatus(Pods, { namespace: 'kube-system', name: helper?.metadata?.name ?? '' }, { phase: 'Succeeded' });
  await h.clock.advance(200);
  expect([h.api.objects(PersistentVolumes), h.api.objects(Pods)]).toEqual([[], []]);
  expect(h.complaints).toEqual([]);
});

it('a pod that deletes data of a volume that is gone goes too', async () => {
  const h = await withNode();
  h.api.seed(Pods, { metadata: { name: 'helper-pod-delete-v', namespace: 'kube-system', labels: { 'orrery.dev/volume': 'v' } }, spec: { nodeName: 'n', containers: [] } });
  await h.clock.advance(200);
  expect(h.api.objects(Pods)).toEqual([]);
});

it('a node that went away is chosen anew', async () => {
  const h = await withNode();
  await h.api.create(PersistentVolumeClaims, claimOf({ storageClassName: 'standard' }));
  await h.clock.advance(100);
  await select(h, 'gone');
  expect([onlyVolume(h), found(h)?.metadata?.annotations?.['volume.kubernetes.io/selected-node']]).toEqual([undefined, undefined]);
  expect(h.api.objects(Events).find(({ reason }) => reason === 'ProvisioningFailed')?.message).toBe('failed to provision volume with StorageClass "standard": node "gone" not found');
});

it('binds by hand-made volumes, releases them, and frees one whose claimRef is cleared', async () => {
  const h = await startManager();
  await h.api.create(PersistentVolumes, { metadata: { name: 'v' }, spec: { accessModes: ['ReadWriteOnce'], capacity: { storage: '5Gi' }, persistentVolumeReclaimPolicy: 'Retain', hostPath: { path: '/x' } } });
  await h.clock.advance(100);
  expect(onlyVolume(h)?.status?.phase).toBe('Available');
  await h.api.create(PersistentVolumeClaims, claimOf({ storageClassName: '' }));
  await h.clock.advance(200);
  expect([found(h)?.status, found(h)?.metadata?.annotations]).toEqual([{ phase: 'Bound', accessModes: ['ReadWriteOnce'], capacity: { storage: '5Gi' } }, { 'pv.kubernetes.io/bind-completed': 'yes', 'pv.kubernetes.io/bound-by-controller': 'yes' }]);
  await h.api.delete(PersistentVolumeClaims, key);
  await h.clock.advance(200);
  expect(onlyVolume(h)?.status?.phase).toBe('Released');
  await h.api.patch(PersistentVolumes, { name: 'v' }, { spec: { claimRef: null } }, { type: 'application/merge-patch+json' });
  await h.clock.advance(200);
  expect(onlyVolume(h)?.status?.phase).toBe('Available');
});

it('two claims never share a volume, and the second gets the next that comes', async () => {
  const h = await startManager();
  const volume = (name: string) => h.api.create(PersistentVolumes, { metadata: { name }, spec: { accessModes: ['ReadWriteOnce'], capacity: { storage: '1Gi' }, hostPath: { path: '/x' } } });
  await volume('v1');
  for (const name of ['a', 'b']) await h.api.create(PersistentVolumeClaims, { ...claimOf({ storageClassName: '' }), metadata: { name, namespace: 'ns' } });
  await h.clock.advance(1_000);
  const phases = () => h.api.objects(PersistentVolumeClaims).map(({ status }) => status?.phase).sort();
  expect(phases()).toEqual(['Bound', 'Pending']);
  await volume('v2');
  await h.clock.advance(1_000);
  expect(phases()).toEqual(['Bound', 'Bound']);
  expect(new Set(h.api.objects(PersistentVolumeClaims).map(({ spec }) => spec?.volumeName)).size).toBe(2);
});

it('a binding that was interrupted is completed; one whose volume is gone is lost', async () => {
  const h = await startManager();
  await h.api.create(PersistentVolumes, { metadata: { name: 'v' }, spec: { accessModes: ['ReadWriteOnce'], capacity: { storage: '1Gi' }, hostPath: { path: '/x' } } });
  let left = 2;
  h.api.setFault(({ verb, resource }) => {
    if (verb === 'update' && resource.resource === 'persistentvolumeclaims' && left-- > 0) throw new Error('cut');
  });
  await h.api.create(PersistentVolumeClaims, claimOf({ storageClassName: '' }));
  await h.clock.advance(2_000);
  expect(found(h)?.status?.phase).toBe('Bound');
  await h.api.delete(PersistentVolumes, { name: 'v' });
  const { metadata } = onlyVolume(h) ?? {};
  await h.api.update(PersistentVolumes, { ...onlyVolume(h), metadata: { ...metadata, finalizers: [] } });
  await h.clock.advance(500);
  expect([found(h)?.status?.phase, reasons(h).includes('ClaimLost')]).toEqual(['Lost', true]);
});

it('makes the claim of an ephemeral volume, owned by its pod', async () => {
  const h = await startManager();
  await h.api.create(Pods, { metadata: { name: 'p', namespace: 'ns' }, spec: { containers: [], volumes: [{ name: 'e', ephemeral: { volumeClaimTemplate: { spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } } } } }] } });
  await h.clock.advance(100);
  expect(h.api.find(PersistentVolumeClaims, 'p-e', 'ns')?.metadata?.ownerReferences).toMatchObject([{ kind: 'Pod', name: 'p', controller: true }]);
});

it('a CSI volume is attached to the nodes of its pods, unless its driver needs no attaching', async () => {
  const h = await withNode();
  const csi = (driver: string) => ({ accessModes: ['ReadWriteOnce'], capacity: { storage: '1Gi' }, csi: { driver, volumeHandle: `handle-${driver}` } });
  h.api.seed(CSIDrivers, { metadata: { name: 'plain' }, spec: { attachRequired: false } });
  for (const driver of ['disk', 'plain']) {
    h.api.seed(PersistentVolumes, { metadata: { name: driver }, spec: { ...csi(driver), claimRef: { namespace: 'ns', name: driver, uid: `u-${driver}` } }, status: { phase: 'Bound' } });
    h.api.seed(PersistentVolumeClaims, { ...claimOf({ volumeName: driver, storageClassName: '' }), metadata: { name: driver, namespace: 'ns', uid: `u-${driver}`, annotations: { 'pv.kubernetes.io/bind-completed': 'yes' } }, status: { phase: 'Bound' } });
  }
  const user = (name: string) => ({ metadata: { name, namespace: 'ns' }, spec: { nodeName: 'n', containers: [], volumes: ['disk', 'plain'].map((claimName) => ({ name: claimName, persistentVolumeClaim: { claimName } })) }, status: { phase: 'Running' } });
  h.api.seed(Pods, user('p'), user('q'));
  await h.clock.advance(500);
  // The hash of the name is worked out by another thread, in real time.
  await vi.waitFor(() => expect(h.api.objects(VolumeAttachments)).toMatchObject([{ metadata: { name: 'csi-df749ac2faa7c76f3311150c381f0fb7adc53cbaf8a8b33e3babd6ed13aafa76' }, spec: { attacher: 'disk', nodeName: 'n', source: { persistentVolumeName: 'disk' } } }]), { timeout: 30_000 });
  await h.api.delete(Pods, { namespace: 'ns', name: 'p' }, { gracePeriodSeconds: 0 });
  await h.clock.advance(500);
  expect(h.api.objects(VolumeAttachments)).toHaveLength(1);
  await h.api.create(VolumeAttachments, { metadata: { name: 'foreign' }, spec: { attacher: 'x', nodeName: 'n', source: { persistentVolumeName: 'unknown' } } });
  const [attachment] = h.api.objects(VolumeAttachments);
  h.api.setStatus(VolumeAttachments, { name: attachment?.metadata?.name ?? '' }, { attached: false, attachError: { message: 'no such disk' } });
  await h.clock.advance(500);
  h.api.setStatus(VolumeAttachments, { name: attachment?.metadata?.name ?? '' }, { attached: true });
  await h.clock.advance(500);
  const told = h.api.objects(Events).filter(({ involvedObject }) => involvedObject?.name === 'q').map(({ reason, message }) => `${reason ?? ''} ${message ?? ''}`);
  expect(told).toEqual(['FailedAttachVolume AttachVolume.Attach failed for volume "disk" : no such disk', 'SuccessfulAttachVolume AttachVolume.Attach succeeded for volume "disk" ']);
  const onNode = () => h.api.find(Nodes, 'n')?.status?.volumesAttached;
  expect(onNode()).toEqual([{ name: 'kubernetes.io/csi/disk^handle-disk', devicePath: '' }]);
  h.api.setStatus(Nodes, { name: 'n' }, { volumesInUse: ['kubernetes.io/csi/disk^handle-disk'] });
  h.api.setStatus(Pods, { namespace: 'ns', name: 'q' }, { phase: 'Succeeded' });
  await h.clock.advance(10_000);
  // It is mounted still.
  expect(h.api.objects(VolumeAttachments)).toHaveLength(2);
  h.api.setStatus(Nodes, { name: 'n' }, { volumesInUse: [] });
  await h.clock.advance(500);
  expect(onNode()).toEqual([]);
  expect(h.api.objects(VolumeAttachments).map(({ metadata }) => metadata?.name)).toEqual(['foreign']);
});
