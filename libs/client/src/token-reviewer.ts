import { TokenReviews } from '@orrery/api';
import type { TokenReview } from '@orrery/api/types';
import type { Clock } from '@orrery/runtime';
import type { ReviewedUser } from './access-reviewer.ts';
import type { ApiClient } from './api-client.ts';

export interface TokenReviewerOptions {
  readonly api: ApiClient;
  readonly clock: Clock;
  /** How long answers are remembered. */
  readonly rememberMs: number;
}

const maxKnown = 1_000;

/** Asks the API server whose token it is, and remembers the answer: delegated authentication of servers other than itself. */
export class TokenReviewer {
  private readonly options: TokenReviewerOptions;
  private readonly known = new Map<string, { readonly user: ReviewedUser | undefined; readonly untilMs: number }>();

  constructor(options: TokenReviewerOptions) {
    this.options = options;
  }

  /** The holder of the token; undefined when the API server knows none. Rejects when it cannot be asked. */
  async userOf(token: string): Promise<ReviewedUser | undefined> {
    const { api, clock, rememberMs } = this.options;
    const before = this.known.get(token);
    if (before && clock.monotonic() < before.untilMs) return before.user;
    const review: TokenReview = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', metadata: {}, spec: { token } };
    const { status } = await api.create(TokenReviews, review);
    const { username = '', groups = [], uid, extra } = status?.user ?? {};
    const user = status?.authenticated ? { name: username, groups, ...(uid ? { uid } : {}), ...(extra ? { extra } : {}) } : undefined;
    this.known.set(token, { user, untilMs: clock.monotonic() + rememberMs });
    if (this.known.size > maxKnown) this.known.delete(this.known.keys().next().value as string);
    return user;
  }
}
