import { ConfigMaps, Pods, Secrets, ServiceAccounts } from '@orrery/api';
import type { Secret } from '@orrery/api/types';
import { keyOf } from '@orrery/client';
import { type AnyController, type ControllerContext, defineController } from '@orrery/controller';
import { isNotFound } from '@orrery/errors';
import { accountNameAnnotation, accountOf, tokenType } from './token-controller.ts';

const dayMs = 86_400_000;
const tracking = { namespace: 'kube-system', name: 'kube-apiserver-legacy-service-account-token-tracking' };
const lastUsedLabel = 'kubernetes.io/legacy-token-last-used';
export const invalidSinceLabel = 'kubernetes.io/legacy-token-invalid-since';
const datePattern = /^\d{4}-\d{2}-\d{2}$/;

const dateOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

export interface CleanerObserved {
  /** Token Secrets that their account lists, which the control plane once made by itself. */
  readonly secrets: Iterable<Secret>;
  /** Is a Secret mounted by a pod? */
  readonly mounted: (secret: Secret) => boolean;
  /** Date since when the use of tokens is noted. */
  readonly trackedSince: string | undefined;
  readonly periodMs: number;
}

export interface CleanerPlan {
  /** Unused for the whole period: not accepted any more from now on. */
  readonly invalidate: readonly Secret[];
  /** Not accepted for the whole period, and missed by nobody. */
  readonly remove: readonly Secret[];
  readonly today: string;
}

/** What becomes of token Secrets that were made automatically and that nobody uses (upstream's legacy token cleaner). */
export function plan(observed: CleanerObserved, nowMs: number): CleanerPlan {
  const { trackedSince = '', periodMs } = observed;
  const invalidate: Secret[] = [];
  const remove: Secret[] = [];
  const today = dateOf(nowMs);
  const since = datePattern.test(trackedSince) ? Date.parse(trackedSince) + dayMs : Number.POSITIVE_INFINITY;
  if (since > nowMs - periodMs) return { invalidate, remove, today };
  const preserveFrom = dateOf(nowMs - periodMs);
  for (const secret of observed.secrets) {
    const { creationTimestamp = '', labels = {} } = secret.metadata ?? {};
    const lastUsed = labels[lastUsedLabel] ?? '';
    if (Date.parse(creationTimestamp) >= nowMs - periodMs || lastUsed >= preserveFrom || observed.mounted(secret)) continue;
    const invalidSince = labels[invalidSinceLabel] ?? '';
    if (!datePattern.test(invalidSince)) invalidate.push(secret);
    else if (invalidSince < preserveFrom) remove.push(secret);
  }
  return { invalidate, remove, today };
}

function mountedSecrets({ store }: Pick<ControllerContext, 'store'>): Set<string> {
  const found = new Set<string>();
  for (const pod of store(Pods).list()) {
    for (const { secret, projected } of pod.spec?.volumes ?? []) {
      const names = [secret?.secretName, ...(projected?.sources ?? []).map((source) => source.secret?.name)];
      for (const name of names) if (name) found.add(`${pod.metadata?.namespace ?? ''}/${name}`);
    }
  }
  return found;
}

function listedByAccount({ store }: Pick<ControllerContext, 'store'>, secret: Secret): boolean {
  const { namespace = '', name, annotations } = secret.metadata ?? {};
  const account = accountOf(secret, store(ServiceAccounts).get(`${namespace}/${annotations?.[accountNameAnnotation] ?? ''}`));
  return account?.secrets?.some((ref) => ref.name === name) ?? false;
}

/** One that has changed meanwhile is judged anew, and soon. */
async function unlessGone(promise: Promise<unknown>): Promise<void> {
  try {
    await promise;
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}

async function trackedSince({ api }: Pick<ControllerContext, 'api'>): Promise<string | undefined> {
  try {
    return (await api.get(ConfigMaps, tracking)).data?.['since'];
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** Once a day, marks and later deletes automatically made token Secrets that have not been used for a period. */
export function legacyTokenCleaner({ periodMs }: { readonly periodMs: number }): AnyController {
  return defineController({
    name: 'legacy-serviceaccount-token-cleaner-controller',
    account: 'legacy-service-account-token-cleaner',
    initialKeys: [''],
    concurrency: 1,
    setup(context) {
      context.store(Secrets);
      context.store(ServiceAccounts);
      context.store(Pods);
    },
    async reconcile(_key, context) {
      const { api, env, store } = context;
      const mounts = mountedSecrets(context);
      const secrets = [...store(Secrets).list()].filter((secret) => secret.type === tokenType && listedByAccount(context, secret));
      const planned = plan({ secrets, mounted: (secret) => mounts.has(keyOf(secret)), trackedSince: await trackedSince(context), periodMs }, env.clock.now());
      const at = ({ metadata = {} }: Secret) => ({ namespace: metadata.namespace ?? '', name: metadata.name ?? '' });
      for (const secret of planned.invalidate) {
        const { uid, resourceVersion } = secret.metadata ?? {};
        const patch = { metadata: { uid, resourceVersion, labels: { [invalidSinceLabel]: planned.today } } };
        await unlessGone(api.patch(Secrets, at(secret), patch, { type: 'application/merge-patch+json' }));
      }
      for (const secret of planned.remove) {
        const { uid = '', resourceVersion = '' } = secret.metadata ?? {};
        await unlessGone(api.delete(Secrets, at(secret), { preconditions: { uid, resourceVersion } }));
      }
      return { requeueAfterMs: dayMs };
    },
  });
}
