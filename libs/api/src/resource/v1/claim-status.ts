import type { FieldError } from '@orrery/errors';
import type { AllocatedDeviceStatus, AllocationResult, DeviceRequestAllocationResult, NetworkDeviceData, ResourceClaim, ResourceClaimConsumerReference } from '../../../gen/types.ts';
import { checkNodeSelectorTerms } from '../../core/v1/pod-template/scheduling-validation.ts';
import { semanticEqual } from '../../equality.ts';
import { checkConditions } from '../../validation/conditions.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { checkImmutable } from '../../validation/fields.ts';
import { checkItems, checkSet } from '../../validation/lists.ts';
import { checkBindingConditions } from './binding-conditions.ts';
import { checkRequestReference, checkRequestReferences, requestNames } from './claims.ts';
import { checkConfiguration } from './configuration.ts';
import { interfaceAddress } from './interface-address.ts';
import { checkDriverName, checkLabelName, checkPoolName, checkRawObject, checkUid } from './names.ts';
import { checkDeviceTolerations } from './taints.ts';

const maxConsumers = 256;
const maxResults = 32;
const maxConditions = 8;
const maxDataBytes = 10 * 1024;
const maxAddresses = 16;

interface DeviceId {
  readonly driver: string;
  readonly pool: string;
  readonly device: string;
  readonly shareID?: string;
}

const idOf = ({ driver, pool, device, shareID }: DeviceId): string => [driver, pool, device, ...(shareID === undefined ? [] : [shareID])].join('/');
const allocatedIn = (claim: ResourceClaim): Set<string> => new Set((claim.status?.allocation?.devices?.results ?? []).map(idOf));

/** What is reported on devices that the claim has given up goes with them. */
export function dropDeallocated(claim: ResourceClaim, old: ResourceClaim): void {
  const { status } = claim;
  if (!status?.devices) return;
  const now = allocatedIn(claim);
  const before = allocatedIn(old);
  const { devices, ...rest } = status;
  const kept = devices.filter((device) => now.has(idOf(device)) || !before.has(idOf(device)));
  claim.status = kept.length > 0 ? { ...rest, devices: kept } : rest;
}

function checkConsumer({ resource, name, uid }: ResourceClaimConsumerReference, at: FieldPath): void {
  if (!resource) at.child('resource').required();
  if (!name) at.child('name').required();
  if (!uid) at.child('uid').required();
}

function checkNetworkData({ interfaceName = '', hardwareAddress = '', ips }: NetworkDeviceData, at: FieldPath): void {
  if (Buffer.byteLength(interfaceName) > 256) at.child('interfaceName').tooLong('', 256);
  if (Buffer.byteLength(hardwareAddress) > 128) at.child('hardwareAddress').tooLong('', 128);
  checkSet(ips, { at: at.child('ips'), max: maxAddresses, key: (ip) => ip }, (ip, item) => item.matches(ip, interfaceAddress));
}

function checkDevice(device: AllocatedDeviceStatus, { at, allocated }: { at: FieldPath; allocated: ReadonlySet<string> }): void {
  checkDriverName(device.driver, at.child('driver'));
  checkPoolName(device.pool, at.child('pool'));
  checkLabelName(device.device, at.child('device'));
  if (device.shareID !== undefined) checkUid(device.shareID, at.child('shareID'));
  if (!allocated.has(idOf(device))) at.invalid(idOf(device), 'must be an allocated device in the claim');
  const conditions = at.child('conditions');
  if ((device.conditions ?? []).length > maxConditions) conditions.tooMany((device.conditions ?? []).length, maxConditions);
  checkConditions(device.conditions, conditions);
  if (device.data !== undefined) checkRawObject(device.data, { at: at.child('data'), maxBytes: maxDataBytes });
  if (device.networkData) checkNetworkData(device.networkData, at.child('networkData'));
}

function checkResult(result: DeviceRequestAllocationResult, { at, names }: { at: FieldPath; names: ReadonlySet<string> }): void {
  checkRequestReference(result.request ?? '', { at: at.child('request'), names });
  checkDriverName(result.driver, at.child('driver'));
  checkPoolName(result.pool, at.child('pool'));
  checkLabelName(result.device, at.child('device'));
  checkBindingConditions(result, at);
  checkDeviceTolerations(result.tolerations, at.child('tolerations'));
  if (result.shareID !== undefined) checkUid(result.shareID, at.child('shareID'));
}

function checkAllocation({ devices, nodeSelector }: AllocationResult, { at, names }: { at: FieldPath; names: ReadonlySet<string> }): void {
  const path = at.child('devices');
  checkItems(devices?.results, { at: path.child('results'), max: maxResults }, (result, item) => checkResult(result, { at: item, names }));
  checkItems(devices?.config, { at: path.child('config'), max: 2 * maxResults }, (config, item) => {
    item.child('source').requiredOneOf(config.source, ['FromClaim', 'FromClass']);
    checkRequestReferences(config.requests, { at: item.child('requests'), names });
    checkConfiguration(config, { at: item });
  });
  if (nodeSelector) checkNodeSelectorTerms(nodeSelector.nodeSelectorTerms, at.child('nodeSelector').child('nodeSelectorTerms'));
}

function checkReservations({ metadata, status }: ResourceClaim, { at, old }: { at: FieldPath; old: ResourceClaim }): void {
  const consumers = status?.reservedFor ?? [];
  if (consumers.length === 0) return;
  if (!status?.allocation) return at.forbidden('may not be specified when `allocated` is not set');
  if (!metadata?.deletionTimestamp) return;
  const isNew = consumers.some((consumer) => !(old.status?.reservedFor ?? []).some((before) => semanticEqual(before, consumer)));
  if (isNew) at.forbidden('new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set');
}

/** An allocation is taken as it is or given up, never changed. */
export function validateClaimStatus(claim: ResourceClaim, old: ResourceClaim): FieldError[] {
  return findProblems((root) => {
    const at = root.child('status');
    const { reservedFor, allocation, devices } = claim.status ?? {};
    checkSet(reservedFor, { at: at.child('reservedFor'), max: maxConsumers, key: ({ uid }) => uid }, checkConsumer);
    const allocated = allocatedIn(claim);
    checkSet(devices, { at: at.child('devices'), key: idOf }, (device, item) => checkDevice(device, { at: item, allocated }));
    checkReservations(claim, { at: at.child('reservedFor'), old });
    const before = old.status?.allocation;
    if (allocation && before) checkImmutable({ value: allocation, old: before }, at.child('allocation'));
    else if (allocation) checkAllocation(allocation, { at: at.child('allocation'), names: requestNames(claim.spec) });
  });
}
