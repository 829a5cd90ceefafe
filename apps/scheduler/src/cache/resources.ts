import type { Container, Pod } from '@orrery/api/types';
import { parseQuantity, quantityMilliValue, quantityValue } from '@orrery/apimachinery';

/** Amounts in the scheduler's units: milli-cores, bytes, and whole numbers of everything else. */
export interface Resources {
  milliCpu: number;
  memory: number;
  ephemeralStorage: number;
  /** Extended resources and hugepages; undefined when there are none, the usual case. */
  scalar: Map<string, number> | undefined;
}

type QuantityList = Readonly<Record<string, string>> | undefined;

/** Requests assumed for scoring when a container names none: 0.1 core and 200 MiB, as upstream. */
export const defaultMilliCpu = 100;
export const defaultMemory = 200 * 1024 * 1024;

const milliOf = (quantity: string): number => quantityMilliValue(parseQuantity(quantity));
/** A quantity as a whole number, rounded up. */
export const wholeOf = (quantity: string): number => quantityValue(parseQuantity(quantity));

export function emptyResources(): Resources {
  return { milliCpu: 0, memory: 0, ephemeralStorage: 0, scalar: undefined };
}

export function toResources(list: QuantityList): Resources {
  const out = emptyResources();
  if (!list) return out;
  for (const [name, quantity] of Object.entries(list)) {
    if (name === 'cpu') out.milliCpu = milliOf(quantity);
    else if (name === 'memory') out.memory = wholeOf(quantity);
    else if (name === 'ephemeral-storage') out.ephemeralStorage = wholeOf(quantity);
    else if (name !== 'pods') (out.scalar ??= new Map()).set(name, wholeOf(quantity));
  }
  return out;
}

/** target += sign * amount */
export function addResources(target: Resources, amount: Resources, sign: 1 | -1 = 1): void {
  target.milliCpu += sign * amount.milliCpu;
  target.memory += sign * amount.memory;
  target.ephemeralStorage += sign * amount.ephemeralStorage;
  if (!amount.scalar) return;
  const scalar = (target.scalar ??= new Map());
  for (const [name, value] of amount.scalar) scalar.set(name, (scalar.get(name) ?? 0) + sign * value);
}

function takeMax(target: Resources, other: Resources): void {
  target.milliCpu = Math.max(target.milliCpu, other.milliCpu);
  target.memory = Math.max(target.memory, other.memory);
  target.ephemeralStorage = Math.max(target.ephemeralStorage, other.ephemeralStorage);
  if (!other.scalar) return;
  const scalar = (target.scalar ??= new Map());
  for (const [name, value] of other.scalar) scalar.set(name, Math.max(scalar.get(name) ?? 0, value));
}

function containerRequests(container: Container, withDefaults: boolean): Resources {
  const out = toResources(container.resources?.requests);
  if (withDefaults && container.resources?.requests?.['cpu'] === undefined) out.milliCpu = defaultMilliCpu;
  if (withDefaults && container.resources?.requests?.['memory'] === undefined) out.memory = defaultMemory;
  return out;
}

function countInitContainers(total: Resources, initContainers: readonly Container[], of: (container: Container) => Resources): void {
  const sidecars = emptyResources();
  const initPeak = emptyResources();
  for (const container of initContainers) {
    const own = of(container);
    if (container.restartPolicy === 'Always') {
      addResources(sidecars, own);
      addResources(total, own);
      takeMax(initPeak, sidecars);
    } else {
      addResources(own, sidecars);
      takeMax(initPeak, own);
    }
  }
  takeMax(total, initPeak);
}

/**
 * What a pod asks of a node: the larger of all containers with all sidecars, and of each init container with the
 * sidecars started before it; pod-level requests replace the sum; overhead comes on top. `withDefaults` gives the
 * non-zero form that scoring uses.
 */
export function podRequests(pod: Pod, withDefaults = false): Resources {
  const spec = pod.spec;
  const total = emptyResources();
  for (const container of spec?.containers ?? []) addResources(total, containerRequests(container, withDefaults));
  if (spec?.initContainers?.length) countInitContainers(total, spec.initContainers, (container) => containerRequests(container, withDefaults));
  const podLevel = spec?.resources?.requests;
  if (podLevel?.['cpu'] !== undefined) total.milliCpu = milliOf(podLevel['cpu']);
  if (podLevel?.['memory'] !== undefined) total.memory = wholeOf(podLevel['memory']);
  if (spec?.overhead) addResources(total, toResources(spec.overhead));
  return total;
}

/** What a pod may use at most, summed up as its requests are; overhead counts where there is a limit. */
export function podLimits({ spec }: Pod): Resources {
  const total = emptyResources();
  const of = (container: Container): Resources => toResources(container.resources?.limits);
  for (const container of spec?.containers ?? []) addResources(total, of(container));
  countInitContainers(total, spec?.initContainers ?? [], of);
  const podLevel = spec?.resources?.limits;
  if (podLevel?.['cpu'] !== undefined) total.milliCpu = milliOf(podLevel['cpu']);
  if (podLevel?.['memory'] !== undefined) total.memory = wholeOf(podLevel['memory']);
  const overhead = toResources(spec?.overhead);
  if (total.milliCpu) total.milliCpu += overhead.milliCpu;
  if (total.memory) total.memory += overhead.memory;
  if (total.ephemeralStorage) total.ephemeralStorage += overhead.ephemeralStorage;
  return total;
}
