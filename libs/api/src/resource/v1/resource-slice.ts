import type { ResourceSlice, ResourceSliceSpec } from '../../../gen/types.ts';
import { checkNodeSelectorTerms } from '../../core/v1/pod-template/scheduling-validation.ts';
import { defineKind } from '../../define-kind.ts';
import { ageColumn, nameColumn, text } from '../../printing/columns.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { checkImmutable } from '../../validation/fields.ts';
import { checkSet } from '../../validation/lists.ts';
import { dns1123Subdomain } from '../../validation/names.ts';
import { checkCounterSet, checkDevice } from './devices.ts';
import { checkDriverName, checkPoolName } from './names.ts';
import { stampTaint } from './taints.ts';

const maxDevices = 128;
/** Where taints, counters or lists of values make devices bigger. */
const maxBigDevices = 64;
const maxCounterSets = 8;

const choices = 'exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required';

function checkPlace({ nodeName, nodeSelector, allNodes, perDeviceNodeSelection }: Partial<ResourceSliceSpec>, at: FieldPath): void {
  if (nodeName === '') at.child('nodeName').invalid('', 'must be either unset or set to a non-empty string');
  else if (nodeName !== undefined) at.child('nodeName').matches(nodeName, dns1123Subdomain);
  if (nodeSelector) {
    const path = at.child('nodeSelector').child('nodeSelectorTerms');
    checkNodeSelectorTerms(nodeSelector.nodeSelectorTerms, path);
    if ((nodeSelector.nodeSelectorTerms ?? []).length !== 1) path.invalid(nodeSelector.nodeSelectorTerms ?? null, 'must have exactly one node selector term');
  }
  for (const [name, value] of Object.entries({ allNodes, perDeviceNodeSelection })) if (value === false) at.child(name).invalid(false, 'must be either unset or set to true');
  const set = Object.entries({ nodeName, nodeSelector, allNodes, perDeviceNodeSelection }).flatMap(([name, value]) => (value ? [`\`${name}\``] : []));
  if (set.length === 0) at.required(choices);
  else if (set.length > 1) at.invalid(`{${set.join(', ')}}`, `${choices}, but multiple fields are set`);
}

function isBig({ devices = [] }: Partial<ResourceSliceSpec>): boolean {
  return devices.some(({ taints, consumesCounters, attributes }) => {
    const hasLists = Object.values(attributes ?? {}).some(({ bools, ints, strings, versions }) => bools ?? ints ?? strings ?? versions);
    return (taints ?? []).length > 0 || (consumesCounters ?? []).length > 0 || hasLists;
  });
}

function checkSpec({ spec }: ResourceSlice, { at, old }: { at: FieldPath; old?: ResourceSliceSpec | undefined }): void {
  checkDriverName(spec?.driver, at.child('driver'));
  const pool = at.child('pool');
  checkPoolName(spec?.pool?.name, pool.child('name'));
  const { resourceSliceCount: count = 0, generation = 0 } = spec?.pool ?? {};
  if (count <= 0) pool.child('resourceSliceCount').invalid(count, 'must be greater than zero');
  if (generation < 0) pool.child('generation').invalid(generation, 'must be greater than or equal to zero');
  if (old) {
    checkImmutable({ value: spec?.pool?.name, old: old.pool?.name }, pool.child('name'));
    checkImmutable({ value: spec?.driver, old: old.driver }, at.child('driver'));
    checkImmutable({ value: spec?.nodeName, old: old.nodeName }, at.child('nodeName'));
  }
  checkPlace(spec ?? {}, at);
  if (spec?.sharedCounters !== undefined && spec.devices !== undefined) at.invalid('', 'only one of `sharedCounters` or `devices` is allowed');
  const before = new Map((old?.devices ?? []).map((device) => [device.name, device]));
  const isPerDevice = spec?.perDeviceNodeSelection === true;
  checkSet(spec?.devices, { at: at.child('devices'), max: isBig(spec ?? {}) ? maxBigDevices : maxDevices, key: ({ name }) => name }, (device, item) =>
    checkDevice(device, { at: item, old: before.get(device.name), isPerDevice }));
  checkSet(spec?.sharedCounters, { at: at.child('sharedCounters'), max: maxCounterSets, key: ({ name }) => name }, checkCounterSet);
}

function stampTaints({ spec }: ResourceSlice, nowMs: number): void {
  for (const device of spec?.devices ?? []) for (const taint of device.taints ?? []) stampTaint(taint, nowMs);
}

export const resourceSliceKind = defineKind<ResourceSlice>({
  group: 'resource.k8s.io',
  version: 'v1',
  kind: 'ResourceSlice',
  resource: 'resourceslices',
  namespaced: false,
  generation: 'spec',
  onCreate: (slice, { nowMs }) => stampTaints(slice, nowMs),
  onUpdate: (slice, _old, { nowMs }) => stampTaints(slice, nowMs),
  validate: (slice) => findProblems((root) => checkSpec(slice, { at: root.child('spec') })),
  validateUpdate: (slice, old) => findProblems((root) => checkSpec(slice, { at: root.child('spec'), old: old.spec })),
  selectableFields: ['spec.nodeName', 'spec.driver'],
  selectable: ({ spec }) => ({ 'spec.nodeName': spec?.nodeName ?? '', 'spec.driver': spec?.driver ?? '' }),
  columns: [
    nameColumn,
    text('Node', ({ spec }) => spec?.nodeName || '<unset>'),
    text('Driver', ({ spec }) => spec?.driver ?? ''),
    text('Pool', ({ spec }) => spec?.pool?.name ?? ''),
    ageColumn,
  ],
});
