import { ConfigError, type Env } from '@orrery/runtime';
import { ExpiringCache } from '../identity/expiring-cache.ts';
import type { PostReview } from '../identity/review-webhook.ts';
import type { UserInfo } from '../pipeline/index.ts';
import { InvalidTokenError, type TokenIdentity, type TokenKind } from './bearer.ts';

const maxRemembered = 4096;

interface Options {
  readonly env: Env;
  readonly post: PostReview;
  /** `v1` or `v1beta1` of authentication.k8s.io. */
  readonly version: string;
  readonly ttlMs: number;
  readonly apiAudiences: readonly string[];
}

/** What the webhook said of a token. */
type Verdict = { readonly identity: TokenIdentity } | { readonly error: string };

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
const textsOf = (value: unknown): string[] => (Array.isArray(value) ? value.filter((one): one is string => typeof one === 'string') : []);

function userOf(value: unknown): UserInfo {
  const { username, uid, groups, extra } = (value ?? {}) as Record<string, unknown>;
  const lists = Object.entries((extra ?? {}) as Record<string, unknown>).map(([key, values]): [string, string[]] => [key, textsOf(values)]);
  const all = textsOf(groups);
  return {
    username: textOf(username),
    ...(textOf(uid) ? { uid: textOf(uid) } : {}),
    groups: all.includes('system:authenticated') ? all : [...all, 'system:authenticated'],
    ...(lists.length ? { extra: Object.fromEntries(lists) } : {}),
  };
}

function verdictOf(review: Record<string, unknown>, asked: readonly string[], apiAudiences: readonly string[]): Verdict {
  const status = (review['status'] ?? {}) as Record<string, unknown>;
  if (status['authenticated'] !== true) return { error: textOf(status['error']) };
  // A webhook that knows nothing of audiences speaks of the API server's own.
  const told = textsOf(status['audiences']);
  const audiences = asked.filter((audience) => (told.length ? told : apiAudiences).includes(audience));
  return audiences.length ? { identity: { user: userOf(status['user']), audiences } } : { error: '' };
}

/** Tokens that a webhook knows. What it says is remembered for a while; one that cannot be asked refuses the token. */
export function webhookTokens({ env, post, version, ttlMs, apiAudiences }: Options): TokenKind {
  if (version !== 'v1' && version !== 'v1beta1') throw new ConfigError(`unsupported authentication webhook version ${JSON.stringify(version)}, supported versions are "v1", "v1beta1"`);
  const remembered = new ExpiringCache<Verdict>(env.clock, maxRemembered);
  const ask = async (token: string, audiences: readonly string[]): Promise<Verdict> => {
    const digest = Buffer.from(await crypto.subtle.digest('SHA-256', Buffer.from(JSON.stringify([token, audiences])))).toString('base64');
    const known = remembered.get(digest);
    if (known) return known;
    const review = await post({ apiVersion: `authentication.k8s.io/${version}`, kind: 'TokenReview', metadata: {}, spec: { token, audiences }, status: { user: {} } });
    const verdict = verdictOf(review, audiences, apiAudiences);
    remembered.set(digest, verdict, ttlMs);
    return verdict;
  };
  return {
    name: 'Webhook',
    async identify(token, { audiences }) {
      let verdict: Verdict;
      try {
        verdict = await ask(token, audiences);
      } catch (error) {
        env.log.error('failed to make webhook authenticator request', { error });
        throw new InvalidTokenError((error as Error).message);
      }
      if ('identity' in verdict) return verdict.identity;
      if (verdict.error) throw new InvalidTokenError(verdict.error);
      return undefined;
    },
  };
}
