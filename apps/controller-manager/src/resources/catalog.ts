import * as api from '@orrery/api';
import type { APIService, CustomResourceDefinition } from '@orrery/api/types';
import type { KubeObject, ResourceRef } from '@orrery/apimachinery';

/** Names under which nothing of its own is stored: reviews, bindings, and Events' second group. */
const notStored = new Set([
  'bindings',
  'componentstatuses',
  'localsubjectaccessreviews',
  'selfsubjectaccessreviews',
  'selfsubjectrulesreviews',
  'selfsubjectreviews',
  'subjectaccessreviews',
  'tokenreviews',
]);

function isResource(value: unknown): value is ResourceRef {
  return typeof value === 'object' && value !== null && typeof (value as ResourceRef).resource === 'string' && typeof (value as ResourceRef).kind === 'string' && typeof (value as ResourceRef).namespaced === 'boolean' && Object.keys(value).length === 5;
}

/** Every built-in resource whose objects can be listed and deleted, each once. */
export const builtInResources: readonly ResourceRef[] = Object.values(api as Record<string, unknown>)
  .filter(isResource)
  .filter((ref) => !notStored.has(ref.resource) && ref.group !== 'events.k8s.io');

/** What a CustomResourceDefinition serves, at its storage version; undefined while it is not served. */
export function customResource(definition: CustomResourceDefinition): ResourceRef<KubeObject> | undefined {
  const { spec } = definition;
  const established = definition.status?.conditions?.some((condition) => condition.type === 'Established' && condition.status === 'True');
  const version = spec?.versions?.find((v) => v.storage && v.served) ?? spec?.versions?.find((v) => v.served);
  if (!spec || !version || !established) return undefined;
  return { group: spec.group, version: version.name, resource: spec.names.plural, kind: spec.names.kind, namespaced: spec.scope === 'Namespaced' };
}

function customResources(definitions: Iterable<CustomResourceDefinition>): ResourceRef[] {
  return [...definitions].map(customResource).filter((ref): ref is ResourceRef => ref !== undefined);
}

/** All resources there may be now, be they served or not. */
export function allResources(definitions: Iterable<CustomResourceDefinition>): ResourceRef[] {
  return [...builtInResources, ...customResources(definitions)];
}

/**
 * All resources that are served now. The API server registers every group version that it serves as an APIService, so APIs that are off
 * (alpha and beta ones, by default) have none; one that registers nothing has no aggregation, and is taken to serve all. A custom
 * resource is served once its definition says so.
 */
export function servedResources(definitions: Iterable<CustomResourceDefinition>, services: Iterable<APIService>): ResourceRef[] {
  const registered = new Set([...services].map(({ spec }) => `${spec?.group ?? ''}/${spec?.version ?? ''}`));
  if (registered.size === 0) return allResources(definitions);
  // The one API that registers others is not registered itself.
  registered.add(`${api.APIServices.group}/${api.APIServices.version}`);
  return [...builtInResources.filter(({ group, version }) => registered.has(`${group}/${version}`)), ...customResources(definitions)];
}
