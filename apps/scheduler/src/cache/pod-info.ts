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
  readonly pod: Pod;
  readonly key: string;
  readonly uid: string;
  readonly priority: number;
  readonly requests: Resources;
  /** As `requests`, with upstream's defaults for what is not named; only for scoring. */
  readonly nonZero: Resources;
  readonly hostPorts: readonly HostPort[];
  /** Undefined for most pods: neither pod affinity nor anti-affinity. */
  readonly affinity: PodAffinityTerms | undefined;
}

function hostPortsOf(pod: Pod): HostPort[] {
  const containers = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? []).filter((c) => c.restartPolicy === 'Always')];
  const ports: ContainerPort[] = containers.flatMap((container) => container.ports ?? []);
  return ports
    .filter((port) => (port.hostPort ?? 0) > 0)
    .map((port) => ({ ip: port.hostIP || '0.0.0.0', protocol: port.protocol ?? 'TCP', port: port.hostPort ?? 0 }));
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
  };
}
