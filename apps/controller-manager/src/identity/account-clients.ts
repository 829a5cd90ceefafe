import { ServiceAccounts } from '@orrery/api';
import type { ApiClient, WatchOptions, WatchSink } from '@orrery/client';
import type { KubeObject, ResourceRef } from '@orrery/apimachinery';
import { StatusError, isAlreadyExists, isNotFound } from '@orrery/errors';
import type { Env } from '@orrery/runtime';

const namespace = 'kube-system';
/** What is asked for; the server may give another time. */
const lifetimeSeconds = 3600;
/** Share of its life after which a token is replaced, as client-go's accounts do. */
const renewAfter = 0.8;

export interface AccountClientsOptions {
  /** Of the manager itself, which may create accounts and their tokens. */
  readonly api: ApiClient;
  readonly env: Pick<Env, 'clock'>;
  /** A client that shows the token it is given by each call. */
  readonly connect: (token: () => string) => ApiClient;
}

interface TokenAnswer {
  readonly status?: { readonly token?: string; readonly expirationTimestamp?: string };
}

/** A token of an account of kube-system, which is made if it is not there. */
async function requestToken(api: ApiClient, account: string): Promise<TokenAnswer> {
  const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { audiences: [], expirationSeconds: lifetimeSeconds } };
  const ask = (): Promise<TokenAnswer> => api.createSubresource(ServiceAccounts, { namespace, name: account }, 'token', body);
  try {
    return await ask();
  } catch (error) {
    if (!isNotFound(error)) throw error;
    await api.create(ServiceAccounts, { metadata: { name: account, namespace } }).catch((failure: unknown) => {
      if (!isAlreadyExists(failure)) throw failure;
    });
    return ask();
  }
}

const isUnauthorized = (error: unknown): boolean => error instanceof StatusError && error.code === 401;

function clientOf(account: string, { api, connect, env }: AccountClientsOptions): ApiClient {
  let token = '';
  let renewAtMs = 0;
  let renewing: Promise<void> | undefined;
  const renew = async (): Promise<void> => {
    const { status } = await requestToken(api, account);
    const leftMs = Date.parse(status?.expirationTimestamp ?? '') - env.clock.now();
    token = status?.token ?? '';
    renewAtMs = env.clock.monotonic() + (leftMs > 0 ? leftMs : lifetimeSeconds * 1000) * renewAfter;
  };
  const ready = async (): Promise<void> => {
    if (env.clock.monotonic() < renewAtMs) return;
    await (renewing ??= renew().finally(() => (renewing = undefined)));
  };
  const own = connect(() => token);
  const call = async <R>(perform: () => Promise<R>): Promise<R> => {
    await ready();
    try {
      return await perform();
    } catch (error) {
      // The account was made anew, or the server forgot its keys: the next call brings another token.
      if (isUnauthorized(error)) renewAtMs = 0;
      throw error;
    }
  };
  return {
    get: (resource, key, options) => call(() => own.get(resource, key, options)),
    list: (resource, options) => call(() => own.list(resource, options)),
    // Who watches has listed before, and lists again when a watch ends with an error.
    watch: <T extends KubeObject>(resource: ResourceRef<T>, options: WatchOptions, sink: WatchSink<T>) => own.watch(resource, options, sink),
    create: (resource, object, options) => call(() => own.create(resource, object, options)),
    createSubresource: (resource, key, subresource, body) => call(() => own.createSubresource(resource, key, subresource, body)),
    update: (resource, object, options) => call(() => own.update(resource, object, options)),
    patch: (resource, key, patch, options) => call(() => own.patch(resource, key, patch, options)),
    delete: (resource, key, options) => call(() => own.delete(resource, key, options)),
    deleteCollection: (resource, selection, options) => call(() => own.deleteCollection(resource, selection, options)),
    close: () => own.close(),
  };
}

/** Clients that act as service accounts of kube-system by tokens they request and renew (upstream's --use-service-account-credentials). */
export function accountClients(options: AccountClientsOptions): (account: string) => ApiClient {
  const known = new Map<string, ApiClient>();
  return (account) => {
    let client = known.get(account);
    if (!client) known.set(account, (client = clientOf(account, options)));
    return client;
  };
}
