import { Nodes, Pods, Secrets, ServiceAccounts } from '@orrery/api';
import type { ServiceAccount } from '@orrery/api/types';
import type { KubeObject, ResourceRef } from '@orrery/apimachinery';
import { isNotFound } from '@orrery/errors';
import { type JWTPayload, decodeJwt, jwtVerify } from 'jose';
import { type KubernetesClaims, type TokenClaims, serviceAccountGroups, serviceAccountUser } from '../identity/claims.ts';
import type { TokenIssuer } from '../identity/token-issuer.ts';
import type { PluginContext, UserInfo } from '../pipeline/index.ts';
import { InvalidTokenError, type TokenIdentity, type TokenKind, sameSecret } from './bearer.ts';

const legacyIssuer = 'kubernetes/serviceaccount';
const maxVerified = 10_000;
/** Deleted objects vouch for their tokens a little longer, so that shutting down pods can still say goodbye. */
const deletionLeewayMs = 60_000;

interface Options {
  readonly context: Pick<PluginContext, 'read' | 'api' | 'env'>;
  readonly issuer: TokenIssuer;
  /** What the API server calls itself; tokens must be meant for one of these unless other audiences are asked. */
  readonly apiAudiences: readonly string[];
}

/** The object as the cache has it, or, when the cache does not know it yet, as the store has it. */
async function lookUp<T extends KubeObject>({ context }: Options, resource: ResourceRef<T>, key: { namespace?: string; name: string }): Promise<T | undefined> {
  const cached = context.read.get(resource, key);
  if (cached) return cached;
  try {
    return await context.api.get(resource, key);
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

async function mustExist<T extends KubeObject>(options: Options, resource: ResourceRef<T>, wanted: { namespace?: string; name: string; uid: string }): Promise<T> {
  const { uid, ...key } = wanted;
  const object = await lookUp(options, resource, key);
  const deleted = object?.metadata?.deletionTimestamp;
  if (!object || object.metadata?.uid !== uid) throw new InvalidTokenError(`service account token is bound to a ${resource.kind.toLowerCase()} that no longer exists`);
  if (deleted && Date.parse(deleted) + deletionLeewayMs < options.context.env.clock.now()) throw new InvalidTokenError('service account token has been invalidated');
  return object;
}

function extraOf(claims: KubernetesClaims, id: string): Record<string, string[]> {
  return {
    ...(id ? { 'authentication.kubernetes.io/credential-id': [`JTI=${id}`] } : {}),
    ...(claims.node ? { 'authentication.kubernetes.io/node-name': [claims.node.name], 'authentication.kubernetes.io/node-uid': [claims.node.uid] } : {}),
    ...(claims.pod ? { 'authentication.kubernetes.io/pod-name': [claims.pod.name], 'authentication.kubernetes.io/pod-uid': [claims.pod.uid] } : {}),
  };
}

function userOf(account: { namespace: string; name: string; uid: string }, extra: Record<string, string[]>): UserInfo {
  return {
    username: serviceAccountUser(account.namespace, account.name),
    uid: account.uid,
    groups: [...serviceAccountGroups(account.namespace), 'system:authenticated'],
    ...(Object.keys(extra).length ? { extra } : {}),
  };
}

async function identifyBound(options: Options, claims: TokenClaims, audiences: readonly string[]): Promise<TokenIdentity> {
  const matching = audiences.filter((audience) => claims.aud.includes(audience));
  if (!matching.length) throw new InvalidTokenError(`token audiences ${JSON.stringify(claims.aud)} is invalid for the target audiences ${JSON.stringify(audiences)}`);
  const nowSeconds = options.context.env.clock.now() / 1000;
  if (nowSeconds > claims.exp + 10) throw new InvalidTokenError('service account token has expired');
  if (nowSeconds < claims.nbf - 10) throw new InvalidTokenError('service account token is not valid yet');
  const bound = claims['kubernetes.io'];
  const { namespace } = bound;
  await mustExist(options, ServiceAccounts, { namespace, ...bound.serviceaccount });
  if (bound.pod) await mustExist(options, Pods, { namespace, ...bound.pod });
  if (bound.secret) await mustExist(options, Secrets, { namespace, ...bound.secret });
  if (bound.node && !bound.pod) await mustExist(options, Nodes, bound.node);
  return { user: userOf({ namespace, ...bound.serviceaccount }, extraOf(bound, claims.jti)), audiences: matching };
}

/** Tokens kept in secrets of type kubernetes.io/service-account-token: no expiry, good while the secret holds them. */
async function identifyLegacy(options: Options, token: string, payload: JWTPayload): Promise<TokenIdentity> {
  const claim = (name: string): string => String(payload[`kubernetes.io/serviceaccount/${name}`] ?? '');
  const namespace = claim('namespace');
  const account: ServiceAccount = await mustExist(options, ServiceAccounts, { namespace, name: claim('service-account.name'), uid: claim('service-account.uid') });
  const secret = await lookUp(options, Secrets, { namespace, name: claim('secret.name') });
  const stored = Buffer.from(secret?.data?.['token'] ?? '', 'base64').toString();
  if (!secret || secret.metadata?.deletionTimestamp || !sameSecret(stored, token)) throw new InvalidTokenError('token has been invalidated');
  return { user: userOf({ namespace, name: account.metadata?.name ?? '', uid: account.metadata?.uid ?? '' }, {}), audiences: options.apiAudiences };
}

/**
 * Service-account tokens. A signature is checked once a token; whether its objects still exist, its time and audience are
 * checked on every use.
 */
export function serviceAccountTokens(options: Options): TokenKind {
  const verified = new Map<string, JWTPayload>();
  const verify = async (token: string): Promise<JWTPayload> => {
    const known = verified.get(token);
    if (known) return known;
    const { publicKey, algorithm } = await options.issuer.keys();
    let payload: JWTPayload;
    try {
      // Times are checked against the server's own clock below.
      ({ payload } = await jwtVerify(token, publicKey, { algorithms: [algorithm], currentDate: new Date(((decodeJwt(token).nbf ?? 0) + 1) * 1000) }));
    } catch {
      throw new InvalidTokenError('invalid service account token signature');
    }
    if (verified.size >= maxVerified) verified.clear();
    verified.set(token, payload);
    return payload;
  };
  return {
    name: 'ServiceAccount',
    async identify(token, audiences) {
      const issuer = issuerOf(token);
      if (issuer !== options.issuer.issuer && issuer !== legacyIssuer) return undefined;
      const payload = await verify(token);
      if (issuer === legacyIssuer) return identifyLegacy(options, token, payload);
      const audience = typeof payload.aud === 'string' ? [payload.aud] : (payload.aud ?? []);
      return identifyBound(options, { ...payload, aud: audience } as unknown as TokenClaims, audiences);
    },
  };
}

function issuerOf(token: string): string | undefined {
  try {
    return decodeJwt(token).iss;
  } catch {
    return undefined;
  }
}
