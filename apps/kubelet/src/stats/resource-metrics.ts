import type { Kubelet } from '../component.ts';
import { type Family, type Sample, expose } from './exposition.ts';
import { type ContainerUsage, type NodeUsage, type PodUsage, type Usage, nodeUsage } from './usage.ts';

const podLabels = ({ worker }: PodUsage) => ({ namespace: worker.pod.metadata?.namespace ?? '', pod: worker.pod.metadata?.name ?? '' });
const cpuSeconds = ({ cpuCoreNanoSeconds }: Usage): number => cpuCoreNanoSeconds / 1e9;
const memoryBytes = ({ workingSetBytes }: Usage): number => workingSetBytes;

function families({ pods, ...node }: NodeUsage): Family[] {
  const perPod = (pick: (usage: Usage) => number): Sample[] => pods.map((pod) => ({ labels: podLabels(pod), value: pick(pod), timeMs: pod.measuredMs }));
  const perContainer = (pick: (usage: ContainerUsage) => number, stamped = true): Sample[] =>
    pods.flatMap((pod) => pod.containers.map((one) => ({ labels: { container: one.container.name, ...podLabels(pod) }, value: pick(one), timeMs: stamped ? one.measuredMs : undefined })));
  const whole = (value: number): Sample[] => [{ labels: {}, value, timeMs: node.measuredMs }];
  return [
    { name: 'container_cpu_usage_seconds_total', help: '[STABLE] Cumulative cpu time consumed by the container in core-seconds', type: 'counter', samples: perContainer(cpuSeconds) },
    { name: 'container_memory_working_set_bytes', help: '[STABLE] Current working set of the container in bytes', type: 'gauge', samples: perContainer(memoryBytes) },
    { name: 'container_start_time_seconds', help: '[STABLE] Start time of the container since unix epoch in seconds', type: 'gauge', samples: perContainer(({ container }) => container.startedMs / 1000, false) },
    { name: 'container_swap_usage_bytes', help: '[ALPHA] Current amount of the container swap usage in bytes. Reported only on non-windows systems', type: 'gauge', samples: perContainer(() => 0) },
    { name: 'node_cpu_usage_seconds_total', help: '[STABLE] Cumulative cpu time consumed by the node in core-seconds', type: 'counter', samples: whole(cpuSeconds(node)) },
    { name: 'node_memory_working_set_bytes', help: '[STABLE] Current working set of the node in bytes', type: 'gauge', samples: whole(memoryBytes(node)) },
    { name: 'node_swap_usage_bytes', help: '[ALPHA] Current swap usage of the node in bytes. Reported only on non-windows systems', type: 'gauge', samples: whole(0) },
    { name: 'pod_cpu_usage_seconds_total', help: '[STABLE] Cumulative cpu time consumed by the pod in core-seconds', type: 'counter', samples: perPod(cpuSeconds) },
    { name: 'pod_memory_working_set_bytes', help: '[STABLE] Current working set of the pod in bytes', type: 'gauge', samples: perPod(memoryBytes) },
    { name: 'pod_swap_usage_bytes', help: '[ALPHA] Current amount of the pod swap usage in bytes. Reported only on non-windows systems', type: 'gauge', samples: perPod(() => 0) },
    { name: 'resource_scrape_error', help: '[STABLE] 1 if there was an error while getting container metrics, 0 otherwise', type: 'gauge', samples: [{ labels: {}, value: 0 }] },
  ];
}

const scrapeFailed: Family = { name: 'resource_scrape_error', help: '[STABLE] 1 if there was an error while getting container metrics, 0 otherwise', type: 'gauge', samples: [{ labels: {}, value: 1 }] };

/** GET /metrics/resource: what metrics-server scrapes. A runtime that does not answer shows as `resource_scrape_error`. */
export async function resourceMetrics(kubelet: Kubelet): Promise<string> {
  const { env } = kubelet.context;
  try {
    return expose(families(await nodeUsage(kubelet)));
  } catch (error) {
    env.log.warn('no usage from the runtime', { error: (error as Error).message });
    return expose([scrapeFailed]);
  }
}
