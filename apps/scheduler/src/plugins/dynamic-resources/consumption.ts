import type { CapacityRequestPolicy, Device, DeviceCapacity, ResourceClaim } from '@orrery/api/types';
import { type Quantity, addQuantity, compareQuantity, formatQuantity, parseQuantity, zeroQuantity } from '@orrery/apimachinery';
import { deviceId } from './devices.ts';

/** What is consumed of the capacities of a device that several requests may share. */
export type Consumed = ReadonlyMap<string, Quantity>;

/** What all claims consume, by the device's id. */
export type Consumption = ReadonlyMap<string, Consumed>;

/** The least that the policy allows and that is enough. */
function roundedUp(asked: Quantity, { validRange, validValues }: CapacityRequestPolicy): Quantity {
  if (validRange) {
    const min = parseQuantity(validRange.min);
    if (compareQuantity(asked, min) <= 0) return min;
    const step = validRange.step === undefined ? 0n : parseQuantity(validRange.step).nanos;
    if (step <= 0n) return asked;
    return { ...min, nanos: min.nanos + ((asked.nanos - min.nanos + step - 1n) / step) * step };
  }
  return validValues?.map(parseQuantity).find((value) => compareQuantity(value, asked) >= 0) ?? asked;
}

function isAllowed(amount: Quantity, { validRange, validValues }: CapacityRequestPolicy): boolean {
  if (validRange?.max !== undefined && compareQuantity(amount, parseQuantity(validRange.max)) > 0) return false;
  return !validValues?.length || validValues.some((value) => compareQuantity(parseQuantity(value), amount) === 0);
}

/** What a request takes of one capacity; without a word about it the policy's default, or all. Undefined: the policy does not allow it. */
function amountOf({ requestPolicy, value }: DeviceCapacity, asked: string | undefined): Quantity | undefined {
  if (asked === undefined) return parseQuantity(requestPolicy?.default ?? value);
  if (!requestPolicy) return parseQuantity(asked);
  const amount = roundedUp(parseQuantity(asked), requestPolicy);
  return isAllowed(amount, requestPolicy) ? amount : undefined;
}

/** What a request would consume of a device that may be shared, each capacity of it; undefined when the device cannot give that even when nobody else has it. */
export function consumptionOf(device: Device, requests: Readonly<Record<string, string>> = {}): Consumed | undefined {
  const found = new Map<string, Quantity>();
  for (const [name, capacity] of Object.entries(device.capacity ?? {})) {
    const amount = amountOf(capacity, requests[name]);
    if (amount === undefined || compareQuantity(amount, parseQuantity(capacity.value)) > 0) return undefined;
    found.set(name, amount);
  }
  return Object.keys(requests).every((name) => found.has(name)) ? found : undefined;
}

/** Whether a device has room for all of these. */
export function hasRoom(device: Device, all: readonly Consumed[]): boolean {
  return Object.entries(device.capacity ?? {}).every(([name, { value }]) => {
    const sum = all.reduce((so, one) => addQuantity(so, one.get(name) ?? zeroQuantity), zeroQuantity);
    return compareQuantity(sum, parseQuantity(value)) <= 0;
  });
}

export const printed = (consumed: Consumed): Record<string, string> => Object.fromEntries([...consumed].map(([name, amount]) => [name, formatQuantity(amount)]));

/** Adds what a claim consumes of shared devices. */
export function addConsumption(all: Map<string, Map<string, Quantity>>, { status }: Pick<ResourceClaim, 'status'>): void {
  for (const { driver, pool, device, shareID, consumedCapacity = {}, adminAccess } of status?.allocation?.devices?.results ?? []) {
    if (shareID === undefined || adminAccess) continue;
    const id = deviceId(driver, pool, device);
    const of = all.get(id) ?? new Map<string, Quantity>();
    for (const [name, amount] of Object.entries(consumedCapacity)) of.set(name, addQuantity(of.get(name) ?? zeroQuantity, parseQuantity(amount)));
    all.set(id, of);
  }
}
