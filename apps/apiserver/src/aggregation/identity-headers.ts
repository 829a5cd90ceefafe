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

/** Says to another server who asks; it believes this because of the certificate of the connection. */
export function identityHeaders(user: UserInfo): [string, string][] {
  const extra = Object.entries(user.extra ?? {}).flatMap(([key, values]) => values.map((value): [string, string] => [`${extraPrefix}${escapeKey(key)}`, bytesOf(value)]));
  return [
    ['X-Remote-User', bytesOf(user.username)],
    ...(user.uid ? [['X-Remote-Uid', bytesOf(user.uid)] as [string, string]] : []),
    ...user.groups.map((group): [string, string] => ['X-Remote-Group', bytesOf(group)]),
    ...extra,
  ];
}

/** A client may not say who it is. */
export function withoutIdentity(headers: HttpHeaders): HttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !own.test(name)));
}
