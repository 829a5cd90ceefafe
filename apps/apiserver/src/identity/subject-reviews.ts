import type { SelfSubjectReview, TokenReview } from '@orrery/api/types';
import { badRequest } from '@orrery/errors';
import { rfc3339 } from '@orrery/runtime';
import { InvalidTokenError } from '../authentication/bearer.ts';
import type { TokenDirectory } from '../authentication/token-authenticator.ts';
import type { PluginContext, ReviewHandler, UserInfo } from '../pipeline/index.ts';

const group = 'authentication.k8s.io';

function userStatus(user: UserInfo): { username: string; uid?: string; groups: string[]; extra?: Record<string, string[]> } {
  const { username, uid, groups, extra } = user;
  const extraLists = Object.fromEntries(Object.entries(extra ?? {}).map(([key, values]) => [key, [...values]]));
  return { username, ...(uid ? { uid } : {}), groups: [...groups], ...(extra ? { extra: extraLists } : {}) };
}

/** Who is asking? */
export function selfSubjectReviews(context: Pick<PluginContext, 'env'>): ReviewHandler {
  return {
    group,
    resource: 'selfsubjectreviews',
    subresource: '',
    create: ({ object, user }) => ({
      ...(object as SelfSubjectReview),
      metadata: { ...(object as SelfSubjectReview).metadata, creationTimestamp: rfc3339(context.env.clock.now()) },
      status: { userInfo: userStatus(user) },
    }),
  };
}

/** Is a token good, and whose is it? */
export function tokenReviews(directory: TokenDirectory): ReviewHandler {
  return {
    group,
    resource: 'tokenreviews',
    subresource: '',
    async create({ object }) {
      const review = object as TokenReview;
      const { token, audiences = [] } = review.spec ?? {};
      if (!token) throw badRequest('token is required for TokenReview in authentication');
      const asked = audiences.length ? audiences : directory.apiAudiences;
      try {
        const identity = await directory.identify(token, { audiences: asked });
        const meant = identity?.audiences.filter((audience) => asked.includes(audience)) ?? [];
        if (!identity || !meant.length) return { ...review, status: { user: {}, error: 'invalid bearer token' } };
        return { ...review, status: { authenticated: true, user: userStatus(identity.user), audiences: meant } };
      } catch (error) {
        if (!(error instanceof InvalidTokenError)) throw error;
        return { ...review, status: { user: {}, error: `[invalid bearer token, ${error.message}]` } };
      }
    },
  };
}
