import type { CrossVersionObjectReference, CustomResourceDefinition, Scale } from '@orrery/api/types';
import type { ResourceRef } from '@orrery/apimachinery';
import type { ApiClient } from '@orrery/client';
import { StatusError } from '@orrery/errors';
import { allResources } from '../resources/catalog.ts';
import { groupOf } from './metrics-client.ts';

/** Why the scale of a target is not to be had. */
export class ScaleError extends Error {}

/** What the autoscaler says of its target cannot mean anything. */
export class TargetReferenceError extends ScaleError {}

/** The resources of a kind, built in or custom, of a group. */
export function resourcesOfKind(reference: CrossVersionObjectReference, definitions: Iterable<CustomResourceDefinition>): ResourceRef[] {
  const group = groupOf(reference);
  return allResources(definitions).filter((ref) => ref.kind === reference.kind && ref.group === group);
}

export interface FoundScale {
  readonly scale: Scale;
  readonly resource: ResourceRef;
}

/** The scale of what an autoscaler names, by whichever resource has one. Throws ScaleError. */
export async function readScale(api: ApiClient, target: { readonly namespace: string; readonly reference: CrossVersionObjectReference }, definitions: Iterable<CustomResourceDefinition>): Promise<FoundScale> {
  const { namespace, reference } = target;
  const { apiVersion = '', kind, name } = reference;
  if (apiVersion.split('/').length > 2) throw new TargetReferenceError(`unexpected GroupVersion string: ${apiVersion}`);
  const resources = resourcesOfKind(reference, definitions);
  if (resources.length === 0) throw new ScaleError(`no matches for kind ${JSON.stringify(kind)} in group ${JSON.stringify(groupOf(reference))}`);
  let first: StatusError | undefined;
  for (const resource of resources) {
    try {
      return { resource, scale: (await api.get(resource, { namespace, name }, { subresource: 'scale' })) as Scale };
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      first ??= error;
    }
  }
  throw new ScaleError(first?.message ?? 'unrecognized resource');
}

/** Sets the size. Rejects with a StatusError. */
export async function writeScale(api: ApiClient, { scale, resource }: FoundScale, replicas: number): Promise<void> {
  await api.update(resource, { ...scale, spec: { ...scale.spec, replicas } } as Scale, { subresource: 'scale' });
}
