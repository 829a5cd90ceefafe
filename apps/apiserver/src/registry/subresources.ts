import type { KubeObject } from '@orrery/apimachinery';
import { methodNotSupported } from '@orrery/errors';
import { get } from './get.ts';
import { type Registry, type RequestScope, type WriteOptions, subjectOf } from './registry.ts';

export interface SubresourceInput {
  /** The caller's to give away. */
  readonly object: KubeObject;
  readonly options: WriteOptions;
}

/** POST to a subresource: bindings, evictions, token requests. */
export async function createInSubresource(registry: Registry, scope: RequestScope, input: SubresourceInput): Promise<object> {
  const { info } = scope;
  const review = registry.reviews.find((r) => r.group === info.group && r.resource === info.resource && r.subresource === info.subresource);
  if (!review) throw methodNotSupported(subjectOf(scope), info.verb);
  return review.create({ user: scope.user, namespace: info.namespace, name: info.name, object: input.object, dryRun: input.options.dryRun });
}

/** GET of a subresource: of most the object itself. */
export async function getSubresource(registry: Registry, scope: RequestScope): Promise<object> {
  return (await get(registry, scope)).object as object;
}
