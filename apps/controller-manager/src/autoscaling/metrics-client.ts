import type { CrossVersionObjectReference, LabelSelector, MetricSpec, MetricsV1beta1PodMetrics } from '@orrery/api/types';
import { type KubeObject, type ResourceRef, SelectorError, formatSelector, parseQuantity, quantityMilliValue, selectorFromObject, timeMs } from '@orrery/apimachinery';
import type { ApiClient } from '@orrery/client';
import { StatusError } from '@orrery/errors';
import { parseGoDuration } from '@orrery/runtime';
import { MetricError, MetricSelectorError, type PodSample, type Reading } from './readings.ts';

const podMetrics: ResourceRef<MetricsV1beta1PodMetrics> = { group: 'metrics.k8s.io', version: 'v1beta1', resource: 'pods', kind: 'PodMetrics', namespaced: true };

/** One value of a custom or external metric, as its API words it in either version. */
interface MetricValue extends KubeObject {
  readonly describedObject?: { readonly name?: string };
  readonly timestamp?: string;
  readonly windowSeconds?: number;
  readonly value?: string;
}

interface MetricValueList extends KubeObject {
  readonly items?: readonly MetricValue[] | null;
}

/** Versions of custom.metrics.k8s.io, the better one first. */
const customVersions = ['v1beta2', 'v1beta1'];
const defaultWindowMs = 60_000;

/** What a reading is about. */
export interface MetricQuery {
  readonly namespace: string;
  /** The scale's selector, as its status writes it. */
  readonly selector: string;
}

/** Where an object of a reference is to be found. */
export type FindResource = (reference: CrossVersionObjectReference) => ResourceRef | undefined;

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

/** Go's client tells of a missing or broken API in these words, whatever the server says. */
function clientWords(error: unknown, what: string): string {
  if (!(error instanceof StatusError)) throw error;
  if (error.code === 404) return `the server could not find the requested resource (get ${what})`;
  if (error.code === 503) return `the server is currently unable to handle the request (get ${what})`;
  return error.message;
}

async function fetching<T>(run: () => Promise<T>, words: { readonly api: string; readonly what: string }): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw new MetricError(`unable to fetch metrics from ${words.api} metrics API: ${clientWords(error, words.what)}`);
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
  private readonly find: FindResource;

  constructor(api: ApiClient, find: FindResource) {
    this.api = api;
    this.find = find;
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
    const { items } = await fetching(() => this.api.list(podMetrics, { namespace, labelSelector: selector }), { api: 'resource', what: 'pods.metrics.k8s.io' });
    if (items.length === 0) throw new MetricError('no metrics returned from resource metrics API');
    const samples = items.flatMap((item): [string, PodSample][] => {
      const sample = sampleOf(item, name, container);
      return sample ? [[item.metadata?.name ?? '', sample]] : [];
    });
    return { samples: new Map(samples) };
  }

  private async ofPods(metric: string, metricSelector: LabelSelector | undefined, { namespace, selector }: MetricQuery): Promise<Reading> {
    const items = await this.custom({ resource: 'pods', name: '*', metric, namespace, parameters: { labelSelector: selector, metricLabelSelector: selectorText(metricSelector) } });
    if (items.length === 0) throw new MetricError('no metrics returned from custom metrics API');
    return {
      samples: new Map(items.map((item) => [
        item.describedObject?.name ?? '',
        { value: milli(item.value), timestampMs: timeMs(item.timestamp) ?? 0, windowMs: item.windowSeconds === undefined ? defaultWindowMs : item.windowSeconds * 1000 },
      ])),
    };
  }

  private async ofObject({ describedObject, metric }: NonNullable<MetricSpec['object']>, { namespace }: MetricQuery): Promise<Reading> {
    const { kind, name } = describedObject;
    const parameters = { metricLabelSelector: selectorText(metric.selector) };
    const isNamespace = kind === 'Namespace' && !describedObject.apiVersion?.includes('/');
    const found = isNamespace ? undefined : this.find(describedObject);
    if (!isNamespace && !found) throw new MetricError(`unable to fetch metrics from custom metrics API: no matches for kind ${JSON.stringify(kind)} in group ${JSON.stringify(groupOf(describedObject))}`);
    const resource = found ? `${found.resource}${found.group ? `.${found.group}` : ''}` : 'metrics';
    // Of a namespace itself: namespaces/NAME/metrics/METRIC.
    const items = await this.custom(found ? { resource, name, metric: metric.name, namespace: found.namespaced ? namespace : '', parameters } : { resource, name: metric.name, metric: '', namespace: name, parameters });
    if (items.length !== 1) throw new MetricError(`unable to fetch metrics from custom metrics API: the server returned ${items.length} metrics when only one was expected`);
    return { value: milli(items[0]?.value) };
  }

  private async custom(of: { resource: string; name: string; metric: string; namespace: string; parameters: Record<string, string> }): Promise<readonly MetricValue[]> {
    const { resource, name, metric, namespace } = of;
    const parameters = Object.fromEntries(Object.entries(of.parameters).filter(([, value]) => value !== ''));
    const at = (version: string): ResourceRef<MetricValueList> => ({ group: 'custom.metrics.k8s.io', version, resource, kind: 'MetricValueList', namespaced: namespace !== '' });
    const get = async (): Promise<MetricValueList> => {
      let missing: unknown;
      for (const version of customVersions) {
        try {
          return await this.api.get(at(version), { namespace, name }, { ...(metric ? { subresource: metric } : {}), parameters });
        } catch (error) {
          // Only another version may know better.
          if (!(error instanceof StatusError) || error.code !== 404) throw error;
          missing ??= error;
        }
      }
      throw missing;
    };
    const list = await fetching(get, { api: 'custom', what: `${resource}.custom.metrics.k8s.io${name === '*' ? ` *` : ` ${name}`}` });
    return list.items ?? [];
  }

  private async external(metric: string, metricSelector: LabelSelector | undefined, { namespace }: MetricQuery): Promise<Reading> {
    const ref: ResourceRef<MetricValue> = { group: 'external.metrics.k8s.io', version: 'v1beta1', resource: metric, kind: 'ExternalMetricValue', namespaced: true };
    const { items } = await fetching(() => this.api.list(ref, { namespace, labelSelector: selectorText(metricSelector) }), { api: 'external', what: `${metric}.external.metrics.k8s.io` });
    if (items.length === 0) throw new MetricError('no metrics returned from external metrics API');
    return { value: items.reduce((so, { value }) => so + milli(value), 0) };
  }
}

/** The group of a reference's apiVersion. */
export function groupOf({ apiVersion = '' }: CrossVersionObjectReference): string {
  return apiVersion.includes('/') ? (apiVersion.split('/')[0] ?? '') : '';
}
