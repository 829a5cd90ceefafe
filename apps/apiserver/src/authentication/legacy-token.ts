import { Secrets, ServiceAccounts } from '@orrery/api';
import type { Secret, ServiceAccount } from '@orrery/api/types';
import type { JWTPayload } from 'jose';
import { parseServiceAccountUser } from '../identity/claims.ts';
import { InvalidTokenError, type TokenIdentity, type TokenQuestion, sameSecret } from './bearer.ts';
import { accountUser, matchAudiences } from './bound-token.ts';
import { type TokenSettings, lookUp } from './token-objects.ts';

export const legacyIssuer = 'kubernetes/serviceaccount';
const lastUsedLabel = 'kubernetes.io/legacy-token-last-used';
const invalidSinceLabel = 'kubernetes.io/legacy-token-invalid-since';

interface Named {
  readonly namespace: string;
  readonly secret: string;
  readonly account: string;
  readonly uid: string;
}

function readClaims(payload: JWTPayload): Named {
  const claim = (name: string): string => String(payload[`kubernetes.io/serviceaccount/${name}`] ?? '');
  const named = { namespace: claim('namespace'), secret: claim('secret.name'), account: claim('service-account.name'), uid: claim('service-account.uid') };
  if (!payload.sub) throw new InvalidTokenError('sub claim is missing');
  if (!named.namespace) throw new InvalidTokenError('namespace claim is missing');
  if (!named.secret) throw new InvalidTokenError('secretName claim is missing');
  if (!named.account) throw new InvalidTokenError('serviceAccountName claim is missing');
  if (!named.uid) throw new InvalidTokenError('serviceAccountUID claim is missing');
  const subject = parseServiceAccountUser(payload.sub);
  if (subject?.namespace !== named.namespace || subject.name !== named.account) throw new InvalidTokenError('sub claim is invalid');
  return named;
}

function checkSecret(secret: Secret | undefined, token: string): Secret {
  if (!secret || secret.metadata?.deletionTimestamp) throw new InvalidTokenError('Token has been invalidated');
  if (!sameSecret(Buffer.from(secret.data?.['token'] ?? '', 'base64').toString(), token)) throw new InvalidTokenError("Token does not match server's copy");
  return secret;
}

function checkAccount(account: ServiceAccount | undefined, { namespace, account: name, uid }: Named): ServiceAccount {
  if (!account) throw new InvalidTokenError(`serviceaccounts ${JSON.stringify(name)} not found`);
  if (account.metadata?.deletionTimestamp) throw new InvalidTokenError(`ServiceAccount ${namespace}/${name} has been deleted`);
  const real = account.metadata?.uid ?? '';
  if (real !== uid) throw new InvalidTokenError(`ServiceAccount UID (${real}) does not match claim (${uid})`);
  return account;
}

/** Such tokens are tracked: the controller that cleans up looks for those nobody has used for a year. */
async function noteUse(settings: TokenSettings, { secret, account }: { secret: Secret; account: ServiceAccount }, question: TokenQuestion): Promise<void> {
  const { env, api } = settings.context;
  const { name = '', namespace = '', labels = {} } = secret.metadata ?? {};
  if (labels[invalidSinceLabel]) {
    question.annotate?.('authentication.k8s.io/legacy-token-invalidated', `${name}/${namespace}`);
    throw new InvalidTokenError(
      `the token in secret ${namespace}/${name} for service account ${namespace}/${account.metadata?.name ?? ''} has been marked invalid. Use tokens from the TokenRequest API or manually created secret-based tokens, or remove the '${invalidSinceLabel}' label from the secret to temporarily allow use of this token`,
    );
  }
  if (account.secrets?.some((ref) => ref.name === name)) {
    question.warn?.('Use tokens from the TokenRequest API or manually created secret-based tokens instead of auto-generated secret-based tokens.');
  }
  const today = new Date(env.clock.now()).toISOString().slice(0, 10);
  if (labels[lastUsedLabel] === today) return;
  try {
    await api.patch(Secrets, { namespace, name }, { metadata: { labels: { [lastUsedLabel]: today } } }, { type: 'application/merge-patch+json' });
  } catch (error) {
    // The token holds all the same; the next use tries again.
    env.log.warn('could not note the use of a legacy service account token', { secret: `${namespace}/${name}`, error });
  }
}

/** Tokens kept in secrets of type kubernetes.io/service-account-token: no expiry, good while the secret holds them. */
export async function identifyLegacy(settings: TokenSettings, held: { readonly token: string; readonly payload: JWTPayload }, question: TokenQuestion): Promise<TokenIdentity> {
  const named = readClaims(held.payload);
  const { namespace } = named;
  const audiences = matchAudiences(settings.apiAudiences, question.audiences);
  if (settings.lookup) {
    const secret = checkSecret(await lookUp(settings, Secrets, { namespace, name: named.secret }), held.token);
    const account = checkAccount(await lookUp(settings, ServiceAccounts, { namespace, name: named.account }), named);
    await noteUse(settings, { secret, account }, question);
  }
  question.annotate?.('authentication.k8s.io/legacy-token', String(held.payload.sub));
  settings.context.env.metrics.counter('serviceaccount_legacy_tokens_total', 'Cumulative legacy service account tokens used').inc();
  return { user: accountUser({ namespace, name: named.account, uid: named.uid }, {}), audiences };
}
