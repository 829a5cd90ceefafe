import { Nodes, Pods, Secrets, ServiceAccounts } from '@orrery/api';
import type { ServiceAccount, TokenRequest } from '@orrery/api/types';
import { type StatusError, badRequest, conflict, fieldError, invalid, notFound } from '@orrery/errors';
import { rfc3339 } from '@orrery/runtime';
import type { PluginContext, ReviewHandler, ReviewRequest } from '../pipeline/index.ts';
import type { BoundObject, KubernetesClaims } from './claims.ts';
import type { TokenIssuer } from './token-issuer.ts';

const minSeconds = 600;
const maxSeconds = 2 ** 32;
const defaultSeconds = 3600;
/** What kubelets ask for by default; such tokens live a year and only warn from then on, for clients that do not reread them. */
const warnOnlySeconds = 3607;
const extendedSeconds = 365 * 24 * 3600;

interface Options {
  readonly context: Pick<PluginContext, 'api' | 'read' | 'env'>;
  readonly issuer: TokenIssuer;
  readonly apiAudiences: readonly string[];
}

function checkSpec(request: TokenRequest, name: string): number {
  const seconds = request.spec?.expirationSeconds ?? defaultSeconds;
  const errors = [];
  if (seconds < minSeconds) errors.push(fieldError.invalid('spec.expirationSeconds', seconds, 'may not specify a duration less than 10 minutes'));
  if (seconds > maxSeconds) errors.push(fieldError.invalid('spec.expirationSeconds', seconds, 'may not specify a duration larger than 2^32 seconds'));
  if (errors.length) throw invalid({ group: 'authentication.k8s.io', kind: 'TokenRequest', name }, errors);
  return seconds;
}

function uidMismatch(resource: string, name: string, uids: { asked: string; real: string }): StatusError {
  return conflict({ group: '', resource, name }, `the UID in the bound object reference (${uids.asked}) does not match the UID in record. The object might have been deleted and then recreated`);
}

const bound = (object: { metadata?: { name?: string; uid?: string } }): BoundObject => ({ name: object.metadata?.name ?? '', uid: object.metadata?.uid ?? '' });

/** Resolves what the token shall be bound to. */
async function boundClaims(options: Options, request: ReviewRequest): Promise<Pick<KubernetesClaims, 'pod' | 'secret' | 'node'>> {
  const { api, read } = options.context;
  const ref = (request.object as TokenRequest).spec?.boundObjectRef;
  if (!ref) return {};
  const { name = '', kind = '', apiVersion = '' } = ref;
  const { namespace } = request;
  const check = (resource: string, uid: string | undefined): void => {
    if (ref.uid && ref.uid !== uid) throw uidMismatch(resource, name, { asked: ref.uid, real: uid ?? '' });
  };
  switch (`${apiVersion}/${kind}`) {
    case 'v1/Pod': {
      const pod = await api.get(Pods, { namespace, name });
      check('pods', pod.metadata?.uid);
      if ((pod.spec?.serviceAccountName ?? '') !== request.name) {
        throw badRequest(`cannot bind token for serviceaccount ${JSON.stringify(request.name)} to pod running with different serviceaccount name.`);
      }
      const node = pod.spec?.nodeName ? read.get(Nodes, { name: pod.spec.nodeName }) : undefined;
      return { pod: bound(pod), ...(node ? { node: bound(node) } : {}) };
    }
    case 'v1/Node': {
      const node = await api.get(Nodes, { name });
      check('nodes', node.metadata?.uid);
      return { node: bound(node) };
    }
    case 'v1/Secret': {
      const secret = await api.get(Secrets, { namespace, name });
      check('secrets', secret.metadata?.uid);
      return { secret: bound(secret) };
    }
    default:
      throw badRequest(`cannot bind token to object of type ${apiVersion}, Kind=${kind}`);
  }
}

async function serviceAccount({ context }: Options, request: ReviewRequest): Promise<ServiceAccount> {
  const { namespace, name } = request;
  const account = context.read.get(ServiceAccounts, { namespace, name }) ?? (await context.api.get(ServiceAccounts, { namespace, name }));
  if (account.metadata?.deletionTimestamp) throw notFound({ group: '', resource: 'serviceaccounts', name });
  return account;
}

function checkIdentity(request: ReviewRequest): void {
  const { metadata = {} } = request.object as TokenRequest;
  if (metadata.name && metadata.name !== request.name) throw badRequest(`metadata.name: Invalid value: ${JSON.stringify(metadata.name)}: must match the service account name`);
  if (metadata.namespace && metadata.namespace !== request.namespace) throw badRequest(`metadata.namespace: Invalid value: ${JSON.stringify(metadata.namespace)}: must match the service account namespace`);
}

/** POST serviceaccounts/NAME/token. */
export function tokenRequests(options: Options): ReviewHandler {
  const { env } = options.context;
  return {
    group: '',
    resource: 'serviceaccounts',
    subresource: 'token',
    async create(request) {
      const { object, namespace, name } = request;
      const seconds = checkSpec(object as TokenRequest, name);
      checkIdentity(request);
      const account = await serviceAccount(options, request);
      const asked = ((object as TokenRequest).spec?.audiences ?? []).filter((audience) => audience !== '');
      const audiences = asked.length ? asked : options.apiAudiences;
      const binding = await boundClaims(options, request);
      const nowSeconds = Math.floor(env.clock.now() / 1000);
      const extended = seconds === warnOnlySeconds && binding.pod !== undefined && audiences.every((audience) => options.apiAudiences.includes(audience));
      const claims: KubernetesClaims = { namespace, serviceaccount: bound(account), ...binding, ...(extended ? { warnafter: nowSeconds + seconds } : {}) };
      const token = await options.issuer.issue({ claims, audiences, nowSeconds, lifetimeSeconds: extended ? extendedSeconds : seconds, id: env.random.uuid() });
      const metadata = { ...(object as TokenRequest).metadata, name, namespace, creationTimestamp: rfc3339(env.clock.now()) };
      return { ...object, metadata, spec: { ...(object as TokenRequest).spec, audiences, expirationSeconds: seconds }, status: { token, expirationTimestamp: rfc3339((nowSeconds + seconds) * 1000) } };
    },
  };
}

