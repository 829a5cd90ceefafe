import type { HttpHeaders } from '@orrery/node-io/http-server';
import type { UserInfo } from '../pipeline/index.ts';

const extraPrefix = 'X-Remote-Extra-';
const own = /^x-remote-(user|uid|group|extra-.*)$/;

/** What a header name may hold of an extra key; the rest is written as %XX (upstream's header key escaping). */
const unescaped = /[^A-Za-z0-9!#$&'*+.^_`|~-]/gu;

function escapeKey(key: string): string {
  return key.replace(unescaped, (char) => [...Buffer.from(char)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''));
}

/** Heads are written byte by byte: a text that is not ASCII goes as its UTF-8. */
const bytesOf = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');

/** What would end a line of the head, and begin another. */
const forbidden = /[\u0000-\u0008\u000a-\u001f\u007f]/;

function line(name: string, value: string): [string, string] {
  if (forbidden.test(value)) throw new Error(`net/http: invalid header field value for ${JSON.stringify(name)}`);
  return [name, bytesOf(value)];
}

/**
 * Says to another server who asks; it believes this because of the certificate of the connection. Throws, in Go's words, for a name
 * that no header can hold.
 */
export function identityHeaders(user: UserInfo): [string, string][] {
  const extra = Object.entries(user.extra ?? {}).flatMap(([key, values]) => values.map((value) => line(`${extraPrefix}${escapeKey(key)}`, value)));
  return [
    line('X-Remote-User', user.username),
    ...(user.uid ? [line('X-Remote-Uid', user.uid)] : []),
    ...user.groups.map((group) => line('X-Remote-Group', group)),
    ...extra,
  ];
}

/** A client may not say who it is. */
export function withoutIdentity(headers: HttpHeaders): HttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !own.test(name)));
}
