import type { CrossVersionObjectReference, LabelSelector, MetricSpec, MetricsV1beta1PodMetrics } from '@orrery/api/types';
import { type KubeObject, type ResourceRef, SelectorError, formatSelector, parseQuantity, quantityMilliValue, selectorFromObject, timeMs } from '@orrery/apimachinery';
import type { ApiClient } from '@orrery/client';
import { StatusError } from '@orrery/errors';
import { parseGoDuration } from '@orrery/runtime';
import { MetricError, MetricSelectorError, type PodSample, type Reading } from './readings.ts';

const podMetrics: ResourceRef<MetricsV1beta1PodMetrics> = { group: 'metrics.k8s.io', version: 'v1beta1', resource: 'pods', kind: 'PodMetrics', namespaced: true };

/** One value of a custom or external metric, as its API words it in either version; v1beta1 calls the seconds `window`. */
interface MetricValue extends KubeObject {
  readonly describedObject?: { readonly name?: string };
  readonly timestamp?: string;
  readonly window?: number;
  readonly windowSeconds?: number;
  readonly value?: string;
}

interface MetricValueList extends KubeObject {
  readonly items?: readonly MetricValue[] | null;
}

const defaultWindowMs = 60_000;

/** What a reading is about. */
export interface MetricQuery {
  readonly namespace: string;
  /** The scale's selector, as its status writes it. */
  readonly selector: string;
}

/** Where an object of a reference is to be found. */
export type FindResource = (reference: CrossVersionObjectReference) => ResourceRef | undefined;

export interface MetricsClientOptions {
  readonly find: FindResource;
  /** In which custom metrics are asked for; throws MetricError. */
  readonly customVersion: () => string;
}

/** Where the values of a metric are, below their API's namespace. */
interface Place {
  readonly resource: string;
  readonly name: string;
  readonly subresource?: string;
}

const qualified = (name: string, group: string): string => (group ? `${name}.${group}` : name);

const milli = (text: string | undefined): number => quantityMilliValue(parseQuantity(text ?? '0'));

/** The API server takes selectors of metrics as they come. */
function selectorText(selector: LabelSelector | undefined): string {
  if (!selector) return '';
  try {
    return formatSelector(selectorFromObject(selector));
  } catch (error) {
    if (error instanceof SelectorError) throw new MetricSelectorError(error.message);
    throw error;
  }
}

/** Reads from a metrics API. Throws MetricError with what client-go would say. */
async function asking<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    throw new MetricError(error.message);
  }
}

/** All that belongs to reading one of the APIs; words what fails of it. */
async function fetching<T>(api: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof MetricError)) throw error;
    throw new MetricError(`unable to fetch metrics from ${api} metrics API: ${error.message}`);
  }
}

/** A pod's sample of a resource: of one container, or of all together; undefined when one of them says nothing. */
function sampleOf({ metadata, containers = [], timestamp, window }: MetricsV1beta1PodMetrics, resource: string, container: string): PodSample | undefined {
  const counted = containers.filter(({ name }) => container === '' || name === container);
  if (container !== '' && counted.length === 0) throw new MetricError(`container ${container} not present in metrics for pod ${metadata?.namespace ?? ''}/${metadata?.name ?? ''}`);
  if (counted.length === 0) return undefined;
  let value = 0;
  for (const { usage } of counted) {
    const used = usage?.[resource];
    if (used === undefined) return undefined;
    value += milli(used);
  }
  return { value, timestampMs: timeMs(timestamp) ?? 0, windowMs: parseGoDuration(window ?? '0') };
}

/** The clients of the three metrics APIs. Every read throws MetricError in upstream's words. */
export class MetricsClient {
  private readonly api: ApiClient;
  private readonly options: MetricsClientOptions;

  constructor(api: ApiClient, options: MetricsClientOptions) {
    this.api = api;
    this.options = options;
  }

  /** What one metric of an autoscaler stands at. */
  async read(spec: MetricSpec, query: MetricQuery): Promise<Reading> {
    const { resource, containerResource, pods, object, external } = spec;
    if (resource) return this.resource(resource.name, '', query);
    if (containerResource) return this.resource(containerResource.name, containerResource.container, query);
    if (pods) return this.ofPods(pods.metric.name, pods.metric.selector, query);
    if (object) return this.ofObject(object, query);
    if (external) return this.external(external.metric.name, external.metric.selector, query);
    throw new MetricError(`unknown metric source type ${JSON.stringify(spec.type)}`);
  }

  private async resource(name: string, container: string, { namespace, selector }: MetricQuery): Promise<Reading> {
    const { items } = await fetching('resource', () => asking(() => this.api.list(podMetrics, { namespace, labelSelector: selector })));
    if (items.length === 0) throw new MetricError('no metrics returned from resource metrics API');
    const samples = items.flatMap((item): [string, PodSample][] => {
      const sample = sampleOf(item, name, container);
      return sample ? [[item.metadata?.name ?? '', sample]] : [];
    });
    return { samples: new Map(samples) };
  }

  private async ofPods(metric: string, metricSelector: LabelSelector | undefined, { namespace, selector }: MetricQuery): Promise<Reading> {
    const parameters = { labelSelector: selector, metricLabelSelector: selectorText(metricSelector) };
    const items = await fetching('custom', () => this.custom(() => ({ resource: 'pods', name: '*', subresource: metric }), { namespace, parameters }));
    if (items.length === 0) throw new MetricError('no metrics returned from custom metrics API');
    const sample = ({ value, timestamp, windowSeconds, window = windowSeconds }: MetricValue): PodSample => ({ value: milli(value), timestampMs: timeMs(timestamp) ?? 0, windowMs: window === undefined ? defaultWindowMs : window * 1000 });
    return { samples: new Map(items.map((item) => [item.describedObject?.name ?? '', sample(item)])) };
  }

  /** Of an object in the autoscaler's namespace; what lies in no namespace is asked for as if it did, as upstream does. */
  private async ofObject({ describedObject, metric }: NonNullable<MetricSpec['object']>, { namespace }: MetricQuery): Promise<Reading> {
    const parameters = { metricLabelSelector: selectorText(metric.selector) };
    return fetching('custom', async () => {
      const items = await this.custom(() => this.placeOf(describedObject, metric.name), { namespace, parameters });
      if (items.length !== 1) throw new MetricError(`the custom metrics API server returned ${items.length} results when we asked for exactly one`);
      return { value: milli(items[0]?.value) };
    });
  }

  /** `deployments.apps/NAME/METRIC`; of the namespace, which is the autoscaler's own whatever the reference names, `metrics/METRIC`. */
  private placeOf(reference: CrossVersionObjectReference, metric: string): Place {
    const { kind, name } = reference;
    const group = groupOf(reference);
    if (kind === 'Namespace' && group === '') return { resource: 'metrics', name: metric };
    const found = this.options.find(reference);
    if (!found) throw new MetricError(`unable to map kind ${qualified(kind, group)} to resource: no matches for kind ${JSON.stringify(kind)} in group ${JSON.stringify(group)}`);
    return { resource: qualified(found.resource, group), name, subresource: metric };
  }

  /** The place is looked for once there is a version: of two failures upstream tells the version's. */
  private async custom(find: () => Place, { namespace, parameters }: { readonly namespace: string; readonly parameters: Readonly<Record<string, string>> }): Promise<readonly MetricValue[]> {
    const version = this.options.customVersion();
    const { resource, name, subresource } = find();
    const ref: ResourceRef<MetricValueList> = { group: 'custom.metrics.k8s.io', version, resource, kind: 'MetricValueList', namespaced: true };
    const given = Object.fromEntries(Object.entries(parameters).filter(([, value]) => value !== ''));
    const list = await asking(() => this.api.get(ref, { namespace, name }, { ...(subresource === undefined ? {} : { subresource }), parameters: given }));
    return list.items ?? [];
  }

  private async external(metric: string, metricSelector: LabelSelector | undefined, { namespace }: MetricQuery): Promise<Reading> {
    const labelSelector = selectorText(metricSelector);
    const ref: ResourceRef<MetricValue> = { group: 'external.metrics.k8s.io', version: 'v1beta1', resource: metric, kind: 'ExternalMetricValue', namespaced: true };
    const { items } = await fetching('external', () => asking(() => this.api.list(ref, { namespace, labelSelector })));
    if (items.length === 0) throw new MetricError('no metrics returned from external metrics API');
    return { value: items.reduce((so, { value }) => so + milli(value), 0) };
  }
}

/** The group of a reference's apiVersion. */
export function groupOf({ apiVersion = '' }: CrossVersionObjectReference): string {
  return apiVersion.includes('/') ? (apiVersion.split('/')[0] ?? '') : '';
}
