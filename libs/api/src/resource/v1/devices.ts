import type { CounterSet, Device, DeviceAttribute, DeviceCounterConsumption, NodeAllocatableResourceMapping } from '../../../gen/types.ts';
import { checkNodeSelectorTerms } from '../../core/v1/pod-template/scheduling-validation.ts';
import { semanticEqual } from '../../equality.ts';
import type { FieldPath } from '../../validation/field-path.ts';
import { checkItems, checkMap, checkSet } from '../../validation/lists.ts';
import { dns1123Subdomain } from '../../validation/names.ts';
import { compareQuantities } from '../../validation/quantity.ts';
import { checkBindingConditions } from './binding-conditions.ts';
import { checkCapacity } from './capacity.ts';
import { checkLabelName, checkQualifiedName, semanticVersion } from './names.ts';
import { checkTaint } from './taints.ts';

const maxAttributesAndCapacities = 32;
const maxValueBytes = 64;
const maxTaints = 16;
const maxCounters = 32;
const maxConsumed = 2;

function checkText(value: string, at: FieldPath): void {
  if (Buffer.byteLength(value) > maxValueBytes) at.tooLong('', maxValueBytes);
}

function checkVersion(value: string, at: FieldPath): void {
  if (!semanticVersion.test(value)) at.invalid(value, 'must be a string compatible with semver.org spec 2.0.0');
  checkText(value, at);
}

const lists = ['bools', 'ints', 'strings', 'versions'] as const;

function checkAttribute(attribute: DeviceAttribute, at: FieldPath): void {
  const set = (['bool', 'int', 'string', 'version', ...lists] as const).filter((name) => attribute[name] !== undefined);
  if (attribute.string !== undefined) checkText(attribute.string, at.child('string'));
  if (attribute.version !== undefined) checkVersion(attribute.version, at.child('version'));
  for (const name of lists) if (attribute[name]?.length === 0) at.child(name).invalid([], 'must not be empty if specified');
  checkItems(attribute.strings, { at: at.child('strings') }, checkText);
  checkItems(attribute.versions, { at: at.child('versions') }, checkVersion);
  if (set.length !== 1) at.invalid(set.length === 0 ? '' : attribute, 'exactly one value must be specified');
}

/** A set of counters by name, of a slice or as a device takes them. */
function checkCounters(counters: CounterSet['counters'] | undefined, at: FieldPath): void {
  if (Object.keys(counters ?? {}).length === 0) at.required();
  else checkMap(counters, { at, max: maxCounters }, { key: checkLabelName });
}

function checkSetName(name: string | undefined, at: FieldPath): void {
  if (!name) at.required();
  else checkLabelName(name, at);
}

export function checkCounterSet({ name, counters }: CounterSet, at: FieldPath): void {
  checkSetName(name, at.child('name'));
  checkCounters(counters, at.child('counters'));
}

function checkConsumption({ counterSet, counters }: DeviceCounterConsumption, at: FieldPath): void {
  checkSetName(counterSet, at.child('counterSet'));
  checkCounters(counters, at.child('counters'));
}

const mustBeSelected = 'exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is set to true in the ResourceSlice spec';

function checkPlace({ nodeName, nodeSelector, allNodes }: Device, { at, isPerDevice }: { at: FieldPath; isPerDevice: boolean }): void {
  if (!isPerDevice) {
    const isPlaced = nodeName !== undefined || nodeSelector !== undefined || allNodes !== undefined;
    if (isPlaced) at.invalid(null, '`nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in the ResourceSlice spec');
    return;
  }
  if (nodeName === '') at.child('nodeName').invalid('', 'must not be empty');
  else if (nodeName !== undefined) at.child('nodeName').matches(nodeName, dns1123Subdomain);
  if (nodeSelector) checkNodeSelectorTerms(nodeSelector.nodeSelectorTerms, at.child('nodeSelector').child('nodeSelectorTerms'));
  if (allNodes === false) at.child('allNodes').invalid(false, 'must be either unset or set to true');
  const set = [...(nodeName ? ['`nodeName`'] : []), ...(nodeSelector ? ['`nodeSelector`'] : []), ...(allNodes ? ['`allNodes`'] : [])];
  if (set.length === 0) at.required(mustBeSelected);
  else if (set.length > 1) at.invalid(`{${set.join(', ')}}`, mustBeSelected);
}

const isNodeAllocatable = (name: string): boolean => ['cpu', 'memory', 'ephemeral-storage'].includes(name) || name.startsWith('hugepages-');

function checkMapping({ capacityKey, allocationMultiplier }: NodeAllocatableResourceMapping, { at, device }: { at: FieldPath; device: Device }): void {
  if (capacityKey !== undefined) {
    if (capacityKey === '') at.child('capacityKey').invalid('', 'capacityKey must not be an empty string');
    else if (!device.capacity?.[capacityKey]) at.child('capacityKey').notFound(capacityKey);
  }
  if (allocationMultiplier !== undefined && compareQuantities(allocationMultiplier, '0') <= 0) at.child('allocationMultiplier').invalid(allocationMultiplier, 'must be positive');
}

function checkMappings(device: Device, at: FieldPath): void {
  for (const [name, mapping] of Object.entries(device.nodeAllocatableResourceMappings ?? {})) {
    if (!isNodeAllocatable(name)) at.at(name).invalid(name, 'must be a node allocatable resource name');
    checkMapping(mapping, { at: at.at(name), device });
  }
}

/** Capacities and taints that were there before are not judged again. */
export function checkDevice(device: Device, { at, old, isPerDevice }: { at: FieldPath; old: Device | undefined; isPerDevice: boolean }): void {
  checkLabelName(device.name, at.child('name'));
  const total = Object.keys(device.attributes ?? {}).length + Object.keys(device.capacity ?? {}).length;
  if (total > maxAttributesAndCapacities) at.invalid(total, `the total number of attributes and capacities must not exceed ${maxAttributesAndCapacities}`);
  checkMap(device.attributes, { at: at.child('attributes') }, { key: checkQualifiedName, value: checkAttribute });
  if (!old || !semanticEqual(old.capacity, device.capacity)) {
    const isShared = device.allowMultipleAllocations === true;
    checkMap(device.capacity, { at: at.child('capacity') }, { key: checkQualifiedName, value: (capacity, item) => checkCapacity(capacity, { at: item, isShared }) });
  }
  if (!old || !semanticEqual(old.taints, device.taints)) {
    checkItems(device.taints, { at: at.child('taints'), max: maxTaints }, (taint, item) => checkTaint(taint, { at: item }));
  }
  checkSet(device.consumesCounters, { at: at.child('consumesCounters'), max: maxConsumed, key: (one) => one.counterSet }, checkConsumption);
  checkPlace(device, { at, isPerDevice });
  checkBindingConditions(device, at);
  checkMappings(device, at.child('nodeAllocatableResourceMappings'));
}
