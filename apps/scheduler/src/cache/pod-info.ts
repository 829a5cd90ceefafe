import type { ContainerPort, Pod } from '@orrery/api/types';
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

function hostPortsOf(pod: Pod): HostPort[] {
  const containers = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? []).filter((c) => c.restartPolicy === 'Always')];
  const ports: ContainerPort[] = containers.flatMap((container) => container.ports ?? []);
  return ports
    .filter((port) => (port.hostPort ?? 0) > 0)
    .map((port) => ({ ip: port.hostIP || '0.0.0.0', protocol: port.protocol ?? 'TCP', port: port.hostPort ?? 0 }));
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

export function podInfo(pod: Pod): PodInfo {
  return {
    pod,
    key: podKey(pod),
    uid: pod.metadata?.uid ?? '',
    priority: pod.spec?.priority ?? 0,
    requests: podRequests(pod),
    nonZero: podRequests(pod, true),
    hostPorts: hostPortsOf(pod),
    affinity: affinityTermsOf(pod),
    keys: {},
  };
}
