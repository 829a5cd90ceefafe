import { expect, it } from 'vitest';
import type { KindDescriptor } from '../../kind.ts';
import { context, created, made, problems, updateProblems } from '../../testing/kind-cases.ts';
import { csiDriverKind } from './csi-driver.ts';
import { csiNodeKind } from './csi-node.ts';
import { csiStorageCapacityKind } from './csi-storage-capacity.ts';
import { storageClassKind } from './storage-class.ts';
import { volumeAttachmentKind } from './volume-attachment.ts';
import { volumeAttributesClassKind } from './volume-attributes-class.ts';

const storage = { provisioner: 'a.io/b' };
const topology = (...expressions: object[]): object => ({ matchLabelExpressions: expressions });
const driver = { name: 'a.io', nodeID: 'n' };
const drivers = (...list: object[]): object => ({ spec: { drivers: list } });
const attachment = { attacher: 'a.io', nodeName: 'n', source: { persistentVolumeName: 'v' } };
const long = 'x'.repeat(257);

it.each<[string, KindDescriptor, object, string[]]>([
  ['a class', storageClassKind, { ...storage, allowedTopologies: [topology({ key: 'zone', values: ['a', 'b'] })] }, []],
  ['no provisioner', storageClassKind, {}, ['provisioner: Required value']],
  ['a strange binding', storageClassKind, { ...storage, volumeBindingMode: 'Later' }, ['volumeBindingMode: Unsupported value: "Later": supported values: "Immediate", "WaitForFirstConsumer"']],
  ['a strange policy', storageClassKind, { ...storage, reclaimPolicy: 'Recycle' }, ['reclaimPolicy: Unsupported value: "Recycle": supported values: "Delete", "Retain"']],
  ['a nameless parameter', storageClassKind, { ...storage, parameters: { '': 'a' } }, ['parameters: Invalid value: "": field can not be empty.']],
  ['too many parameters', storageClassKind, { ...storage, parameters: Object.fromEntries(Array.from({ length: 513 }, (_, i) => [String(i), ''])) }, ['parameters: Too long: may not be more than 512 bytes']],
  ['zones twice', storageClassKind, { ...storage, allowedTopologies: [topology({ key: 'zone', values: ['a', 'a'] }, { key: 'zone', values: [] })] }, [
    'allowedTopologies[0].matchLabelExpressions[0].values[1]: Duplicate value: "a"', 'allowedTopologies[0].matchLabelExpressions[1].values: Required value', 'allowedTopologies[0].matchLabelExpressions[1].key: Duplicate value: "zone"',
  ]],
  ['terms alike', storageClassKind, { ...storage, allowedTopologies: [topology({ key: 'zone', values: ['a', 'b'] }), topology({ key: 'zone', values: ['b', 'a'] })] }, ['allowedTopologies[1].matchLabelExpressions: Duplicate value: ""']],
  ['a driver', csiDriverKind, { spec: { tokenRequests: [{ audience: 'a' }, { audience: 'b', expirationSeconds: 600 }] } }, []],
  ['short tokens', csiDriverKind, { spec: { tokenRequests: [{ audience: 'a', expirationSeconds: 599 }] } }, ['spec.tokenRequests[0].expirationSeconds: Invalid value: 599: may not specify a duration less than 10 minutes']],
  ['an audience twice', csiDriverKind, { spec: { tokenRequests: [{ audience: 'a' }, { audience: 'a', expirationSeconds: 1 }] } }, ['spec.tokenRequests[1].audience: Duplicate value: "a"']],
  ['a strange life', csiDriverKind, { spec: { volumeLifecycleModes: ['Eternal'] } }, ['spec.volumeLifecycleModes: Unsupported value: "Eternal": supported values: "Persistent", "Ephemeral"']],
  ['a strange group', csiDriverKind, { spec: { fsGroupPolicy: 'All' } }, ['spec.fsGroupPolicy: Unsupported value: "All": supported values: "File", "None", "ReadWriteOnceWithFSType"']],
  ['a hasty driver', csiDriverKind, { spec: { nodeAllocatableUpdatePeriodSeconds: 9 } }, ['spec.nodeAllocatableUpdatePeriodSeconds: Invalid value: 9: must be greater than or equal to 10 seconds']],
  ['a node', csiNodeKind, drivers({ ...driver, topologyKeys: ['a', 'b'] }), []],
  ['a driver twice', csiNodeKind, drivers(driver, driver), ['spec.drivers[1].name: Duplicate value: "a.io"']],
  ['a bad driver', csiNodeKind, drivers({ name: '', nodeID: long, allocatable: { count: -1 }, topologyKeys: ['a', 'a'] }), [
    'spec.drivers[0].name: Required value', `spec.drivers[0].nodeID: Invalid value: "${long}": must be 256 characters or less`, 'spec.drivers[0].allocatable.count: Invalid value: -1: must be greater than or equal to 0', 'spec.drivers[0]: Duplicate value: "a"',
  ]],
  ['a capacity', csiStorageCapacityKind, { storageClassName: 'a', capacity: '-1' }, ['capacity: Invalid value: "-1": must be greater than or equal to 0']],
  ['attributes', volumeAttributesClassKind, { driverName: 'a.io' }, ['parameters: Required value: must contain at least one key/value pair']],
  ['an attachment', volumeAttachmentKind, { spec: attachment }, []],
  ['an attachment of nobody', volumeAttachmentKind, { spec: { ...attachment, attacher: '' } }, ['spec.attacher: Required value', 'spec.attacher: Required value']],
  ['an attachment of two', volumeAttachmentKind, { spec: { ...attachment, source: { persistentVolumeName: 'v', inlineVolumeSpec: {} } } }, ['spec.source: Forbidden: must specify exactly one of inlineVolumeSpec and persistentVolumeName']],
])('%s', (_, kind, object, expected) => expect(problems(kind, object)).toEqual(expected));

it.each<[string, KindDescriptor, object, object, string[]]>([
  ['a class', storageClassKind, storage, { provisioner: 'c.io/d', parameters: { a: 'b' }, reclaimPolicy: 'Retain', volumeBindingMode: 'WaitForFirstConsumer' }, [
    'parameters: Forbidden: updates to parameters are forbidden.', 'provisioner: Forbidden: updates to provisioner are forbidden.', 'reclaimPolicy: Forbidden: updates to reclaimPolicy are forbidden.',
    'volumeBindingMode: Invalid value: "WaitForFirstConsumer": field is immutable',
  ]],
  ['a driver', csiDriverKind, { spec: {} }, { spec: { attachRequired: false, podInfoOnMount: true } }, ['spec.attachedRequired: Invalid value: false: field is immutable']],
  ['a node that takes more', csiNodeKind, drivers({ ...driver, allocatable: { count: 1 } }), drivers({ ...driver, allocatable: { count: 2 } }), []],
  ['a node that is another', csiNodeKind, drivers(driver), drivers({ ...driver, nodeID: 'm' }), ['spec.drivers: Invalid value: {"name":"a.io","nodeID":"m"}: field is immutable']],
  ['attributes', volumeAttributesClassKind, { driverName: 'a.io', parameters: { a: 'b' } }, { driverName: 'a.io', parameters: { a: 'c' } }, ['parameters: Forbidden: updates to parameters are forbidden.']],
  ['a capacity', csiStorageCapacityKind, { storageClassName: 'a' }, { storageClassName: 'b', nodeTopology: { matchLabels: { a: 'b' } } }, [
    'nodeTopology: Invalid value: {"matchLabels":{"a":"b"}}: field is immutable', 'storageClassName: Invalid value: "b": field is immutable',
  ]],
])('update of %s', (_, kind, old, next, expected) => expect(updateProblems(kind, { old, next })).toEqual(expected));

it('warns of old names of zones', () => {
  const object = made(storageClassKind, { ...storage, allowedTopologies: [topology({ key: 'failure-domain.beta.kubernetes.io/zone', values: ['a'] })] });
  expect(storageClassKind.warnings(object, undefined)).toEqual(['allowedTopologies[0].matchLabelExpressions[0].key: deprecated since v1.17; use "topology.kubernetes.io/zone" instead']);
});

it('a driver counts its changes from none', () => {
  const old = created(csiDriverKind, { spec: {} });
  const next = made(csiDriverKind, { spec: { podInfoOnMount: true } });
  csiDriverKind.prepareForUpdate(next, old, context);
  expect([old.metadata?.generation, next.metadata?.generation]).toEqual([undefined, 1]);
});

it('errors of attachments are short', () => {
  const old = created(volumeAttachmentKind, { spec: attachment });
  const status = { attached: false, attachError: { message: 'x'.repeat(1025), errorCode: -1 } };
  const lines = volumeAttachmentKind.validateStatusUpdate({ ...old, status }, old).map(({ field, message }) => `${field}: ${message}`);
  expect(lines).toEqual(['status.attachError.message: Too long: may not be more than 262144 bytes', 'status.attachError.errorCode: Invalid value: -1: must be between 0 and 2147483647, inclusive']);
});
