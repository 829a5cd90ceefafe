import type { UserInfo } from '../pipeline/index.ts';
import type { TokenKind } from './bearer.ts';

/** Splits a CSV line; fields may be quoted. */
function fields(line: string): string[] {
  return [...line.matchAll(/(?:^|,)\s*(?:"((?:[^"]|"")*)"|([^,]*))/g)].map((match) => (match[1]?.replaceAll('""', '"') ?? match[2] ?? '').trim());
}

/** Tokens from the configuration, one a line: `token,user,uid,"group1,group2"`. Throws when a line has no user. */
export function staticTokens(csv: string, apiAudiences: readonly string[]): TokenKind {
  const users = new Map<string, UserInfo>();
  for (const line of csv.split('\n').map((text) => text.trim())) {
    if (!line || line.startsWith('#')) continue;
    const [token = '', username = '', uid = '', groups = ''] = fields(line);
    if (!token || !username) throw new Error('--token-auth: a line needs at least token, user name and uid');
    users.set(token, { username, ...(uid ? { uid } : {}), groups: [...groups.split(',').filter((group) => group !== ''), 'system:authenticated'] });
  }
  return {
    name: 'StaticToken',
    identify(token) {
      const user = users.get(token);
      return user ? { user, audiences: apiAudiences } : undefined;
    },
  };
}
