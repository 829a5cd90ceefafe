import type { PersistentVolume, PersistentVolumeClaim, PersistentVolumeClaimSpec, PersistentVolumeSpec, Pod, StorageClass } from '@orrery/api/types';
import { expect, it } from 'vitest';
import { boundStatus, claimNaming, volumeNaming } from './binding.ts';
import { type ClaimPlan, planClaim } from './claim-plan.ts';
import { planEphemeral } from './ephemeral.ts';
import { wantsMore } from './expander.ts';
import { resized, resizing } from './local/resize.ts';
import { dataFinalizer, deletingPod, localVolume, planLocalVolume, refusal, standardClass } from './local/volume.ts';
import { planVolume, unbound } from './volume-plan.ts';

const completed = { 'pv.kubernetes.io/bind-completed': 'yes' };
const provisioned = { 'pv.kubernetes.io/provisioned-by': 'orrery.dev/local' };

type Extra = { annotations?: Record<string, string>; labels?: Record<string, string>; phase?: string; deleting?: boolean; name?: string };

function claim(spec: PersistentVolumeClaimSpec = {}, more: Extra = {}): PersistentVolumeClaim {
  return {
    metadata: { name: 'c', namespace: 'ns', uid: 'cu', ...(more.annotations ? { annotations: more.annotations } : {}), ...(more.deleting ? { deletionTimestamp: 'x' } : {}) },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '5Gi' } }, storageClassName: '', ...spec },
    status: { phase: more.phase ?? 'Pending' },
  };
}

function volume(spec: PersistentVolumeSpec = {}, more: Extra = {}): PersistentVolume {
  return {
    metadata: { name: more.name ?? 'v', ...(more.annotations ? { annotations: more.annotations } : {}), ...(more.labels ? { labels: more.labels } : {}), ...(more.deleting ? { deletionTimestamp: 'x' } : {}) },
    spec: { accessModes: ['ReadWriteOnce'], capacity: { storage: '5Gi' }, persistentVolumeReclaimPolicy: 'Retain', ...spec },
    status: { phase: more.phase ?? 'Available' },
  };
}

const mine = { name: 'c', namespace: 'ns', uid: 'cu' };
const classes: StorageClass[] = [
  { metadata: { name: 'now' }, provisioner: 'x.io/p', volumeBindingMode: 'Immediate' },
  { metadata: { name: 'later' }, provisioner: 'x.io/p', volumeBindingMode: 'WaitForFirstConsumer' },
  { metadata: { name: 'byhand' }, provisioner: 'kubernetes.io/no-provisioner', volumeBindingMode: 'Immediate' },
];

function told(one: PersistentVolumeClaim, volumes: PersistentVolume[], more: { defaultClass?: StorageClass; pods?: string[] } = {}): string {
  const plan: ClaimPlan = planClaim(one, {
    volumes,
    volume: (name) => volumes.find(({ metadata }) => metadata?.name === name),
    storageClass: (name) => classes.find(({ metadata }) => metadata?.name === name),
    defaultClass: more.defaultClass,
    waitingPods: () => more.pods ?? [],
  });
  if (plan.kind === 'bind') return `bind ${plan.volume.metadata?.name ?? ''}`;
  if (plan.kind === 'assignClass') return `class ${plan.name}`;
  const event = 'event' in plan && plan.event ? ` ${plan.event.type} ${plan.event.reason}: ${plan.event.message}` : '';
  return `${plan.kind}${event}`;
}

const nothingFits = 'pending Normal FailedBinding: no persistent volumes available for this claim and no storage class is set';
const external = "provision Normal ExternalProvisioning: Waiting for a volume to be created either by the external provisioner 'x.io/p' or manually by the system administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered.";

it.each<[string, PersistentVolumeClaim, PersistentVolume[], string]>([
  ['the smallest that suffices', claim(), [volume({ capacity: { storage: '9Gi' } }, { name: 'big' }), volume({ capacity: { storage: '6Gi' } }, { name: 'fits' }), volume({ capacity: { storage: '4Gi' } }, { name: 'small' })], 'bind fits'],
  ['fewer access modes before size', claim(), [volume({ accessModes: ['ReadWriteOnce', 'ReadWriteMany'] }, { name: 'a' }), volume({ capacity: { storage: '50Gi' } }, { name: 'b' })], 'bind b'],
  ['not one without the modes', claim({ accessModes: ['ReadWriteMany'] }), [volume()], nothingFits],
  ['not one of another volume mode', claim({ volumeMode: 'Block' }), [volume()], nothingFits],
  ['not one of another class', claim(), [volume({ storageClassName: 'x' })], nothingFits],
  ['not one that another has', claim(), [volume({ claimRef: { name: 'd', namespace: 'ns' } })], nothingFits],
  ['not one that is going', claim(), [volume({}, { deleting: true })], nothingFits],
  ['not one that is released', claim(), [volume({}, { phase: 'Released' })], nothingFits],
  ['by selector', claim({ selector: { matchLabels: { a: 'b' } } }), [volume({}, { name: 'x' }), volume({}, { name: 'y', labels: { a: 'b' } })], 'bind y'],
  ['one set aside for it first', claim(), [volume({}, { name: 'x' }), volume({ capacity: { storage: '99Gi' }, claimRef: { name: 'c', namespace: 'ns' } }, { name: 'y' })], 'bind y'],
  ['set aside for an earlier claim of its name', claim(), [volume({ claimRef: { name: 'c', namespace: 'ns', uid: 'old' } })], nothingFits],
  ['the named', claim({ volumeName: 'v' }), [volume()], 'bind v'],
  ['the named, not there', claim({ volumeName: 'w' }), [volume()], 'pending'],
  ['the named, too small', claim({ volumeName: 'v' }), [volume({ capacity: { storage: '1Gi' } })], 'pending Warning VolumeMismatch: Cannot bind to requested volume "v": requested PV is too small'],
  ['the named, of another class', claim({ volumeName: 'v' }), [volume({ storageClassName: 'x' })], 'pending Warning VolumeMismatch: Cannot bind to requested volume "v": storageClassName does not match'],
  ['the named, of other modes', claim({ volumeName: 'v', accessModes: ['ReadOnlyMany'] }), [volume()], 'pending Warning VolumeMismatch: Cannot bind to requested volume "v": incompatible accessMode'],
  ['the named, taken', claim({ volumeName: 'v' }), [volume({ claimRef: { name: 'd', namespace: 'ns', uid: 'du' } })], 'pending Warning FailedBinding: volume "v" already bound to a different claim.'],
  ['bound before, completes', claim({ volumeName: 'v' }, { annotations: completed, phase: 'Bound' }), [volume({ claimRef: mine })], 'bind v'],
  ['bound before, volume gone', claim({ volumeName: 'w' }, { annotations: completed }), [], 'lost Warning ClaimLost: Bound claim has lost its PersistentVolume. Data on the volume is lost!'],
  ['bound before, reference gone', claim({}, { annotations: completed }), [], 'lost Warning ClaimLost: Bound claim has lost reference to PersistentVolume. Data on the volume is lost!'],
  ['bound before, to a volume of another', claim({ volumeName: 'v' }, { annotations: completed }), [volume({ claimRef: { ...mine, uid: 'du' } })], 'lost Warning ClaimMisbound: Two claims are bound to the same volume, this one is bound incorrectly'],
  ['being deleted', claim({}, { deleting: true }), [volume()], 'nothing'],
  ['waits for its consumer', claim({ storageClassName: 'later' }), [volume({ storageClassName: 'later' })], 'pending Normal WaitForFirstConsumer: waiting for first consumer to be created before binding'],
  ['waits, but a volume names it', claim({ storageClassName: 'later' }), [volume({ storageClassName: 'later', claimRef: mine })], 'bind v'],
  ['its consumer has a node', claim({ storageClassName: 'later' }, { annotations: { 'volume.kubernetes.io/selected-node': 'n' } }), [], external],
  ['asks for a volume', claim({ storageClassName: 'now' }), [], external],
  ['class not there', claim({ storageClassName: 'none' }), [], 'pending Warning ProvisioningFailed: storageclass.storage.k8s.io "none" not found'],
  ['volumes made by hand', claim({ storageClassName: 'byhand' }), [], 'pending Warning ProvisioningFailed: no volume plugin matched name: kubernetes.io/no-provisioner'],
])('a claim gets %s', (_name, one, volumes, expected) => expect(told(one, volumes)).toBe(expected));

it('tells the pods it waits for, and takes a default class that came later', () => {
  const waits = claim({ storageClassName: 'later' });
  expect(told(waits, [], { pods: ['a'] })).toBe('pending Normal WaitForPodScheduled: waiting for pod a to be scheduled');
  expect(told(waits, [], { pods: ['a', 'b'] })).toBe('pending Normal WaitForPodScheduled: waiting for pods a,b to be scheduled');
  const { storageClassName: _none, ...spec } = claim().spec ?? {};
  const unclassed = { ...claim(), spec };
  expect(told(unclassed, [], { defaultClass: standardClass })).toBe('class standard');
  expect(told(claim(), [], { defaultClass: standardClass })).toBe(nothingFits);
});

it.each<[string, PersistentVolume, PersistentVolumeClaim | undefined, string]>([
  ['nobody', volume({}, { phase: 'Pending' }), undefined, 'phase Available'],
  ['a name alone', volume({ claimRef: { name: 'c', namespace: 'ns' } }), claim(), 'phase Available'],
  ['a claim that is gone', volume({ claimRef: mine }, { phase: 'Bound' }), undefined, 'phase Released'],
  ['a claim that was made anew', volume({ claimRef: { ...mine, uid: 'old' } }, { phase: 'Bound' }), claim(), 'phase Released'],
  ['a claim that is gone, kept', volume({ claimRef: mine }, { phase: 'Released' }), undefined, 'nothing'],
  ['a claim that is gone, its provisioner deletes it', volume({ claimRef: mine, persistentVolumeReclaimPolicy: 'Delete' }, { phase: 'Released', annotations: provisioned }), undefined, 'nothing'],
  ['a claim that is gone, nobody deletes it', volume({ claimRef: mine, persistentVolumeReclaimPolicy: 'Delete', hostPath: { path: '/x' } }, { phase: 'Released' }), undefined, 'failed VolumeFailedDelete: host_path deleter only supports /tmp/.+ but received provided /x'],
  ['a claim that is gone, nothing deletes its kind', volume({ claimRef: mine, persistentVolumeReclaimPolicy: 'Delete', local: { path: '/x' } }, { phase: 'Failed' }), undefined, 'failed VolumeFailedDelete: error getting deleter volume plugin for volume "v": no deletable volume plugin matched'],
  ['a claim that is gone, recycled', volume({ claimRef: mine, persistentVolumeReclaimPolicy: 'Recycle' }, { phase: 'Released' }), undefined, 'failed VolumeFailedRecycle: No recycler plugin found for the volume!'],
  ['its claim, not bound yet', volume({ claimRef: mine }), claim(), 'syncClaim'],
  ['its claim, of another mode', volume({ claimRef: mine, volumeMode: 'Block' }), claim(), 'syncClaim VolumeMismatch: Cannot bind PersistentVolume to requested PersistentVolumeClaim due to incompatible volumeMode'],
  ['its claim', volume({ claimRef: mine }), claim({ volumeName: 'v' }), 'phase Bound'],
  ['a claim that went elsewhere', volume({ claimRef: mine }), claim({ volumeName: 'w' }), 'unbind'],
  ['a claim that went elsewhere, made for it', volume({ claimRef: mine, persistentVolumeReclaimPolicy: 'Delete' }, { phase: 'Bound', annotations: provisioned }), claim({ volumeName: 'w' }), 'phase Released'],
])('a volume that names %s', (_name, one, named, expected) => {
  const plan = planVolume(one, named);
  const event = 'event' in plan && plan.event ? ` ${plan.event.reason}: ${plan.event.message}` : '';
  expect(`${plan.kind}${plan.kind === 'phase' ? ` ${plan.phase}` : ''}${event}`).toBe(expected);
});

it('marks who chose whom, and takes back only what the binder wrote', () => {
  const chosen = volumeNaming(volume(), claim());
  expect([chosen.metadata?.annotations, chosen.spec?.claimRef]).toEqual([{ 'pv.kubernetes.io/bound-by-controller': 'yes' }, { apiVersion: 'v1', kind: 'PersistentVolumeClaim', resourceVersion: '', ...mine }]);
  expect(volumeNaming(chosen, claim())).toBe(chosen);
  expect([unbound(chosen).spec?.claimRef, unbound(chosen).metadata?.annotations]).toEqual([undefined, {}]);
  const reserved = volumeNaming(volume({ claimRef: { name: 'c', namespace: 'ns' } }), claim());
  expect([reserved.metadata?.annotations, unbound(reserved).spec?.claimRef?.uid, unbound(reserved).spec?.claimRef?.name]).toEqual([undefined, undefined, 'c']);
  const bound = claimNaming(claim(), volume());
  expect(bound.metadata?.annotations).toEqual({ ...completed, 'pv.kubernetes.io/bound-by-controller': 'yes' });
  expect(claimNaming(claim({ volumeName: 'v' }), volume()).metadata?.annotations).toEqual(completed);
  expect(claimNaming(bound, volume())).toBe(bound);
  expect(boundStatus(claim(), volume({ capacity: { storage: '7Gi' } }))).toEqual({ phase: 'Bound', accessModes: ['ReadWriteOnce'], capacity: { storage: '7Gi' } });
  const held: PersistentVolumeClaim = { ...claim(), status: { phase: 'Bound', capacity: { storage: '5Gi' } } };
  expect(boundStatus(held, volume({ capacity: { storage: '7Gi' } }))?.capacity).toEqual({ storage: '5Gi' });
});

it('makes the claims of ephemeral volumes, and refuses those of others', () => {
  const pod: Pod = { metadata: { name: 'p', namespace: 'ns', uid: 'pu' }, spec: { containers: [], volumes: [{ name: 'v', ephemeral: { volumeClaimTemplate: { metadata: { labels: { a: 'b' } }, spec: { storageClassName: 's' } } } }, { name: 'e', emptyDir: {} }] } };
  const { create, conflicts } = planEphemeral(pod, () => undefined);
  expect(create).toMatchObject([{ metadata: { name: 'p-v', namespace: 'ns', labels: { a: 'b' }, ownerReferences: [{ kind: 'Pod', uid: 'pu', controller: true }] }, spec: { storageClassName: 's' } }]);
  expect(conflicts).toEqual([]);
  expect(planEphemeral(pod, () => create[0])).toEqual({ create: [], conflicts: [] });
  expect(planEphemeral(pod, () => claim()).conflicts).toEqual(['PVC ns/c was not created for pod ns/p (pod is not owner)']);
});

it('grows a claim: first said, then done', () => {
  const small: PersistentVolumeClaim = { ...claim(), status: { phase: 'Bound', capacity: { storage: '1Gi' } } };
  expect([wantsMore(small), wantsMore(claim())]).toEqual([true, false]);
  const status = resizing(small, 0);
  expect(status).toEqual({ phase: 'Bound', capacity: { storage: '1Gi' }, allocatedResources: { storage: '5Gi' }, allocatedResourceStatuses: { storage: 'ControllerResizeInProgress' }, conditions: [{ type: 'Resizing', status: 'True', lastTransitionTime: '1970-01-01T00:00:00Z' }] });
  expect(resized({ ...small, status })).toEqual({ phase: 'Bound', capacity: { storage: '5Gi' }, allocatedResources: { storage: '5Gi' } });
});

const made = localVolume(claim({ storageClassName: 'standard' }), standardClass, { metadata: { name: 'n', labels: { 'kubernetes.io/hostname': 'host' } } });

it('makes a volume of a directory on one node', () => {
  expect(made).toMatchObject({
    metadata: { name: 'pvc-cu', annotations: provisioned, finalizers: [dataFinalizer] },
    spec: { capacity: { storage: '5Gi' }, claimRef: mine, hostPath: { path: '/var/lib/orrery/volumes/pvc-cu_ns_c', type: 'DirectoryOrCreate' }, persistentVolumeReclaimPolicy: 'Delete', storageClassName: 'standard' },
  });
  expect(made.spec?.nodeAffinity?.required?.nodeSelectorTerms[0]?.matchExpressions).toEqual([{ key: 'kubernetes.io/hostname', operator: 'In', values: ['host'] }]);
  expect(deletingPod(made).spec).toMatchObject({ nodeName: 'n', containers: [{ command: ['rm', '-rf', '/volumes/pvc-cu_ns_c'] }] });
  for (const path of ['/', '/etc', '/var/lib/orrery/volumes/', '/var/lib/orrery/volumes/..', '/var/lib/orrery/volumes/a/b']) {
    expect(() => deletingPod({ ...made, spec: { ...made.spec, hostPath: { path } } })).toThrow('is not a directory in /var/lib/orrery/volumes');
  }
});

it.each<[PersistentVolumeClaimSpec, string | undefined]>([
  [{}, undefined],
  [{ accessModes: ['ReadWriteOncePod'] }, undefined],
  [{ accessModes: ['ReadWriteMany'] }, 'only access modes ReadWriteOnce and ReadWriteOncePod are supported'],
  [{ volumeMode: 'Block' }, 'only volume mode Filesystem is supported'],
  [{ selector: {} }, 'claim.spec.selector is not supported'],
  [{ dataSource: { kind: 'PersistentVolumeClaim', name: 'x' } }, 'claim.spec.dataSource is not supported'],
])('a directory for %j: %s', (spec, expected) => expect(refusal(claim(spec))).toBe(expected));

const helper = (phase: string): Pod => ({ metadata: { name: 'h' }, spec: { containers: [] }, status: { phase } });
const at = (phase: string, policy = 'Delete'): PersistentVolume => ({ ...made, spec: { ...made.spec, persistentVolumeReclaimPolicy: policy }, status: { phase } });
it.each<[string, PersistentVolume, Pod | undefined, boolean, string]>([
  ['bound', at('Bound'), undefined, true, 'nothing'],
  ['released', at('Released'), undefined, true, 'start'],
  ['released, pod at work', at('Released'), helper('Running'), true, 'nothing'],
  ['released, pod done', at('Released'), helper('Succeeded'), true, 'finish'],
  ['released, pod failed', at('Released'), helper('Failed'), true, 'restart'],
  ['released, node gone', at('Released'), undefined, false, 'finish'],
  ['kept after all', at('Released', 'Retain'), undefined, true, 'unhold'],
])('the data of a volume that is %s', (_name, one, pod, nodeExists, expected) => expect(planLocalVolume(one, { helper: pod, nodeExists })).toBe(expected));
