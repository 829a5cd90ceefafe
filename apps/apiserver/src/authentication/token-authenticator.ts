import { unauthorized } from '@orrery/errors';
import type { Logger } from '@orrery/runtime';
import type { Authenticator } from '../pipeline/index.ts';
import { InvalidTokenError, type TokenIdentity, type TokenKind, type TokenQuestion, bearerToken } from './bearer.ts';

/** All kinds of bearer tokens as one question, for requests and for TokenReview. */
export interface TokenDirectory {
  readonly apiAudiences: readonly string[];
  /** Undefined when no kind knows it; throws InvalidTokenError when none accepts it and at least one refuses. */
  identify(token: string, question: TokenQuestion): Promise<TokenIdentity | undefined>;
}

export function tokenDirectory(kinds: readonly TokenKind[], apiAudiences: readonly string[]): TokenDirectory {
  return {
    apiAudiences,
    async identify(token, question) {
      const refusals: string[] = [];
      for (const kind of kinds) {
        try {
          const identity = await kind.identify(token, question);
          if (identity) return identity;
        } catch (error) {
          if (!(error instanceof InvalidTokenError)) throw error;
          refusals.push(error.message);
        }
      }
      if (refusals.length) throw new InvalidTokenError(refusals.join(', '));
      return undefined;
    },
  };
}

/** Bearer tokens of requests. One that nobody knows refuses the request. */
export function bearerTokens(directory: TokenDirectory, log: Logger): Authenticator {
  return {
    name: 'BearerToken',
    async authenticate({ headers, annotate, warn }) {
      const token = bearerToken(headers);
      if (token === undefined) return undefined;
      const question = { audiences: directory.apiAudiences, ...(annotate ? { annotate } : {}), ...(warn ? { warn } : {}) };
      let why = 'invalid bearer token';
      try {
        const identity = await directory.identify(token, question);
        if (identity) return identity.user;
      } catch (error) {
        if (!(error instanceof InvalidTokenError)) throw error;
        why = error.message;
      }
      log.debug('unable to authenticate the request', { why });
      throw unauthorized();
    },
  };
}
