import type { CSINode, Node, PersistentVolume, PersistentVolumeClaim, StorageClass } from '@orrery/api/types';
import { MemoryMounts } from '@orrery/cri';
import { DisksDefinition, InstancesDefinition, OperationsDefinition } from '@orrery/proto/cloud';
import { ControllerDefinition, NodeDefinition, VolumeCapability_AccessMode_Mode as Mode } from '@orrery/proto/csi';
import { Code, RpcError, createClient, inMemoryChannel, service } from '@orrery/rpc';
import { createLogger } from '@orrery/runtime';
import { expect, it, test } from 'vitest';
import { controllerService } from './driver/controller-service.ts';
import { nodeServices } from './driver/node-service.ts';
import { driverName, sockets, zoneKey } from './names.ts';
import { createRequest, topologyFor, volumeFor, wantsDeletion } from './sidecars/provisioning.ts';
import { Retries, resizeStatus, wantsGrowth, wantsNode } from './sidecars/resizer.ts';
import type { VolumeSnapshot, VolumeSnapshotClass } from './snapshots/kinds.ts';
import { classOf, newContent, snapshotStatus } from './snapshots/plan.ts';

const claim = (spec: PersistentVolumeClaim['spec'] = {}): PersistentVolumeClaim => ({ apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: { name: 'c', namespace: 'n', uid: 'u' }, spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1500Mi' } }, ...spec } });
const storageClass: StorageClass = { apiVersion: 'storage.k8s.io/v1', kind: 'StorageClass', metadata: { name: 'cloud-disk' }, provisioner: driverName, parameters: { type: 'fast', 'csi.storage.k8s.io/fstype': 'xfs' } };
const node = (name: string, zone: string): Node => ({ metadata: { name, labels: { [zoneKey]: zone } } });
const csiNode = (): CSINode => ({ spec: { drivers: [{ name: driverName, nodeID: 'x', topologyKeys: [zoneKey] }] } });
const zones = (terms: readonly { segments?: Readonly<Record<string, string>> | undefined }[] | undefined): unknown[] => (terms ?? []).map(({ segments }) => segments?.[zoneKey]);

test('topology: the chosen node first, within what the class allows', () => {
  const nodes = [node('1', 'b'), node('2', 'a'), node('3', 'a')];
  expect(zones(topologyFor({ selected: nodes[0], nodes, csiNode, allowed: [] })?.preferred)).toEqual(['b', 'a']);
  expect(zones(topologyFor({ selected: undefined, nodes, csiNode, allowed: [] })?.requisite)).toEqual(['a', 'b']);
  const allowed = [{ matchLabelExpressions: [{ key: zoneKey, values: ['a'] }] }];
  expect(zones(topologyFor({ selected: nodes[1], nodes, csiNode, allowed })?.preferred)).toEqual(['a']);
  expect(() => topologyFor({ selected: nodes[0], nodes, csiNode, allowed })).toThrow('zone b of node 1 is not allowed');
  expect(topologyFor({ selected: undefined, nodes, csiNode: () => undefined, allowed: [] })).toBeUndefined();
  const late = (name: string) => (name === '2' ? undefined : csiNode());
  expect(() => topologyFor({ selected: nodes[1], nodes, csiNode: late, allowed: [] }), 'the driver is not registered there yet').toThrow('no topology key found on CSINode 2');
  expect(() => topologyFor({ selected: { metadata: { name: '4' } }, nodes, csiNode, allowed: [] })).toThrow('topology labels from selected node 4 does not match');
});

test('a claim becomes a call, and what was made a volume', () => {
  const input = { claim: claim(), storageClass, attributes: undefined, topology: undefined, source: undefined };
  expect(createRequest(input)).toMatchObject({ name: 'pvc-u', capacityRange: { requiredBytes: 1500 * 2 ** 20 }, parameters: { type: 'fast' }, volumeCapabilities: [{ accessType: { value: { fsType: 'xfs' } }, accessMode: { mode: Mode.SINGLE_NODE_WRITER } }] });
  const made = volumeFor(input, { volumeId: 'd-1', capacityBytes: 2 * 2 ** 30, accessibleTopology: [{ segments: { [zoneKey]: 'a' } }] });
  expect(made.spec).toMatchObject({ capacity: { storage: '2Gi' }, csi: { volumeHandle: 'd-1', fsType: 'xfs' }, nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [{ key: zoneKey, operator: 'In', values: ['a'] }] }] } } });
  expect(wantsDeletion({ ...made, status: { phase: 'Bound' } })).toBe(false);
  expect(wantsDeletion({ ...made, status: { phase: 'Released' } })).toBe(true);
  expect(wantsDeletion({ ...made, spec: { ...made.spec, persistentVolumeReclaimPolicy: 'Retain' }, status: { phase: 'Released' } })).toBe(false);
  expect(() => createRequest({ ...input, claim: claim({ selector: {} }) })).toThrow('claim Selector is not supported');
  expect(() => createRequest({ ...input, storageClass: { ...storageClass, parameters: { 'csi.storage.k8s.io/unknown': 'x' } } })).toThrow('invalid parameters');
});

test('growth: the driver first, then the node', () => {
  const volume = (storage: string): PersistentVolume => ({ spec: { capacity: { storage } } });
  const bound = (request: string, capacity: string): PersistentVolumeClaim => ({ ...claim({ resources: { requests: { storage: request } } }), status: { phase: 'Bound', capacity: { storage: capacity } } });
  expect([wantsGrowth(bound('2Gi', '1Gi'), volume('1Gi')), wantsGrowth(bound('2Gi', '1Gi'), volume('2Gi')), wantsNode(bound('2Gi', '1Gi'), volume('2Gi')), wantsNode(bound('2Gi', '2Gi'), volume('2Gi'))]).toEqual([true, false, true, false]);
  const told = { ...bound('2Gi', '1Gi'), status: resizeStatus(bound('2Gi', '1Gi'), { state: 'NodeResizePending', condition: { type: 'FileSystemResizePending' }, nowMs: 0 }) };
  expect(told.status).toMatchObject({ allocatedResources: { storage: '2Gi' }, allocatedResourceStatuses: { storage: 'NodeResizePending' }, conditions: [{ type: 'FileSystemResizePending', status: 'True' }] });
  expect(wantsNode(told, volume('2Gi'))).toBe(false);
});

test('what has failed is tried again later and later, what cannot be done after five minutes, what is new at once', () => {
  const retries = new Retries();
  const fail = (isInfeasible = false): number => (retries.note('c', '2Gi', { nowMs: 0, isInfeasible }), retries.waitMs('c', '2Gi', 0));
  expect([retries.waitMs('c', '2Gi', 0), fail(), fail(), fail(), fail(true)]).toEqual([0, 1_000, 2_000, 4_000, 300_000]);
  expect([retries.waitMs('c', '2Gi', 299_000), retries.waitMs('c', '2Gi', 300_001), retries.waitMs('c', '3Gi', 0), retries.waitMs('d', '2Gi', 0)]).toEqual([1_000, 0, 0, 0]);
  retries.forget('c');
  expect(retries.waitMs('c', '2Gi', 0)).toBe(0);
});

test('snapshots: classes, contents, status', () => {
  const snapshot: VolumeSnapshot = { apiVersion: 'v1', kind: 'VolumeSnapshot', metadata: { name: 's', namespace: 'n', uid: 'u' }, spec: { source: { persistentVolumeClaimName: 'c' } } };
  const snapshotClass = (name: string, driver: string, isDefault: boolean): VolumeSnapshotClass => ({ metadata: { name, annotations: isDefault ? { 'snapshot.storage.kubernetes.io/is-default-class': 'true' } : {} }, driver, deletionPolicy: 'Retain' });
  const all = [snapshotClass('a', driverName, true), snapshotClass('b', driverName, false), snapshotClass('x', 'other', true)];
  expect(classOf(snapshot, driverName, all).metadata?.name).toBe('a');
  expect(() => classOf(snapshot, driverName, all.slice(1))).toThrow('cannot find default snapshot class');
  expect(() => classOf(snapshot, driverName, [...all, snapshotClass('c', driverName, true)])).toThrow('2 default snapshot classes were found: a, c');
  expect(() => classOf({ ...snapshot, spec: { ...snapshot.spec, volumeSnapshotClassName: 'x' } }, driverName, all)).toThrow('is of driver other');
  const content = newContent(snapshot, { snapshotClass: all[0] as VolumeSnapshotClass, volumeHandle: 'd-1', volumeMode: 'Filesystem' });
  expect(content).toMatchObject({ metadata: { name: 'snapcontent-u' }, spec: { deletionPolicy: 'Retain', source: { volumeHandle: 'd-1' }, volumeSnapshotRef: { name: 's', namespace: 'n', uid: 'u' } } });
  const status = snapshotStatus(snapshot, { ...content, status: { readyToUse: true, restoreSize: 2 ** 30, creationTime: 1_000_000_000, snapshotHandle: 's-1' } });
  expect(status).toEqual({ boundVolumeSnapshotContentName: 'snapcontent-u', readyToUse: true, restoreSize: '1Gi', creationTime: '1970-01-01T00:00:01Z' });
});

const asked: unknown[] = [];
const cloud = inMemoryChannel([
  service(DisksDefinition, {
    create: async (request) => (asked.push(request), { id: 'd-1', ...request }),
    attach: async ({ diskId = '', node: to = '' }) => ({ id: diskId, attachedTo: to, device: '/dev/vdb', path: '/disks/d-1', sizeBytes: 2 ** 30 }),
    detach: async () => Promise.reject(new RpcError(Code.NOT_FOUND, 'no such disk')),
    get: async () => ({ sizeBytes: 2 ** 31 }),
    list: async () => ({ disks: [{ id: 'd-1' }, { id: 'd-2', attachedTo: 'n' }, { id: 'd-3' }] }),
  } as Partial<Parameters<typeof service<typeof DisksDefinition>>[1]> as Parameters<typeof service<typeof DisksDefinition>>[1]),
  service(InstancesDefinition, { get: async () => Promise.reject(new RpcError(Code.NOT_FOUND, 'none')) } as Partial<Parameters<typeof service<typeof InstancesDefinition>>[1]> as Parameters<typeof service<typeof InstancesDefinition>>[1]),
  service(OperationsDefinition, { describe: async () => ({ zones: ['a', 'b'], disksPerNode: 7 }) } as Partial<Parameters<typeof service<typeof OperationsDefinition>>[1]> as Parameters<typeof service<typeof OperationsDefinition>>[1]),
]);
const controller = createClient(ControllerDefinition, inMemoryChannel([controllerService(cloud)]));
const mount = { accessType: { $case: 'mount' as const, value: {} }, accessMode: { mode: Mode.SINGLE_NODE_WRITER } };

it('answers as the CSI specification says', async () => {
  await controller.createVolume({ name: 'v', volumeCapabilities: [mount], capacityRange: { requiredBytes: 5 }, accessibilityRequirements: { preferred: [{ segments: { [zoneKey]: 'b' } }] } });
  expect(asked.pop()).toMatchObject({ name: 'v', sizeBytes: 2 ** 30, zone: 'b' });
  const shared = { ...mount, accessMode: { mode: Mode.MULTI_NODE_MULTI_WRITER } };
  await expect(controller.createVolume({ name: 'v', volumeCapabilities: [shared] })).rejects.toMatchObject({ code: Code.INVALID_ARGUMENT, message: expect.stringContaining('MULTI_NODE_MULTI_WRITER') as string });
  await expect(controller.createVolume({ volumeCapabilities: [mount] })).rejects.toMatchObject({ code: Code.INVALID_ARGUMENT, message: 'name is required' });
  await expect(controller.createVolume({ name: 'v', volumeCapabilities: [mount], parameters: { iops: '1' } })).rejects.toMatchObject({ code: Code.INVALID_ARGUMENT });
  await expect(controller.createVolume({ name: 'v', volumeCapabilities: [mount], capacityRange: { limitBytes: 1000, requiredBytes: 1 } })).rejects.toMatchObject({ code: Code.OUT_OF_RANGE });
  expect(await controller.controllerPublishVolume({ volumeId: 'd-1', nodeId: 'n', volumeCapability: mount })).toEqual({ publishContext: { device: '/dev/vdb', source: '/disks/d-1', sizeBytes: String(2 ** 30) } });
  expect(await controller.controllerUnpublishVolume({ volumeId: 'gone', nodeId: 'n' })).toEqual({});
  // It is as large already.
  expect(await controller.controllerExpandVolume({ volumeId: 'd-1', capacityRange: { requiredBytes: 2 ** 30 } })).toMatchObject({ capacityBytes: 2 ** 31, nodeExpansionRequired: true });
  const first = await controller.listVolumes({ maxEntries: 2 });
  const second = await controller.listVolumes({ startingToken: first.nextToken ?? '' });
  expect([...(first.entries ?? []), ...(second.entries ?? [])].map(({ volume, status }) => `${volume?.volumeId} ${status?.publishedNodeIds}`)).toEqual(['d-1 ', 'd-2 n', 'd-3 ']);
  await expect(controller.listVolumes({ startingToken: 'x' })).rejects.toMatchObject({ code: Code.ABORTED });
});

it('mounts a disk on a node, once for the node and once for each pod, and grows it', async () => {
  const mounts = new MemoryMounts();
  const log = createLogger({ now: () => 0, level: 'error', write: () => undefined, fields: {} });
  const services = nodeServices({ nodeName: 'n', cloud, log, mounts, labelledZone: async () => 'b', usage: async () => ({ bytes: 5, inodes: 2 }), content: (folder) => `${folder}/disk` });
  const driver = services.get(sockets.driver);
  const client = createClient(NodeDefinition, inMemoryChannel(driver ? [driver] : []));
  expect(await client.nodeGetInfo({})).toEqual({ nodeId: 'n', maxVolumesPerNode: 7, accessibleTopology: { segments: { [zoneKey]: 'b' } } });
  const target = { volumeId: 'd-1', stagingTargetPath: '/s', targetPath: '/p', volumeCapability: mount };
  await expect(client.nodePublishVolume(target)).rejects.toMatchObject({ code: Code.FAILED_PRECONDITION });
  const staged = { ...target, publishContext: { source: '/disks/d-1', device: '/dev/vdb', sizeBytes: '1000' } };
  for (const _again of [1, 2]) await client.nodeStageVolume(staged);
  await expect(client.nodeStageVolume({ ...staged, publishContext: { source: '/disks/d-2' } })).rejects.toMatchObject({ code: Code.ALREADY_EXISTS });
  await client.nodePublishVolume(target);
  expect(await client.nodeExpandVolume({ volumeId: 'd-1', volumePath: '/p', capacityRange: { requiredBytes: 2000 } })).toEqual({ capacityBytes: 2000 });
  expect([...mounts.list()].map(([at, { source, sizeBytes }]) => `${at} ${source} ${sizeBytes}`)).toEqual(['/s /disks/d-1 2000', '/p /disks/d-1 2000']);
  expect((await client.nodeGetVolumeStats({ volumeId: 'd-1', volumePath: '/p' })).usage?.[0]).toMatchObject({ total: 2000, used: 5, available: 1995 });
  await client.nodeUnpublishVolume(target);
  await client.nodeUnstageVolume(target);
  expect(mounts.list().size).toBe(0);
  await expect(client.nodeGetVolumeStats({ volumeId: 'd-1', volumePath: '/p' })).rejects.toMatchObject({ code: Code.NOT_FOUND });

  const raw = { ...staged, volumeCapability: { ...mount, accessType: { $case: 'block' as const, value: {} } } };
  await client.nodeStageVolume(raw);
  for (const _again of [1, 2]) await client.nodePublishVolume(raw);
  expect(await client.nodeExpandVolume({ volumeId: 'd-1', volumePath: '/p', capacityRange: { requiredBytes: 3000 } })).toEqual({ capacityBytes: 3000 });
  expect([...mounts.list()]).toEqual([['/p', { source: '/disks/d-1/disk', device: '/dev/vdb', sizeBytes: 3000, isDevice: true }]]);
  expect((await client.nodeGetVolumeStats({ volumeId: 'd-1', volumePath: '/p' })).usage).toEqual([{ unit: 1, total: 3000 }]);
  await client.nodeUnpublishVolume(raw);
  expect(mounts.list().size).toBe(0);
});
