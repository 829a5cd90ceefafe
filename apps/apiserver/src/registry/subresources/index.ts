import { invalid, methodNotSupported } from '@orrery/errors';
import { admission } from '../admission-chain.ts';
import { get } from '../get.ts';
import { asDraft, matchNamespace } from '../metadata.ts';
import { type Registry, type RequestScope, subjectOf } from '../registry.ts';
import { bind } from './binding.ts';
import { evict } from './eviction.ts';
import type { SubresourceHandler, SubresourceInput } from './handler.ts';
import { getScale } from './scale.ts';

export type { SubresourceInput } from './handler.ts';

/** By resource of the core group, then subresource; an empty one is the resource itself. */
const handlers: Readonly<Record<string, SubresourceHandler>> = { 'pods/binding': bind, 'bindings/': bind, 'pods/eviction': evict };

/** POST to a subresource, or to a resource that stores nothing: bindings, evictions, token requests, reviews. */
export async function createInSubresource(registry: Registry, scope: RequestScope, input: SubresourceInput): Promise<object> {
  const { info } = scope;
  scope.audit?.request(input.object);
  const own = info.group === '' ? handlers[`${info.resource}/${info.subresource}`] : undefined;
  if (own) return own(registry, scope, input);
  const review = registry.reviews.find((r) => r.group === info.group && r.resource === info.resource && r.subresource === info.subresource);
  if (!review) throw methodNotSupported(subjectOf(scope), info.verb);
  if (info.subresource) await admitReview(registry, scope, input);
  if (info.subresource === '') {
    matchNamespace(scope, asDraft(scope.kind, input.object));
    scope.kind.defaults(input.object);
    const errors = scope.kind.validate(input.object);
    if (errors.length) throw invalid({ group: info.group, kind: scope.kind.kind, name: '' }, errors);
  }
  return review.create({ user: scope.user, namespace: info.namespace, name: info.name, object: input.object, dryRun: input.options.dryRun, warn: (text) => scope.warn(text), annotate: (key, value) => scope.annotate(key, value) });
}

/** A question about a stored object (a token for a service account) is admitted like a write to it. */
async function admitReview(registry: Registry, scope: RequestScope, input: SubresourceInput): Promise<void> {
  const { name, subresource } = scope.info;
  const { group = scope.kind.group, version = scope.kind.version, kind = scope.kind.kind } = scope.kind.subresources.find((one) => one.name === subresource) ?? {};
  const check = admission(registry, scope, { operation: 'CREATE', object: input.object, oldObject: undefined, name, options: input.options, subresource, objectKind: { group, version, kind } });
  await check.admit();
  await check.validate();
}

/** GET of a subresource: of all but scale, the object itself. */
export async function getSubresource(registry: Registry, scope: RequestScope): Promise<object> {
  if (scope.info.subresource === 'scale') return getScale(registry, scope);
  return (await get(registry, scope)).object as object;
}

/** True for kinds that are answered, not stored. */
export function isVirtual(kind: { readonly verbs: readonly string[] }): boolean {
  return !kind.verbs.includes('get');
}
