import type { Pod } from '@orrery/api/types';
import { type Sample, createMetrics } from '@orrery/runtime';
import { type Resources, podLimits, podRequests } from './cache/resources.ts';

function unitOf(resource: string): string {
  if (resource === 'cpu') return 'cores';
  if (resource === 'memory' || resource === 'ephemeral-storage' || resource === 'storage' || resource.startsWith('hugepages-')) return 'bytes';
  return resource.startsWith('attachable-volumes-') ? 'integer' : '';
}

const amounts = ({ milliCpu, memory, ephemeralStorage, scalar }: Resources): (readonly [string, number])[] => [['cpu', milliCpu / 1000], ['memory', memory], ['ephemeral-storage', ephemeralStorage], ...(scalar ?? [])];

const isOver = ({ spec, status }: Pod): boolean => Boolean(spec?.nodeName) && (status?.phase === 'Succeeded' || status?.phase === 'Failed');

function* samples(pods: Iterable<Pod>, of: (pod: Pod) => Resources): Iterable<Sample> {
  for (const pod of pods) {
    if (isOver(pod)) continue;
    const { metadata, spec } = pod;
    const about = { namespace: metadata?.namespace ?? '', pod: metadata?.name ?? '', node: spec?.nodeName ?? '', scheduler: spec?.schedulerName ?? '', priority: spec?.priority === undefined ? '' : String(spec.priority) };
    for (const [resource, value] of amounts(of(pod))) if (value) yield { labels: { ...about, resource, unit: unitOf(resource) }, value };
  }
}

const help = (what: string): string => `Resources ${what} workloads on the cluster, broken down by pod. This shows the resource usage the scheduler and kubelet expect per pod for resources along with the unit for the resource if any.`;

/** /metrics/resources: what every pod that is not over asks for and is limited to, in Prometheus' text format (pkg/scheduler/metrics/resources). */
export function resourceMetrics(pods: readonly Pod[]): string {
  const metrics = createMetrics();
  metrics.collect('kube_pod_resource_request', { type: 'gauge', help: help('requested by') }, () => samples(pods, podRequests));
  metrics.collect('kube_pod_resource_limit', { type: 'gauge', help: help('limit for') }, () => samples(pods, podLimits));
  return metrics.expose();
}
