import { Nodes, Pods, Secrets, ServiceAccounts } from '@orrery/api';
import type { KubeObject, ResourceRef } from '@orrery/apimachinery';
import { type BoundNode, type BoundObject, type KubernetesClaims, type TokenClaims, serviceAccountGroups, serviceAccountUser } from '../identity/claims.ts';
import type { UserInfo } from '../pipeline/index.ts';
import { InvalidTokenError, type TokenIdentity, type TokenQuestion } from './bearer.ts';
import { type TokenSettings, isGone, lookUp } from './token-objects.ts';

/** Clocks of servers may differ by this much (that of the JWT library upstream uses). */
const leewaySeconds = 60;

const goList = (values: readonly string[]): string => `[${values.map((value) => JSON.stringify(value)).join(' ')}]`;

async function checkAccount(settings: TokenSettings, namespace: string, account: BoundObject): Promise<void> {
  const object = await lookUp(settings, ServiceAccounts, { namespace, name: account.name });
  if (!object) throw new InvalidTokenError(`serviceaccounts ${JSON.stringify(account.name)} not found`);
  if (isGone(settings, object)) throw new InvalidTokenError(`service account ${namespace}/${account.name} has been deleted`);
  const uid = object.metadata?.uid ?? '';
  if (uid !== account.uid) throw new InvalidTokenError(`service account UID (${uid}) does not match claim (${account.uid})`);
}

interface Vouching<T extends KubeObject> {
  readonly resource: ResourceRef<T>;
  readonly namespace?: string;
  readonly bound: BoundNode;
  /** As messages name it. */
  readonly what: string;
}

/** The object that a token is bound to must still be the same. */
async function checkBound<T extends KubeObject>(settings: TokenSettings, { resource, namespace, bound, what }: Vouching<T>): Promise<void> {
  const object = await lookUp(settings, resource, { ...(namespace ? { namespace } : {}), name: bound.name });
  if (!object || isGone(settings, object)) throw new InvalidTokenError('service account token has been invalidated');
  const uid = object.metadata?.uid ?? '';
  if (uid !== (bound.uid ?? '')) throw new InvalidTokenError(`${what} UID (${uid}) does not match service account ${what} ref claim (${bound.uid ?? ''})`);
}

function extraOf({ node, pod }: KubernetesClaims, id: string): Record<string, string[]> {
  const name = 'authentication.kubernetes.io';
  return {
    ...(id ? { [`${name}/credential-id`]: [`JTI=${id}`] } : {}),
    ...(node?.name ? { [`${name}/node-name`]: [node.name], ...(node.uid ? { [`${name}/node-uid`]: [node.uid] } : {}) } : {}),
    ...(pod ? { [`${name}/pod-name`]: [pod.name], [`${name}/pod-uid`]: [pod.uid] } : {}),
  };
}

/** The user that a service account acts as. */
export function accountUser(account: { namespace: string; name: string; uid: string }, extra: Record<string, string[]>): UserInfo {
  return {
    username: serviceAccountUser(account.namespace, account.name),
    uid: account.uid,
    groups: [...serviceAccountGroups(account.namespace), 'system:authenticated'],
    ...(Object.keys(extra).length ? { extra } : {}),
  };
}

/** Which of the asked audiences a token is for. */
export function matchAudiences(meant: readonly string[], asked: readonly string[]): string[] {
  const matching = asked.filter((audience) => meant.includes(audience));
  if (!matching.length) throw new InvalidTokenError(`token audiences ${goList(meant)} is invalid for the target audiences ${goList(asked)}`);
  return matching;
}

/** Counts and notes tokens that live on only because their time was extended. */
function noteStale(settings: TokenSettings, claims: TokenClaims, question: TokenQuestion): void {
  const { warnafter } = claims['kubernetes.io'];
  if (!warnafter) return;
  const { clock, metrics } = settings.context.env;
  const late = Math.floor(clock.now() / 1000) - warnafter;
  if (late <= 0) return metrics.counter('serviceaccount_valid_tokens_total', 'Cumulative valid projected service account tokens used').inc();
  metrics.counter('serviceaccount_stale_tokens_total', 'Cumulative stale projected service account tokens used').inc();
  question.annotate?.('authentication.k8s.io/stale-token', `subject: ${claims.sub}, seconds after warning threshold: ${late}`);
}

/** Checks everything about a bound token but its signature; the messages are upstream's. */
export async function identifyBound(settings: TokenSettings, claims: TokenClaims, question: TokenQuestion): Promise<TokenIdentity> {
  const audiences = matchAudiences(claims.aud, question.audiences);
  const nowSeconds = settings.context.env.clock.now() / 1000;
  if (nowSeconds - leewaySeconds > claims.exp) throw new InvalidTokenError('service account token has expired');
  if (nowSeconds + leewaySeconds < claims.nbf) throw new InvalidTokenError('service account token is not valid yet');
  const bound = claims['kubernetes.io'];
  const { namespace } = bound;
  await checkAccount(settings, namespace, bound.serviceaccount);
  if (bound.secret) await checkBound(settings, { resource: Secrets, namespace, bound: bound.secret, what: 'secret' });
  if (bound.pod) await checkBound(settings, { resource: Pods, namespace, bound: bound.pod, what: 'pod' });
  // Of a token bound to a pod the node only tells where the pod was.
  if (bound.node && !bound.pod) await checkBound(settings, { resource: Nodes, bound: bound.node, what: 'node' });
  noteStale(settings, claims, question);
  return { user: accountUser({ namespace, ...bound.serviceaccount }, extraOf(bound, claims.jti)), audiences };
}
