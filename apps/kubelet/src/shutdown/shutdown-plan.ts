import { parseGoDuration } from '@orrery/runtime';
import { type KubeletConfig, pairs } from '../config.ts';
import { systemCritical } from '../pods/pod-spec.ts';

/** How long pods of this priority and above (up to that of the next group) get to end. */
export interface ShutdownGroup {
  readonly priority: number;
  readonly graceSeconds: number;
}

/** The groups in which pods end, the first to end first; empty when the kubelet does not end them. */
export function shutdownGroups(config: Pick<KubeletConfig, 'shutdownGracePeriod' | 'shutdownGracePeriodCriticalPods' | 'shutdownGracePeriodByPodPriority'>): ShutdownGroup[] {
  const given = Object.entries(pairs(config.shutdownGracePeriodByPodPriority)).map(([priority, seconds]) => ({ priority: Number(priority), graceSeconds: Number(seconds) }));
  if (given.length) return given.sort((a, b) => a.priority - b.priority);
  const seconds = (text: string): number => parseGoDuration(text) / 1000;
  const [all, critical] = [seconds(config.shutdownGracePeriod), seconds(config.shutdownGracePeriodCriticalPods)];
  if (all <= 0) return [];
  return [
    { priority: 0, graceSeconds: all - critical },
    { priority: systemCritical, graceSeconds: critical },
  ];
}

/** Puts each into the highest group whose priority it has; what is below all belongs to the lowest. */
export function groupByPriority<T>(groups: readonly ShutdownGroup[], pods: readonly T[], priorityOf: (pod: T) => number): { group: ShutdownGroup; pods: T[] }[] {
  const sorted = groups.map((group) => ({ group, pods: [] as T[] }));
  for (const pod of pods) {
    const priority = priorityOf(pod);
    const home = sorted.findLast(({ group }) => group.priority <= priority) ?? sorted[0];
    home?.pods.push(pod);
  }
  return sorted;
}
