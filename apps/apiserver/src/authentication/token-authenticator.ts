import { unauthorized } from '@orrery/errors';
import type { Logger } from '@orrery/runtime';
import type { Authenticator } from '../pipeline/index.ts';
import { InvalidTokenError, type TokenIdentity, type TokenKind, bearerToken } from './bearer.ts';

/** All kinds of bearer tokens as one question, for requests and for TokenReview. */
export interface TokenDirectory {
  readonly apiAudiences: readonly string[];
  /** Undefined when no kind knows it; throws InvalidTokenError when one does and refuses. */
  identify(token: string, audiences: readonly string[]): Promise<TokenIdentity | undefined>;
}

export function tokenDirectory(kinds: readonly TokenKind[], apiAudiences: readonly string[]): TokenDirectory {
  return {
    apiAudiences,
    async identify(token, audiences) {
      for (const kind of kinds) {
        const identity = await kind.identify(token, audiences);
        if (identity) return identity;
      }
      return undefined;
    },
  };
}

/** Bearer tokens of requests. */
export function bearerTokens(directory: TokenDirectory, log: Logger): Authenticator {
  return {
    name: 'BearerToken',
    async authenticate({ headers }) {
      const token = bearerToken(headers);
      if (token === undefined) return undefined;
      try {
        return (await directory.identify(token, directory.apiAudiences))?.user;
      } catch (error) {
        if (!(error instanceof InvalidTokenError)) throw error;
        log.debug('token refused', { why: error.message });
        throw unauthorized();
      }
    },
  };
}
