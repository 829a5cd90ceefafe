import type { Container, ContainerStatus, Pod } from '../../gen/types.ts';
import { type Quantity, addQuantity, compareQuantity, parseQuantity, zeroQuantity } from '@orrery/apimachinery';

/** Amounts by resource name. */
export type Amounts = Record<string, Quantity>;

export function parseAmounts(list: Readonly<Record<string, string | number>> | undefined): Amounts {
  return Object.fromEntries(Object.entries(list ?? {}).map(([name, value]) => [name, parseQuantity(value)]));
}

export function addAmounts(a: Amounts, b: Amounts): Amounts {
  const out = { ...a };
  for (const [name, value] of Object.entries(b)) out[name] = addQuantity(out[name] ?? zeroQuantity, value);
  return out;
}

export function maxAmounts(a: Amounts, b: Amounts): Amounts {
  const out = { ...a };
  for (const [name, value] of Object.entries(b)) if (!out[name] || compareQuantity(value, out[name]) > 0) out[name] = value;
  return out;
}

type Which = 'requests' | 'limits';

const isSidecar = (container: Container): boolean => container.restartPolicy === 'Always';

function isInfeasible(pod: Pod): boolean {
  return pod.status?.conditions?.some(({ type, reason }) => type === 'PodResizePending' && reason === 'Infeasible') ?? false;
}

/** What a container takes while it is resized: the most of what is asked for, granted and in force; what its node will never grant does not count. */
function resizing(pod: Pod, which: Which): (container: Container) => Amounts {
  const statuses = new Map([...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])].map((status: ContainerStatus) => [status.name, status]));
  const neverGranted = isInfeasible(pod);
  return ({ name, resources }) => {
    const asked = parseAmounts(resources?.[which]);
    const status = statuses.get(name);
    if (!status?.resources) return asked;
    const given = maxAmounts(parseAmounts(status.resources[which]), which === 'requests' ? parseAmounts(status.allocatedResources) : {});
    return neverGranted ? given : maxAmounts(asked, given);
  };
}

/**
 * What a pod takes: its containers and sidecars together, or the largest initialising step if that is more, plus
 * overhead; pod-level amounts count instead where they are set.
 */
export function podAmounts(pod: Pod, which: Which): Amounts {
  const { spec } = pod;
  const of = resizing(pod, which);
  let running = (spec?.containers ?? []).map(of).reduce(addAmounts, {});
  let sidecars: Amounts = {};
  let initialising: Amounts = {};
  for (const container of spec?.initContainers ?? []) {
    if (isSidecar(container)) {
      sidecars = addAmounts(sidecars, of(container));
      initialising = maxAmounts(initialising, sidecars);
    } else initialising = maxAmounts(initialising, addAmounts(of(container), sidecars));
  }
  running = maxAmounts(addAmounts(running, sidecars), initialising);
  const whole = { ...running, ...parseAmounts(spec?.resources?.[which]) };
  const overhead = parseAmounts(spec?.overhead);
  if (which === 'requests') return addAmounts(whole, overhead);
  return addAmounts(whole, Object.fromEntries(Object.entries(overhead).filter(([name]) => whole[name])));
}
