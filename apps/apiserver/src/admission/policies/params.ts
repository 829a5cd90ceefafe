import type { KindDescriptor } from '@orrery/api';
import type { ParamKind, ParamRef } from '@orrery/api/types';
import { type KubeObject, type LabelSelectorObject, type ResourceRef, selectorFromObject } from '@orrery/apimachinery';
import { isNotFound } from '@orrery/errors';
import type { PluginContext } from '../../pipeline/index.ts';

/** The policy or its binding is not set up in a way that can be evaluated; the message is upstream's. */
export class ConfigurationError extends Error {}

type Needs = Pick<PluginContext, 'read' | 'kinds' | 'api'>;

/** The kind of a policy's params; undefined when it takes none. Throws ConfigurationError. */
export function paramKindOf(kind: ParamKind | undefined, kinds: Needs['kinds']): KindDescriptor | undefined {
  if (!kind) return undefined;
  const { apiVersion = '', kind: name = '' } = kind;
  const [group = '', version = ''] = apiVersion.includes('/') ? apiVersion.split('/') : ['', apiVersion];
  const found = kinds.byKind(group, version, name);
  if (!found) throw new ConfigurationError(`failed to find resource referenced by paramKind: '${group ? `${group}/` : '/'}${version}, Kind=${name}'`);
  return found;
}

const refOf = ({ group, version, resource, kind, namespaced }: KindDescriptor): ResourceRef => ({ group, version, resource, kind, namespaced });

/** By name; the cache may be behind for a moment, so what is not there is asked for. */
async function named(kind: KindDescriptor, key: { namespace: string; name: string }, { read, api }: Needs): Promise<KubeObject[]> {
  const ref = refOf(kind);
  const where = { name: key.name, ...(kind.namespaced ? { namespace: key.namespace } : {}) };
  // What a conversion webhook must be asked for is not in the cache.
  const cached = kind.storedAs?.conversion ? undefined : read.get(ref, where);
  if (cached) return [cached];
  try {
    return [await api.get(ref, where as { namespace: string; name: string })];
  } catch (error) {
    if (isNotFound(error)) return [];
    throw error;
  }
}

async function listed(kind: KindDescriptor, namespace: string, { read, api }: Needs): Promise<readonly KubeObject[]> {
  return kind.storedAs?.conversion ? (await api.list(refOf(kind), { namespace })).items : read.list(refOf(kind), namespace);
}

function scopeOf(kind: KindDescriptor, ref: ParamRef, namespace: string): string {
  if (!kind.namespaced) {
    if (ref.namespace) throw new ConfigurationError('paramRef.namespace must not be provided for a cluster-scoped `paramKind`');
    return '';
  }
  if (ref.namespace || namespace) return ref.namespace || namespace;
  throw new ConfigurationError('cannot use namespaced paramRef in policy binding that matches cluster-scoped resources');
}

/**
 * The params that a binding gives a policy of `kind`, for a write in `namespace`: the policy is evaluated once for each,
 * and once without (undefined) when it takes none or gets none. Throws ConfigurationError.
 */
export async function collectParams(kind: KindDescriptor | undefined, ref: ParamRef | undefined, { namespace, needs }: { namespace: string; needs: Needs }): Promise<(KubeObject | undefined)[]> {
  if (!kind || !ref) return [undefined];
  const from = scopeOf(kind, ref, namespace);
  const found = ref.name
    ? await named(kind, { namespace: from, name: ref.name }, needs)
    : (await listed(kind, from, needs)).filter((one) => selectorFromObject(ref.selector as LabelSelectorObject).matches(one.metadata?.labels));
  if (!found.length && ref.parameterNotFoundAction === 'Deny') throw new ConfigurationError('no params found for policy binding with `Deny` parameterNotFoundAction');
  return [...found];
}
