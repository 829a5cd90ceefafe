import { ServiceAccounts } from '@orrery/api';
import type { TokenRequest } from '@orrery/api/types';
import { type FieldError, fieldError, invalid } from '@orrery/errors';
import { rfc3339 } from '@orrery/runtime';
import type { PluginContext, ReviewHandler, ReviewRequest } from '../pipeline/index.ts';
import { boundClaims, boundTo } from './bound-object.ts';
import type { KubernetesClaims } from './claims.ts';
import type { TokenIssuer } from './token-issuer.ts';

const minSeconds = 600;
const maxSeconds = 2 ** 32;
const defaultSeconds = 3600;
/** What kubelets ask for by default; such tokens live a year and only warn from then on, for clients that do not reread them. */
const warnOnlySeconds = 3607;
const extendedSeconds = 365 * 24 * 3600;

/** How the server issues tokens. */
export interface TokenRequestSettings {
  readonly context: Pick<PluginContext, 'api' | 'read' | 'env'>;
  readonly issuer: TokenIssuer;
  readonly apiAudiences: readonly string[];
  /** Longest life of a token; 0 for no limit. */
  readonly maxLifeSeconds: number;
  /** Let the tokens of pods live on for a year, with a warning time. */
  readonly extend: boolean;
}

function refuse(name: string, ...errors: FieldError[]): void {
  if (errors.length) throw invalid({ group: 'authentication.k8s.io', kind: 'TokenRequest', name }, errors);
}

function checkIdentity({ object, name, namespace }: ReviewRequest): void {
  const { metadata = {} } = object as TokenRequest;
  if (metadata.name && metadata.name !== name) refuse(name, fieldError.invalid('metadata.name', metadata.name, 'must match the service account name if specified'));
  if (metadata.namespace && metadata.namespace !== namespace) refuse(name, fieldError.invalid('metadata.namespace', metadata.namespace, 'must match the service account namespace if specified'));
}

function lifeOf({ object, warn }: ReviewRequest, maxLifeSeconds: number): number {
  const seconds = (object as TokenRequest).spec?.expirationSeconds ?? defaultSeconds;
  const at = 'spec.expirationSeconds';
  if (seconds < minSeconds) refuse('', fieldError.invalid(at, seconds, 'may not specify a duration less than 10 minutes'));
  if (seconds > maxSeconds) refuse('', fieldError.invalid(at, seconds, 'may not specify a duration larger than 2^32 seconds'));
  if (!maxLifeSeconds || seconds <= maxLifeSeconds) return seconds;
  warn?.(`requested expiration of ${seconds} seconds shortened to ${maxLifeSeconds} seconds`);
  return maxLifeSeconds;
}

/** POST serviceaccounts/NAME/token. */
export function tokenRequests(settings: TokenRequestSettings): ReviewHandler {
  const { context, apiAudiences } = settings;
  const { env, read, api } = context;
  return {
    group: '',
    resource: 'serviceaccounts',
    subresource: 'token',
    async create(request) {
      const { namespace, name } = request;
      const object = request.object as TokenRequest;
      checkIdentity(request);
      const account = read.get(ServiceAccounts, { namespace, name }) ?? (await api.get(ServiceAccounts, { namespace, name }));
      const asked = lifeOf(request, settings.maxLifeSeconds);
      const audiences = object.spec?.audiences?.length ? object.spec.audiences : [...apiAudiences];
      const ref = object.spec?.boundObjectRef;
      const binding = ref ? await boundClaims(context, { account: name, namespace, ref }) : {};
      const nowSeconds = Math.floor(env.clock.now() / 1000);
      const extended = settings.extend && asked === warnOnlySeconds && binding.pod !== undefined && audiences.every((audience) => apiAudiences.includes(audience));
      const claims: KubernetesClaims = { namespace, serviceaccount: boundTo(account), ...binding, ...(extended ? { warnafter: nowSeconds + asked } : {}) };
      const id = env.random.uuid();
      const token = await settings.issuer.issue({ claims, audiences, nowSeconds, lifetimeSeconds: extended ? extendedSeconds : asked, id });
      request.annotate?.('authentication.kubernetes.io/issued-credential-id', `JTI=${id}`);
      const metadata = { ...object.metadata, name, namespace, creationTimestamp: rfc3339(env.clock.now()) };
      return { ...object, metadata, spec: { ...object.spec, audiences, expirationSeconds: asked }, status: { token, expirationTimestamp: rfc3339((nowSeconds + asked) * 1000) } };
    },
  };
}
