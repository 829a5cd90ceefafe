import type { Container, Pod } from '@orrery/api/types';
import { initContainers, mainContainers } from '../pods/pod-spec.ts';

const counted = ['cpu', 'memory'] as const;

function isGuaranteed(container: Container): boolean {
  const { requests = {}, limits = {} } = container.resources ?? {};
  return counted.every((name) => limits[name] !== undefined && (requests[name] === undefined || requests[name] === limits[name]));
}

function asksForSomething(container: Container): boolean {
  const { requests = {}, limits = {} } = container.resources ?? {};
  return counted.some((name) => requests[name] !== undefined || limits[name] !== undefined);
}

/** Guaranteed, Burstable or BestEffort; the API server has normally said so already. */
export function qosClass(pod: Pod): string {
  if (pod.status?.qosClass) return pod.status.qosClass;
  const containers = [...initContainers(pod), ...mainContainers(pod)];
  if (!containers.some(asksForSomething)) return 'BestEffort';
  return containers.every(isGuaranteed) ? 'Guaranteed' : 'Burstable';
}
