import { SubjectAccessReviews } from '@orrery/api';
import type { SubjectAccessReview } from '@orrery/api/types';
import type { Clock } from '@orrery/runtime';
import type { ApiClient } from './api-client.ts';

/** Who asks, as an API server knows users. */
export interface ReviewedUser {
  readonly name: string;
  readonly uid?: string;
  readonly groups: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

/** What is asked for: of SubjectAccessReview. */
export type ReviewedAccess =
  | { readonly nonResourceAttributes: { readonly verb: string; readonly path: string } }
  | { readonly resourceAttributes: Readonly<Record<string, string>> };

export interface AccessReviewerOptions {
  readonly api: ApiClient;
  readonly clock: Clock;
  /** How long answers are remembered. */
  readonly allowedMs: number;
  readonly deniedMs: number;
}

const maxKnown = 1_000;

/** Asks the API server whether a user may, and remembers the answer: delegated authorization of servers other than itself. */
export class AccessReviewer {
  private readonly options: AccessReviewerOptions;
  private readonly known = new Map<string, { readonly allowed: boolean; readonly untilMs: number }>();

  constructor(options: AccessReviewerOptions) {
    this.options = options;
  }

  /** Rejects when the API server cannot be asked. */
  async allows(user: ReviewedUser, access: ReviewedAccess): Promise<boolean> {
    const { api, clock, allowedMs, deniedMs } = this.options;
    const key = JSON.stringify([user, access]);
    const before = this.known.get(key);
    if (before && clock.monotonic() < before.untilMs) return before.allowed;
    const extra = user.extra && { extra: Object.fromEntries(Object.entries(user.extra).map(([name, values]) => [name, [...values]])) };
    const spec = { user: user.name, groups: [...user.groups], ...(user.uid ? { uid: user.uid } : {}), ...extra, ...access };
    const review: SubjectAccessReview = { apiVersion: 'authorization.k8s.io/v1', kind: 'SubjectAccessReview', metadata: {}, spec };
    const { status } = await api.create(SubjectAccessReviews, review);
    const allowed = status?.allowed === true;
    this.known.set(key, { allowed, untilMs: clock.monotonic() + (allowed ? allowedMs : deniedMs) });
    if (this.known.size > maxKnown) this.known.delete(this.known.keys().next().value as string);
    return allowed;
  }
}
