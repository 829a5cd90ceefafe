import type { Container, Pod } from '@orrery/api/types';
import { podKey } from '../framework/types.ts';
import { type PodAffinityTerms, affinityTermsOf } from './affinity-terms.ts';
import { type Resources, podRequests } from './resources.ts';

/** A host port a pod takes: `0.0.0.0` stands for every address. */
export interface HostPort {
  readonly ip: string;
  readonly protocol: string;
  readonly port: number;
}

/** A pod with everything the scheduler asks of it again and again, worked out once. */
export interface PodInfo {
  /** Exchanged for newer ones as long as all below stays true of them. */
  pod: Pod;
  readonly key: string;
  readonly uid: string;
  readonly priority: number;
  readonly requests: Resources;
  /** As `requests`, with upstream's defaults for what is not named; only for scoring. */
  readonly nonZero: Resources;
  readonly hostPorts: readonly HostPort[];
  /** Undefined for most pods: neither pod affinity nor anti-affinity. */
  readonly affinity: PodAffinityTerms | undefined;
  /** Filled in by `shapeOf` and `groupOf`. */
  readonly keys: { shape?: string; group?: string };
}

/** Pods of one shape are judged alike by every plugin that looks at nothing but a pod's wishes and one node. */
export function shapeOf({ pod, priority, requests, nonZero, hostPorts, keys }: PodInfo): string {
  if (keys.shape !== undefined) return keys.shape;
  const { nodeName, nodeSelector, affinity, tolerations } = pod.spec ?? {};
  const scalar = requests.scalar && [...requests.scalar];
  const sums = [requests.milliCpu, requests.memory, requests.ephemeralStorage, scalar, nonZero.milliCpu, nonZero.memory];
  return (keys.shape = JSON.stringify([priority, sums, hostPorts, nodeName, nodeSelector, affinity?.nodeAffinity, tolerations]));
}

/** Pods of one group are also counted alike by others, and count others alike: same namespace, labels and topology wishes. */
export function groupOf({ pod, keys }: PodInfo): string {
  if (keys.group !== undefined) return keys.group;
  const { nodeSelector, affinity, tolerations, topologySpreadConstraints } = pod.spec ?? {};
  const owner = pod.metadata?.ownerReferences?.find((reference) => reference.controller);
  return (keys.group = JSON.stringify([pod.metadata?.namespace, pod.metadata?.labels, affinity, topologySpreadConstraints, nodeSelector, tolerations, owner?.uid]));
}

const noPorts: readonly HostPort[] = [];

function hostPortsOf({ spec }: Pod): readonly HostPort[] {
  let found: HostPort[] | undefined;
  const look = (container: Container): void => {
    for (const { hostPort = 0, hostIP, protocol = 'TCP' } of container.ports ?? []) if (hostPort > 0) (found ??= []).push({ ip: hostIP || '0.0.0.0', protocol, port: hostPort });
  };
  for (const container of spec?.containers ?? []) look(container);
  for (const container of spec?.initContainers ?? []) if (container.restartPolicy === 'Always') look(container);
  return found ?? noPorts;
}

function sameLabels(a: Pod, b: Pod): boolean {
  const [x, y] = [a.metadata?.labels, b.metadata?.labels];
  return x === y || JSON.stringify(x) === JSON.stringify(y);
}

/** Whether a newer form of a pod takes the same room and is counted by the same selectors. */
export function countsAlike(a: PodInfo, b: PodInfo): boolean {
  if (a.pod.metadata?.deletionTimestamp !== b.pod.metadata?.deletionTimestamp || a.priority !== b.priority || !sameLabels(a.pod, b.pod)) return false;
  const [x, y] = [a.requests, b.requests];
  if (x.milliCpu !== y.milliCpu || x.memory !== y.memory || x.ephemeralStorage !== y.ephemeralStorage) return false;
  if (!x.scalar !== !y.scalar) return false;
  return !x.scalar || JSON.stringify([...x.scalar]) === JSON.stringify([...(y.scalar ?? [])]);
}

/** Nothing that `podInfo` works out beside names and labels differs: the parts of the spec that it looks at are the very same. */
function sameWishes(a: Pod['spec'], b: Pod['spec']): boolean {
  return (
    a?.containers === b?.containers &&
    a?.initContainers === b?.initContainers &&
    a?.resources === b?.resources &&
    a?.overhead === b?.overhead &&
    a?.affinity === b?.affinity &&
    a?.priority === b?.priority
  );
}

/** `known` is what was worked out for an earlier form of the pod, if anything. */
export function podInfo(pod: Pod, known?: PodInfo): PodInfo {
  const uid = pod.metadata?.uid ?? '';
  // Terms of affinity are also about the pod's labels.
  if (known && !known.affinity && known.uid === uid && sameWishes(known.pod.spec, pod.spec)) {
    const { key, priority, requests, nonZero, hostPorts, affinity } = known;
    return { pod, key, uid, priority, requests, nonZero, hostPorts, affinity, keys: {} };
  }
  return {
    pod,
    key: podKey(pod),
    uid,
    priority: pod.spec?.priority ?? 0,
    requests: podRequests(pod),
    nonZero: podRequests(pod, true),
    hostPorts: hostPortsOf(pod),
    affinity: affinityTermsOf(pod),
    keys: {},
  };
}
