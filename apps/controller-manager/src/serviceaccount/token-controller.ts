import { Secrets, ServiceAccounts } from '@orrery/api';
import type { Secret, ServiceAccount } from '@orrery/api/types';
import { keyOf } from '@orrery/client';
import { type AnyController, type ControllerContext, defineController, watch } from '@orrery/controller';
import { StatusError, isNotFound } from '@orrery/errors';
import type { SecretTokenSigner } from './token-signer.ts';

export const tokenType = 'kubernetes.io/service-account-token';
export const accountNameAnnotation = 'kubernetes.io/service-account.name';
const accountUidAnnotation = 'kubernetes.io/service-account.uid';

export interface TokenOptions {
  readonly signer: SecretTokenSigner;
  /** Given to the holders of tokens, to verify the API server with. */
  readonly rootCaPem?: string | undefined;
}

const encode = (text: string): string => Buffer.from(text).toString('base64');

/** The account a token Secret is for, if that lives; one named by UID must be that very one. */
export function accountOf(secret: Secret, account: ServiceAccount | undefined): ServiceAccount | undefined {
  const { [accountNameAnnotation]: name, [accountUidAnnotation]: uid } = secret.metadata?.annotations ?? {};
  if (!account || !name || account.metadata?.name !== name) return undefined;
  return uid && uid !== account.metadata.uid ? undefined : account;
}

/** What a token Secret lacks; undefined when it is complete. */
export function plan(secret: Secret, rootCaPem: string | undefined): { token: boolean; data: Record<string, string> } | undefined {
  const { data = {} } = secret;
  const missing: Record<string, string> = {};
  if (rootCaPem && data['ca.crt'] !== encode(rootCaPem)) missing['ca.crt'] = encode(rootCaPem);
  if (!data['namespace']) missing['namespace'] = encode(secret.metadata?.namespace ?? '');
  const token = !data['token'];
  return token || Object.keys(missing).length ? { token, data: missing } : undefined;
}

const removedPrefix = 'removed:';

async function fill(context: ControllerContext, key: { namespace: string; name: string }, account: ServiceAccount, options: TokenOptions): Promise<void> {
  // The cache may be old, and a token that is there must stay.
  const live = await context.api.get(Secrets, key);
  const wanted = accountOf(live, account) && plan(live, options.rootCaPem);
  if (!wanted) return;
  const { name = '', uid = '' } = account.metadata ?? {};
  const token: Record<string, string> = wanted.token ? { token: encode(await options.signer.sign({ namespace: key.namespace, secret: key.name, account: name, accountUid: uid })) } : {};
  const annotations = { ...live.metadata?.annotations, [accountNameAnnotation]: name, [accountUidAnnotation]: uid };
  await context.api.update(Secrets, { ...live, metadata: { ...live.metadata, annotations }, data: { ...live.data, ...wanted.data, ...token } });
}

/** An account asked for because the cache does not know it. */
async function liveAccount(context: ControllerContext, secret: Secret): Promise<ServiceAccount | undefined> {
  const name = secret.metadata?.annotations?.[accountNameAnnotation];
  if (!name) return undefined;
  try {
    return accountOf(secret, await context.api.get(ServiceAccounts, { namespace: secret.metadata?.namespace ?? '', name }));
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

async function syncSecret(key: string, context: ControllerContext, options: TokenOptions): Promise<void> {
  const secret = context.store(Secrets).get(key);
  if (secret?.type !== tokenType || secret.metadata?.deletionTimestamp) return;
  const { namespace = '', name = '', uid, annotations } = secret.metadata ?? {};
  const known = accountOf(secret, context.store(ServiceAccounts).get(`${namespace}/${annotations?.[accountNameAnnotation] ?? ''}`));
  const account = known ?? (await liveAccount(context, secret));
  try {
    if (!account) await context.api.delete(Secrets, { namespace, name }, uid ? { preconditions: { uid } } : {});
    else if (plan(secret, options.rootCaPem)) await fill(context, { namespace, name }, account, options);
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}

/** Takes the name of a token Secret that is gone off its account. */
async function dropReference(key: string, context: ControllerContext): Promise<void> {
  const [namespace = '', accountName = '', secret = ''] = key.split('/');
  if (context.store(Secrets).has(`${namespace}/${secret}`)) return;
  const account = context.store(ServiceAccounts).get(`${namespace}/${accountName}`);
  if (!account?.secrets?.some((ref) => ref.name === secret)) return;
  try {
    await context.api.update(ServiceAccounts, { ...account, secrets: account.secrets.filter((ref) => ref.name !== secret) });
  } catch (error) {
    if (!isNotFound(error) && !(error instanceof StatusError && error.code === 409 && error.message.includes('UID'))) throw error;
  }
}

function* secretsOf(account: ServiceAccount, { store }: Pick<ControllerContext, 'store'>): Iterable<string> {
  for (const secret of store(Secrets).byIndex('namespace', account.metadata?.namespace ?? '')) {
    if (secret.type === tokenType && secret.metadata?.annotations?.[accountNameAnnotation] === account.metadata?.name) yield keyOf(secret);
  }
}

/** Fills Secrets of type kubernetes.io/service-account-token, and deletes them with their account. */
export function tokenController(options: TokenOptions): AnyController {
  return defineController({
    name: 'serviceaccount-token-controller',
    queue: 'serviceaccount_tokens_secret',
    // As upstream's it acts for the manager itself: it fills what accounts are known by.
    account: '',
    watches: [
      watch(Secrets, ({ object, gone }) => {
        if (object.type !== tokenType) return [];
        if (!gone) return [keyOf(object)];
        const { namespace = '', name = '', annotations } = object.metadata ?? {};
        return [`${removedPrefix}${namespace}/${annotations?.[accountNameAnnotation] ?? ''}/${name}`];
      }),
      watch(ServiceAccounts, ({ object, old, gone }, context) => (gone || !old ? secretsOf(object, context) : [])),
    ],
    reconcile: (key, context) => (key.startsWith(removedPrefix) ? dropReference(key.slice(removedPrefix.length), context) : syncSecret(key, context, options)),
  });
}
