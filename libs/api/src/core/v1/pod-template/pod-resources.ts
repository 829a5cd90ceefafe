import { addResources, formatQuantity, maxResources, parseQuantity } from '@orrery/apimachinery';
import type { Container, PodSpec, ResourceRequirements } from '../../../../gen/types.ts';

type Amounts = Record<string, string>;

const milli = 1_000_000n;

/** Amounts finer than a thousandth are rounded up, as they always were. */
export function roundToMilli(amounts: Amounts | undefined): void {
  for (const name in amounts) {
    const quantity = parseQuantity(amounts[name] ?? '0');
    const rest = quantity.nanos % milli;
    if (rest !== 0n) amounts[name] = formatQuantity({ ...quantity, nanos: quantity.nanos - rest + (rest > 0n ? milli : 0n) });
  }
}

const isSidecar = (container: Container): boolean => container.restartPolicy === 'Always';
const isHugePages = (name: string): boolean => name.startsWith('hugepages-');
const isPodLevel = (name: string): boolean => name === 'cpu' || name === 'memory' || isHugePages(name);

const sum = (containers: readonly Container[], which: 'requests' | 'limits'): Amounts =>
  containers.reduce<Amounts>((total, { resources }) => addResources(total, resources?.[which] ?? {}), {});

/**
 * What the containers need together: all that run at once, or more when an init container, beside the sidecars that
 * were started before it, needs more.
 */
export function aggregate(spec: PodSpec, which: 'requests' | 'limits'): Amounts {
  const init = spec.initContainers ?? [];
  let most = addResources(sum(spec.containers ?? [], which), sum(init.filter(isSidecar), which));
  for (const [i, container] of init.entries()) {
    if (isSidecar(container)) continue;
    const before = init.slice(0, i).filter(isSidecar);
    most = maxResources(most, sum([...before, container], which));
  }
  return most;
}

const only = (amounts: Amounts, keep: (name: string) => boolean): Amounts => Object.fromEntries(Object.entries(amounts).filter(([name]) => keep(name)));

function merge(resources: ResourceRequirements, { which, defaults }: { which: 'requests' | 'limits'; defaults: Amounts }): void {
  const merged = { ...defaults, ...resources[which] };
  if (Object.keys(merged).length > 0) resources[which] = merged;
}

/** A pod that states some of its own resources gets the rest from its containers, requests also from its limits. */
export function defaultPodResources(spec: PodSpec): void {
  const { resources } = spec;
  const has = (which: 'requests' | 'limits'): boolean => Object.keys(resources?.[which] ?? {}).length > 0;
  if (!resources || (!has('limits') && !has('requests'))) return;
  const limits = aggregate(spec, 'limits');
  merge(resources, { which: 'limits', defaults: only(limits, (name) => isHugePages(name) && resources.requests?.[name] === undefined) });
  if (has('limits')) {
    const requests = only(aggregate(spec, 'requests'), (name) => isPodLevel(name) && !isHugePages(name));
    merge(resources, { which: 'requests', defaults: { ...only(resources.limits ?? {}, isPodLevel), ...requests } });
    return;
  }
  const everywhere = (name: string): boolean => [...(spec.containers ?? []), ...(spec.initContainers ?? [])].every((container) => container.resources?.limits?.[name] !== undefined);
  merge(resources, { which: 'limits', defaults: only(limits, (name) => isPodLevel(name) && !isHugePages(name) && everywhere(name)) });
}
