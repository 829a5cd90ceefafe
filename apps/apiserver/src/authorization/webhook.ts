import type { Program } from '@orrery/cel';
import type { SubjectAccessReviewSpec } from '@orrery/api/types';
import { ConfigError, type Env } from '@orrery/runtime';
import { ExpiringCache } from '../identity/expiring-cache.ts';
import type { PostReview } from '../identity/review-webhook.ts';
import type { Decision, RequestInfo } from '../pipeline/index.ts';
import { accessReviewSpec } from './access-review.ts';
import { meetsConditions } from './match-conditions.ts';
import { type ResolvingAuthorizer, unknownRules } from './rule-resolver.ts';

const maxRemembered = 8192;
/** Bigger questions are not remembered: they are made up by the client. */
const maxQuestionLength = 10_000;

/** How one webhook is asked. */
export interface WebhookAuthorizerOptions {
  readonly env: Env;
  readonly name: string;
  readonly post: PostReview;
  /** `v1` or `v1beta1` of authorization.k8s.io. */
  readonly version: string;
  /** 0 remembers nothing. */
  readonly authorizedTtlMs: number;
  readonly unauthorizedTtlMs: number;
  /** What a webhook counts as that cannot be asked. */
  readonly failurePolicy: 'NoOpinion' | 'Deny';
  /** The webhook is asked only when all are true. */
  readonly conditions: readonly Program[];
}

function lengthOf({ namespace, verb, group, version, resource, subresource, name, path }: RequestInfo): number {
  return [namespace, verb, group, version, resource, subresource, name, path].reduce((sum, part) => sum + part.length, 0);
}

/** v1beta1 calls the list of groups `group`. */
function asVersion(spec: SubjectAccessReviewSpec, version: string): object {
  if (version === 'v1') return spec;
  const { groups, ...rest } = spec;
  return { ...rest, group: groups };
}

function decisionOf(answer: Record<string, unknown>): Decision {
  const status = (answer['status'] ?? {}) as { allowed?: unknown; denied?: unknown; reason?: unknown };
  const reason = typeof status.reason === 'string' ? status.reason : '';
  if (status.denied === true) return { decision: 'deny', reason };
  return { decision: status.allowed === true ? 'allow' : 'noOpinion', reason };
}

/** Asks a webhook by SubjectAccessReview and remembers what it said. */
export function webhookAuthorizer(options: WebhookAuthorizerOptions): ResolvingAuthorizer {
  const { env, version, name } = options;
  if (version !== 'v1' && version !== 'v1beta1') throw new ConfigError(`unsupported webhook authorizer version ${JSON.stringify(version)}, supported versions are "v1", "v1beta1"`);
  const remembered = new ExpiringCache<Decision>(env.clock, maxRemembered);
  const onFailure = (error: unknown): Decision => {
    env.log.error('failed to make webhook authorizer request', { name, error });
    return { decision: options.failurePolicy === 'Deny' ? 'deny' : 'noOpinion', reason: '' };
  };
  const ask = async (spec: SubjectAccessReviewSpec, cacheable: boolean): Promise<Decision> => {
    const key = JSON.stringify(spec);
    const known = remembered.get(key);
    if (known) return known;
    const answer = await options.post({ apiVersion: `authorization.k8s.io/${version}`, kind: 'SubjectAccessReview', metadata: {}, spec: asVersion(spec, version), status: { allowed: false } });
    const decision = decisionOf(answer);
    if (cacheable) remembered.set(key, decision, decision.decision === 'allow' ? options.authorizedTtlMs : options.unauthorizedTtlMs);
    return decision;
  };
  return {
    name,
    async authorize(attributes) {
      const spec = accessReviewSpec(attributes);
      const meets = options.conditions.length ? meetsConditions(options.conditions, spec) : 'yes';
      if (meets === 'no') return { decision: 'noOpinion', reason: '' };
      if (meets instanceof Error) return onFailure(meets);
      try {
        return await ask(spec, lengthOf(attributes.info) < maxQuestionLength);
      } catch (error) {
        return onFailure(error);
      }
    },
    rulesFor: () => unknownRules('webhook authorizer does not support user rule resolution'),
  };
}
