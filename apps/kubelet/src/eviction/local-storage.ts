import { compareQuantity, formatQuantity, parseQuantity, quantityOf, zeroQuantity } from '@orrery/apimachinery';
import { mainContainers, sidecars } from '../pods/pod-spec.ts';
import type { Candidate } from './ranking.ts';

/** What a pod holds in its emptyDir volumes, by volume. */
export type VolumeBytes = ReadonlyMap<string, number>;

export interface Excess {
  /** As the metric kubelet_evictions names it. */
  readonly signal: 'emptydirfs.limit' | 'ephemeralpodfs.limit' | 'ephemeralcontainerfs.limit';
  readonly message: string;
}

const resource = 'ephemeral-storage';
const isAbove = (bytes: number, limit: string): boolean => compareQuantity(quantityOf(bytes), parseQuantity(limit)) > 0;
const shown = (quantity: string): string => formatQuantity(parseQuantity(quantity));

/** The sum of the limits, where every container has one. */
function podLimit({ pod }: Candidate): string | undefined {
  const stated = pod.spec?.resources?.limits?.[resource];
  if (stated !== undefined) return stated;
  const known: string[] = [];
  for (const containers of [sidecars(pod), mainContainers(pod)]) {
    for (const { resources } of containers) {
      const limit = resources?.limits?.[resource];
      if (limit === undefined) return undefined;
      known.push(limit);
    }
  }
  if (known.length === 0) return undefined;
  const total = known.map((limit) => parseQuantity(limit)).reduce((sum, { nanos, format }) => ({ nanos: sum.nanos + nanos, format }), zeroQuantity);
  return formatQuantity(total);
}

/** Whether a pod uses more local storage than one of its limits: of an emptyDir, of the pod, of a container; upstream's order and words. */
export function storageExcess(candidate: Candidate, volumes: VolumeBytes): Excess | undefined {
  const { pod, use, containers } = candidate;
  for (const { name, emptyDir } of pod.spec?.volumes ?? []) {
    const limit = emptyDir?.sizeLimit;
    const used = volumes.get(name);
    if (limit === undefined || used === undefined || compareQuantity(parseQuantity(limit), zeroQuantity) <= 0) continue;
    if (isAbove(used, limit)) return { signal: 'emptydirfs.limit', message: `Usage of EmptyDir volume "${name}" exceeds the limit "${shown(limit)}". ` };
  }
  const whole = podLimit(candidate);
  if (whole !== undefined && use && isAbove(use.diskBytes, whole)) return { signal: 'ephemeralpodfs.limit', message: `Pod ephemeral local storage usage exceeds the total limit of containers ${whole}. ` };
  for (const { name, use: of } of containers) {
    const limit = mainContainers(pod).find((container) => container.name === name)?.resources?.limits?.[resource];
    if (limit !== undefined && isAbove(of.diskBytes, limit)) return { signal: 'ephemeralcontainerfs.limit', message: `Container ${name} exceeded its local ephemeral storage limit "${shown(limit)}". ` };
  }
  return undefined;
}
