import type { Pod } from '@orrery/api/types';
import { type Amounts, podRequests } from './pod-resources.ts';
import { isCritical } from './pod-spec.ts';
import { qosClass } from '../status/qos-class.ts';

/** A pod that runs on the node, and what it asks for. */
interface Victim {
  readonly pod: Pod;
  readonly requests: Amounts;
}

/** May one pod's admission cost the other its place? */
function isPreemptable(by: Pod, pod: Pod): boolean {
  if (isCritical(by) && !isCritical(pod)) return true;
  const [own, other] = [by.spec?.priority, pod.spec?.priority];
  return own !== undefined && other !== undefined && own > other;
}

/** What is still missing once these pods are gone; `pods` counts each of them as one. */
function without(missing: Amounts, victims: readonly Victim[]): Amounts {
  const left = new Map(missing);
  for (const [name, amount] of missing) {
    const freed = victims.reduce((sum, { requests }) => sum + (name === 'pods' ? 1 : (requests.get(name) ?? 0)), 0);
    if (freed >= amount) left.delete(name);
    else left.set(name, amount - freed);
  }
  return left;
}

/** How far a pod's requests are from what is missing: 0 when it covers all of it. */
function distance({ requests }: Victim, missing: Amounts): number {
  let sum = 0;
  for (const [name, amount] of missing) {
    const share = (amount - (name === 'pods' ? 1 : (requests.get(name) ?? 0))) / amount;
    if (share > 0) sum += share * share;
  }
  return sum;
}

/** Of two pods that free as much, the one that asks for less goes. */
function isSmaller(a: Victim, b: Victim): boolean {
  for (const name of ['memory', 'cpu']) {
    const [one, other] = [a.requests.get(name) ?? 0, b.requests.get(name) ?? 0];
    if (one !== other) return one < other;
  }
  return false;
}

/** As few pods as free what is missing, closest fit first. */
function closest(victims: readonly Victim[], missing: Amounts): Victim[] {
  const left = [...victims];
  const chosen: Victim[] = [];
  for (let still = missing; still.size > 0 && left.length > 0; ) {
    let best = 0;
    for (let i = 1; i < left.length; i++) {
      const [one, other] = [distance(left[i] as Victim, still), distance(left[best] as Victim, still)];
      if (one < other || (one === other && isSmaller(left[i] as Victim, left[best] as Victim))) best = i;
    }
    const [victim] = left.splice(best, 1) as [Victim];
    chosen.push(victim);
    still = without(still, [victim]);
  }
  return chosen;
}

/**
 * The pods to end so that a critical one fits, as upstream's preemption on admission chooses them: guaranteed pods only for what
 * ending all others does not free, burstable ones likewise. Undefined: not even all of them free enough.
 */
export function podsToPreempt(preemptor: Pod, running: readonly Pod[], missing: Amounts): Pod[] | undefined {
  const groups: Record<string, Victim[]> = { BestEffort: [], Burstable: [], Guaranteed: [] };
  for (const pod of running) if (isPreemptable(preemptor, pod)) groups[qosClass(pod)]?.push({ pod, requests: podRequests(pod) });
  const { BestEffort: bestEffort = [], Burstable: burstable = [], Guaranteed: guaranteed = [] } = groups;
  if (without(missing, [...bestEffort, ...burstable, ...guaranteed]).size > 0) return undefined;
  const first = closest(guaranteed, without(missing, [...bestEffort, ...burstable]));
  const second = closest(burstable, without(missing, [...bestEffort, ...first]));
  const third = closest(bestEffort, without(missing, [...second, ...first]));
  return [...third, ...second, ...first].map(({ pod }) => pod);
}
