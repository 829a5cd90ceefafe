import { Nodes, Pods, Secrets } from '@orrery/api';
import type { BoundObjectReference, Pod } from '@orrery/api/types';
import { badRequest, conflict, internalError, isNotFound } from '@orrery/errors';
import type { PluginContext } from '../pipeline/index.ts';
import type { BoundNode, BoundObject, KubernetesClaims } from './claims.ts';

type Context = Pick<PluginContext, 'api' | 'read'>;

/** For whom a token is asked, and what it shall be bound to. */
export interface Binding {
  readonly account: string;
  readonly namespace: string;
  readonly ref: BoundObjectReference;
}

export const boundTo = (object: { metadata?: { name?: string; uid?: string } }): BoundObject => ({ name: object.metadata?.name ?? '', uid: object.metadata?.uid ?? '' });

/** Where a pod runs; by name alone when there is no such Node. */
async function nodeOf({ api, read }: Context, name: string): Promise<BoundNode> {
  const cached = read.get(Nodes, { name });
  if (cached) return boundTo(cached);
  try {
    return boundTo(await api.get(Nodes, { name }));
  } catch (error) {
    if (isNotFound(error)) return { name };
    throw internalError(error);
  }
}

/** The pod of that uid which runs on a node never has another account or node, so it may come from a cache that is a moment behind. */
async function podOf({ api, read }: Context, { namespace, ref }: Binding): Promise<Pod> {
  const { name = '', uid } = ref;
  const cached = uid ? read.get(Pods, { namespace, name }) : undefined;
  return cached?.metadata?.uid === uid && cached?.spec?.nodeName ? cached : api.get(Pods, { namespace, name });
}

async function podClaims(context: Context, binding: Binding): Promise<Pick<KubernetesClaims, 'pod' | 'node'>> {
  const { account } = binding;
  const pod = await podOf(context, binding);
  if ((pod.spec?.serviceAccountName ?? '') !== account) {
    throw badRequest(`cannot bind token for serviceaccount ${JSON.stringify(account)} to pod running with different serviceaccount name.`);
  }
  const nodeName = pod.spec?.nodeName;
  return { pod: boundTo(pod), ...(nodeName ? { node: await nodeOf(context, nodeName) } : {}) };
}

async function claimsOf(context: Context, binding: Binding): Promise<Pick<KubernetesClaims, 'pod' | 'secret' | 'node'>> {
  const { namespace, ref } = binding;
  const { name = '', kind = '', apiVersion = '' } = ref;
  const [group = '', version = ''] = apiVersion.includes('/') ? apiVersion.split('/') : ['', apiVersion];
  if (group === '' && kind === 'Pod') return podClaims(context, binding);
  if (group === '' && kind === 'Node') return { node: boundTo(await context.api.get(Nodes, { name })) };
  if (group === '' && kind === 'Secret') return { secret: boundTo(await context.api.get(Secrets, { namespace, name })) };
  throw badRequest(`cannot bind token to object of type ${group}/${version}, Kind=${kind}`);
}

/** Resolves what a token shall be bound to. Throws 404 for what is not there, 409 for another uid, 400 for kinds that cannot be bound to. */
export async function boundClaims(context: Context, binding: Binding): Promise<Pick<KubernetesClaims, 'pod' | 'secret' | 'node'>> {
  const claims = await claimsOf(context, binding);
  const { kind = '', name = '', uid: asked } = binding.ref;
  const { uid } = (claims.pod ?? claims.secret ?? claims.node) as BoundNode;
  if (asked && uid !== asked) {
    throw conflict({ group: '', resource: kind, name }, `the UID in the bound object reference (${asked}) does not match the UID in record. The object might have been deleted and then recreated`);
  }
  return claims;
}
