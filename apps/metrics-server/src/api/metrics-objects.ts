import { Nodes, Pods } from '@orrery/api';
import type { MetricsV1beta1NodeMetrics, MetricsV1beta1PodMetrics, Node, ObjectMeta, Pod } from '@orrery/api/types';
import { formatQuantity, parseFieldSelector, quantityOf } from '@orrery/apimachinery';
import type { ApiClient } from '@orrery/client';
import { badRequest, isNotFound, notFound } from '@orrery/errors';
import { formatGoDuration, rfc3339 } from '@orrery/runtime';
import type { Usage, UsageStore } from '../scrape/usage-store.ts';

export const groupVersion = 'metrics.k8s.io/v1beta1';

export type Metrics = MetricsV1beta1NodeMetrics | MetricsV1beta1PodMetrics;

export interface Selection {
  readonly namespace: string;
  readonly labelSelector: string;
  readonly fieldSelector: string;
}

export interface Sources {
  readonly api: ApiClient;
  readonly usage: UsageStore;
  readonly nowMs: () => number;
}

const amounts = ({ cpuNanoCores, memoryBytes }: Pick<Usage, 'cpuNanoCores' | 'memoryBytes'>): Record<string, string> => ({
  cpu: formatQuantity({ nanos: BigInt(Math.round(cpuNanoCores)), format: 'DecimalSI' }),
  memory: formatQuantity(quantityOf(Math.round(memoryBytes), 'BinarySI')),
});

const measured = ({ timestampMs, windowMs }: Pick<Usage, 'timestampMs' | 'windowMs'>) => ({ timestamp: rfc3339(timestampMs), window: formatGoDuration(windowMs) });

function metaOf(metadata: ObjectMeta | undefined, nowMs: number): ObjectMeta {
  const { name = '', namespace, labels } = metadata ?? {};
  return { name, ...(namespace ? { namespace } : {}), creationTimestamp: rfc3339(nowMs), ...(labels ? { labels } : {}) };
}

function nodeMetrics(node: Node, { usage, nowMs }: Sources): MetricsV1beta1NodeMetrics | undefined {
  const found = usage.node(node.metadata?.name ?? '');
  return found && { metadata: metaOf(node.metadata, nowMs()), ...measured(found), usage: amounts(found) };
}

function podMetrics({ metadata, status }: Pod, { usage, nowMs }: Sources): MetricsV1beta1PodMetrics | undefined {
  const found = status?.phase === 'Running' ? usage.pod(`${metadata?.namespace ?? ''}/${metadata?.name ?? ''}`) : undefined;
  return found && { metadata: metaOf(metadata, nowMs()), ...measured(found), containers: found.containers.map((one) => ({ name: one.name, usage: amounts(one) })) };
}

/** Upstream selects by name and namespace only. */
function fieldsMatch(text: string): (metadata: ObjectMeta | undefined) => boolean {
  if (!text) return () => true;
  const { requirements } = parseFieldSelector(text);
  const wrong = requirements.find(({ field }) => field !== 'metadata.name' && field !== 'metadata.namespace');
  if (wrong) throw badRequest(`unable to parse requirement: field label not supported: ${wrong.field}`);
  return (metadata) => requirements.every(({ field, value, operator }) => ((field === 'metadata.name' ? metadata?.name : metadata?.namespace) === value) === (operator !== '!='));
}

const list = <T>(items: readonly T[], one: (item: T) => Metrics | undefined): Metrics[] => items.map(one).filter((item) => item !== undefined);

/** One of the two resources. */
export interface MetricsResource {
  readonly kind: 'NodeMetrics' | 'PodMetrics';
  readonly namespaced: boolean;
  list(sources: Sources, selection: Selection): Promise<Metrics[]>;
  /** Throws 404 for what is not there, or not measured yet. */
  get(sources: Sources, key: { readonly namespace: string; readonly name: string }): Promise<Metrics>;
}

const missing = (resource: string, name: string): Error => notFound({ group: 'metrics.k8s.io', resource, name });

async function one<T>(read: Promise<T>, measure: (object: T) => Metrics | undefined, absent: () => Error): Promise<Metrics> {
  let object: T;
  try {
    object = await read;
  } catch (error) {
    if (isNotFound(error)) throw absent();
    throw error;
  }
  const found = measure(object);
  if (!found) throw absent();
  return found;
}

export const metricsResources: Readonly<Record<string, MetricsResource>> = {
  nodes: {
    kind: 'NodeMetrics',
    namespaced: false,
    async list(sources, { labelSelector, fieldSelector }) {
      const matches = fieldsMatch(fieldSelector);
      const { items } = await sources.api.list(Nodes, { labelSelector });
      return list(items.filter(({ metadata }) => matches(metadata)), (node) => nodeMetrics(node, sources));
    },
    get: (sources, { name }) => one(sources.api.get(Nodes, { name }), (node) => nodeMetrics(node, sources), () => missing('nodemetrics', name)),
  },
  pods: {
    kind: 'PodMetrics',
    namespaced: true,
    async list(sources, { namespace, labelSelector, fieldSelector }) {
      const matches = fieldsMatch(fieldSelector);
      const { items } = await sources.api.list(Pods, { namespace, labelSelector, fieldSelector: 'status.phase=Running' });
      return list(items.filter(({ metadata }) => matches(metadata)), (pod) => podMetrics(pod, sources));
    },
    get: (sources, { namespace, name }) => one(sources.api.get(Pods, { namespace, name }), (pod) => podMetrics(pod, sources), () => missing('podmetrics', `${namespace}/${name}`)),
  },
};
