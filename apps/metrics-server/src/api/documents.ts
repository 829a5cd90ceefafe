import type { MetricsV1beta1NodeMetrics, MetricsV1beta1PodMetrics } from '@orrery/api/types';
import { addResources } from '@orrery/apimachinery';
import { type Metrics, groupVersion, metricsResources } from './metrics-objects.ts';

const version = { groupVersion, version: 'v1beta1' };
const group = { name: 'metrics.k8s.io', versions: [version], preferredVersion: version };

export const apiGroup = { kind: 'APIGroup', apiVersion: 'v1', ...group };
export const apiGroupList = { kind: 'APIGroupList', apiVersion: 'v1', groups: [group] };
export const apiResourceList = {
  kind: 'APIResourceList',
  apiVersion: 'v1',
  groupVersion,
  resources: Object.entries(metricsResources).map(([name, { kind, namespaced }]) => ({ name, singularName: '', namespaced, kind, verbs: ['get', 'list'] })),
};

const columns = [
  { name: 'Name', type: 'string', format: 'name', description: 'Name of the resource', priority: 0 },
  { name: 'cpu', type: 'string', format: 'quantity', description: '', priority: 0 },
  { name: 'memory', type: 'string', format: 'quantity', description: '', priority: 0 },
  { name: 'Window', type: 'string', format: 'duration', description: '', priority: 0 },
];

function usageOf(metrics: Metrics): Readonly<Record<string, string | number>> {
  const { usage } = metrics as MetricsV1beta1NodeMetrics;
  if (usage) return usage;
  return ((metrics as MetricsV1beta1PodMetrics).containers ?? []).reduce<Record<string, string>>((so, container) => addResources(so, container.usage ?? {}), {});
}

/** What `kubectl get podmetrics` prints. */
export function table(items: readonly Metrics[], includeObject: string): object {
  const rows = items.map((item) => {
    const usage = usageOf(item);
    const { metadata } = item;
    const object = includeObject === 'Object' ? item : { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata };
    return { cells: [metadata?.name ?? '', String(usage['cpu'] ?? '0'), String(usage['memory'] ?? '0'), item.window ?? ''], ...(includeObject === 'None' ? {} : { object }) };
  });
  return { kind: 'Table', apiVersion: 'meta.k8s.io/v1', metadata: {}, columnDefinitions: columns, rows };
}

/** A list, its items without kind, as a typed list has them. */
export function listDocument(kind: string, items: readonly Metrics[]): object {
  return { kind: `${kind}List`, apiVersion: groupVersion, metadata: {}, items };
}

export const objectDocument = (kind: string, item: Metrics): object => ({ kind, apiVersion: groupVersion, ...item });
