import { addResources, parseQuantity, quantityOf, quantityValue, formatQuantity, subtractResources } from '@orrery/apimachinery';
import { type KubeletConfig, pairs } from '../config.ts';
import { limits } from '../configuration/settings.ts';
import { type Threshold, limitAmount, parseThresholds } from '../eviction/thresholds.ts';

export function nodeCapacity(config: KubeletConfig, devices: Readonly<Record<string, string>> = {}): Record<string, string> {
  const base = { cpu: config.cpu, memory: config.memory, 'ephemeral-storage': config.ephemeralStorage, pods: String(config.maxPods), 'hugepages-1Gi': '0', 'hugepages-2Mi': '0' };
  return addResources({ ...base, ...pairs(config.extendedResources), ...devices }, {});
}

/** What of the capacity is not for pods, whatever the eviction thresholds. */
export function reservedResources(config: KubeletConfig): Record<string, string> {
  return addResources(pairs(config.systemReserved), pairs(config.kubeReserved));
}

/** The node's eviction thresholds. Throws for settings that mean nothing. */
export function evictionThresholds(config: KubeletConfig): Threshold[] {
  return parseThresholds({ hard: limits(config.evictionHard), soft: limits(config.evictionSoft), softGracePeriods: pairs(config.evictionSoftGracePeriod), minimumReclaims: pairs(config.evictionMinimumReclaim), forPods: config.enforceNodeAllocatable.includes('pods') });
}

const keptBack = { 'memory.available': 'memory', 'nodefs.available': 'ephemeral-storage' } as const;

/** What hard eviction keeps free of memory and disk: pods that used it would be evicted at once. */
function evictionReserve(config: KubeletConfig, capacity: Readonly<Record<string, string>>): Record<string, string> {
  const reserve: Record<string, string> = {};
  for (const { signal, limit, isHard } of evictionThresholds(config)) {
    const resource = isHard && Object.hasOwn(keptBack, signal) ? keptBack[signal as keyof typeof keptBack] : undefined;
    if (resource) reserve[resource] = formatQuantity(quantityOf(limitAmount(limit, quantityValue(parseQuantity(capacity[resource] ?? '0'))), 'BinarySI'));
  }
  return reserve;
}

interface NodeAmounts {
  readonly capacity: Readonly<Record<string, string>>;
  readonly allocatable: Readonly<Record<string, string>>;
}

let latest: (NodeAmounts & { readonly key: string }) | undefined;

/** Capacity of a node and what of it pods may ask for. Thousands of nodes in one process are alike: the latest answer is kept. */
export function nodeAmounts(config: KubeletConfig, devices: Readonly<Record<string, string>>): NodeAmounts {
  const { cpu, memory, ephemeralStorage, maxPods, extendedResources, systemReserved, kubeReserved, evictionHard, evictionSoft, evictionSoftGracePeriod, evictionMinimumReclaim, enforceNodeAllocatable } = config;
  const key = JSON.stringify([cpu, memory, ephemeralStorage, maxPods, extendedResources, systemReserved, kubeReserved, evictionHard, evictionSoft, evictionSoftGracePeriod, evictionMinimumReclaim, enforceNodeAllocatable, devices]);
  if (latest?.key !== key) {
    const capacity = nodeCapacity(config, devices);
    latest = { key, capacity, allocatable: allocatableOf(config, capacity) };
  }
  return latest;
}

/** What of the capacity pods may ask for; never less than nothing. */
export function allocatableOf(config: KubeletConfig, capacity: Readonly<Record<string, string>>): Record<string, string> {
  const left = subtractResources(subtractResources(capacity, reservedResources(config)), evictionReserve(config, capacity));
  return Object.fromEntries(Object.entries(left).map(([name, quantity]) => [name, quantity.startsWith('-') ? '0' : quantity]));
}
