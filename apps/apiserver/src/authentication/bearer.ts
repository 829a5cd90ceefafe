import type { HttpHeaders } from '@orrery/node-io/http-server';
import type { Credentials, UserInfo } from '../pipeline/index.ts';

/** Who a bearer token stands for, and which of the asked audiences it is meant for. */
export interface TokenIdentity {
  readonly user: UserInfo;
  readonly audiences: readonly string[];
}

/** A token of a known kind that is no good; the message says why and never holds the token. */
export class InvalidTokenError extends Error {}

/** For which audiences a token is looked at, and where to say what is to be noted about it. */
export interface TokenQuestion extends Pick<Credentials, 'annotate' | 'warn'> {
  readonly audiences: readonly string[];
}

/** One kind of bearer token. Undefined: not of this kind. Throws InvalidTokenError for one of this kind that must not be accepted. */
export interface TokenKind {
  readonly name: string;
  identify(token: string, question: TokenQuestion): Promise<TokenIdentity | undefined> | TokenIdentity | undefined;
}

const socketPrefix = 'base64url.bearer.authorization.k8s.io.';

/** The token of an Authorization header, or of the WebSocket sub-protocol that browsers use instead. */
export function bearerToken(headers: HttpHeaders): string | undefined {
  const header = headers['authorization'];
  const match = typeof header === 'string' ? /^Bearer +(\S+)\s*$/i.exec(header.trim()) : null;
  if (match) return match[1];
  const offered = headers['sec-websocket-protocol'];
  const protocols = (typeof offered === 'string' ? [offered] : (offered ?? [])).flatMap((value) => value.split(',')).map((value) => value.trim());
  const carrier = protocols.find((protocol) => protocol.startsWith(socketPrefix));
  return carrier ? Buffer.from(carrier.slice(socketPrefix.length), 'base64url').toString('utf8') : undefined;
}

/** Compares secrets without telling by its time where they differ. */
export function sameSecret(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  let difference = left.length ^ right.length;
  for (let i = 0; i < left.length; i++) difference |= (left[i] as number) ^ (right[i % Math.max(1, right.length)] ?? 0);
  return difference === 0;
}
