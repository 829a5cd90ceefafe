import { LimitRanges } from '@orrery/api';
import type { Container, LimitRangeItem, PersistentVolumeClaim, Pod } from '@orrery/api/types';
import { type Quantity, compareQuantity, formatQuantity, parseQuantity } from '@orrery/apimachinery';
import { forbidden } from '@orrery/errors';
import type { AdmissionAttributes, AdmissionPlugin, ObjectReader } from '../pipeline/index.ts';
import { type Match, creates, createsOrUpdates, matches, subjectOf, wants } from './match.ts';
import { type Amounts, addAmounts, maxAmounts, parseAmounts } from '@orrery/api/quota';

const annotation = 'kubernetes.io/limit-ranger';
type List = Record<string, string>;

function itemsOf(read: ObjectReader, namespace: string): LimitRangeItem[] {
  return read.list(LimitRanges, namespace).flatMap((range) => range.spec?.limits ?? []);
}

/** Names of the resources that got a default. */
function fill(target: List, defaults: Readonly<List> | undefined): string[] {
  const added = Object.keys(defaults ?? {}).filter((name) => target[name] === undefined).sort();
  for (const name of added) target[name] = defaults?.[name] as string;
  return added;
}

function defaultContainer(container: Container, items: readonly LimitRangeItem[], label: string): string[] {
  const limits = { ...container.resources?.limits } as List;
  const requests = { ...container.resources?.requests } as List;
  const notes: string[] = [];
  for (const item of items) {
    // A limit that was given stands in for the request before any default does.
    for (const [name, value] of Object.entries(container.resources?.limits ?? {})) requests[name] ??= value as string;
    const requested = fill(requests, item.defaultRequest as List | undefined);
    const limited = fill(limits, item.default as List | undefined);
    if (requested.length) notes.push(`${requested.join(', ')} request for ${label} ${container.name}`);
    if (limited.length) notes.push(`${limited.join(', ')} limit for ${label} ${container.name}`);
  }
  const added = Object.keys(requests).length > Object.keys(container.resources?.requests ?? {}).length || notes.length > 0;
  if (added) {
    container.resources = { ...container.resources, ...(Object.keys(limits).length ? { limits } : {}), ...(Object.keys(requests).length ? { requests } : {}) };
  }
  return notes;
}

function defaultPod(pod: Pod, items: readonly LimitRangeItem[]): void {
  const forContainers = items.filter((item) => item.type === 'Container');
  if (!forContainers.length || !pod.spec) return;
  const notes = [
    ...(pod.spec.containers ?? []).flatMap((container) => defaultContainer(container, forContainers, 'container')),
    ...(pod.spec.initContainers ?? []).flatMap((container) => defaultContainer(container, forContainers, 'init container')),
  ];
  if (notes.length) pod.metadata = { ...pod.metadata, annotations: { ...pod.metadata?.annotations, [annotation]: `LimitRanger plugin set: ${notes.join('; ')}` } };
}

interface Usage {
  readonly type: string;
  readonly requests: Amounts;
  readonly limits: Amounts;
}

function checkMin(item: LimitRangeItem, usage: Usage): string[] {
  return Object.entries(parseAmounts(item.min as List | undefined)).flatMap(([name, min]) => {
    const [request, limit] = [usage.requests[name], usage.limits[name]];
    if (!request) return [`minimum ${name} usage per ${usage.type} is ${formatQuantity(min)}. No request is specified`];
    if (compareQuantity(request, min) < 0) return [`minimum ${name} usage per ${usage.type} is ${formatQuantity(min)}, but request is ${formatQuantity(request)}`];
    if (limit && compareQuantity(limit, min) < 0) return [`minimum ${name} usage per ${usage.type} is ${formatQuantity(min)}, but limit is ${formatQuantity(limit)}`];
    return [];
  });
}

function checkMax(item: LimitRangeItem, usage: Usage): string[] {
  return Object.entries(parseAmounts(item.max as List | undefined)).flatMap(([name, max]) => {
    const [request, limit] = [usage.requests[name], usage.limits[name]];
    if (!limit && usage.type !== 'PersistentVolumeClaim') return [`maximum ${name} usage per ${usage.type} is ${formatQuantity(max)}. No limit is specified`];
    if (limit && compareQuantity(limit, max) > 0) return [`maximum ${name} usage per ${usage.type} is ${formatQuantity(max)}, but limit is ${formatQuantity(limit)}`];
    if (request && compareQuantity(request, max) > 0) return [`maximum ${name} usage per ${usage.type} is ${formatQuantity(max)}, but request is ${formatQuantity(request)}`];
    return [];
  });
}

const asNumber = (quantity: Quantity): number => Number(quantity.nanos) / 1e9;

function checkRatio(item: LimitRangeItem, usage: Usage): string[] {
  return Object.entries((item.maxLimitRequestRatio ?? {}) as List).flatMap(([name, ratio]) => {
    const [request, limit] = [usage.requests[name], usage.limits[name]];
    if (!request || request.nanos === 0n) return [`${name} max limit to request ratio per ${usage.type} is ${ratio}, but no request is specified or request is 0`];
    if (!limit || limit.nanos === 0n) return [`${name} max limit to request ratio per ${usage.type} is ${ratio}, but no limit is specified or limit is 0`];
    const real = asNumber(limit) / asNumber(request);
    if (real <= asNumber(parseQuantity(ratio))) return [];
    return [`${name} max limit to request ratio per ${usage.type} is ${ratio}, but provided ratio is ${real.toFixed(6)}`];
  });
}

const usageOf = (type: string, container: Container): Usage => ({
  type,
  requests: parseAmounts(container.resources?.requests),
  limits: parseAmounts(container.resources?.limits),
});

/** Amounts that every container sets, added up: a pod has a limit only if all of its containers have. */
function podUsage(pod: Pod): Usage {
  const { containers = [], initContainers = [] } = pod.spec ?? { containers: [] };
  const sum = (which: 'requests' | 'limits'): Amounts => {
    const lists = containers.map((container) => parseAmounts(container.resources?.[which]));
    const everywhere = Object.keys(lists[0] ?? {}).filter((name) => lists.every((list) => list[name]));
    const running = lists.map((list) => Object.fromEntries(everywhere.map((name) => [name, list[name] as Quantity]))).reduce(addAmounts, {});
    return initContainers.map((container) => parseAmounts(container.resources?.[which])).reduce(maxAmounts, running);
  };
  return { type: 'Pod', requests: { ...sum('requests'), ...parseAmounts(pod.spec?.resources?.requests) }, limits: { ...sum('limits'), ...parseAmounts(pod.spec?.resources?.limits) } };
}

function usages(attributes: AdmissionAttributes): Usage[] {
  if (attributes.kind.resource === 'persistentvolumeclaims') {
    const { resources } = (attributes.object as PersistentVolumeClaim).spec ?? {};
    return [{ type: 'PersistentVolumeClaim', requests: parseAmounts(resources?.requests), limits: parseAmounts(resources?.limits) }];
  }
  const pod = attributes.object as Pod;
  const containers = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])];
  return [...containers.map((container) => usageOf('Container', container)), podUsage(pod)];
}

/** Defaults for containers without requests and limits, and bounds for all of them. */
export function limitRanger(read: ObjectReader): AdmissionPlugin {
  const pods = creates('pods');
  // Other updates cannot change what containers take.
  const resizes: Match = { resource: 'pods', subresource: 'resize', operations: ['UPDATE'] };
  return {
    name: 'LimitRanger',
    handles: wants(pods, resizes, createsOrUpdates('persistentvolumeclaims')),
    admit(attributes) {
      if (matches(attributes, pods) || matches(attributes, resizes)) defaultPod(attributes.object as Pod, itemsOf(read, attributes.namespace));
    },
    validate(attributes) {
      const items = itemsOf(read, attributes.namespace);
      if (!items.length) return;
      const errors = usages(attributes).flatMap((usage) =>
        items.filter((item) => item.type === usage.type).flatMap((item) => [...checkMin(item, usage), ...checkMax(item, usage), ...checkRatio(item, usage)]),
      );
      if (!errors.length) return;
      throw forbidden(subjectOf(attributes), errors.length === 1 ? (errors[0] as string) : `[${errors.join(', ')}]`);
    },
  };
}
