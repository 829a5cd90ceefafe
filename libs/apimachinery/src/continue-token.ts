import { badRequest } from '@orrery/errors';
import { JsonSyntaxError, parseJson } from './json/parse-json.ts';

/** Where a paged list goes on. */
export interface ContinueToken {
  /** The revision the whole walk is read at; -1 to go on at the newest one (after 410 Expired). */
  readonly resourceVersion: number;
  /** First key of the next page, relative to the resource's prefix. */
  readonly start: string;
}

const tokenVersion = 'meta.k8s.io/v1';

/** In upstream's encoding: unpadded URL-safe base64 of `{"v","rv","start"}`. */
export function encodeContinue(token: ContinueToken): string {
  const json = JSON.stringify({ v: tokenVersion, rv: token.resourceVersion, start: token.start });
  return Buffer.from(json).toString('base64url');
}

/** Throws 400 in upstream's words when the token is not one of ours. */
export function decodeContinue(text: string): ContinueToken {
  const fail = (why: string): Error => badRequest(`invalid continue token: continue key is not valid: ${why}`);
  if (!/^[A-Za-z0-9_-]+$/.test(text)) throw fail(`illegal base64 data at input byte ${text.search(/[^A-Za-z0-9_-]/)}`);
  let parsed: { v?: unknown; rv?: unknown; start?: unknown } | null;
  try {
    parsed = parseJson(Buffer.from(text, 'base64url').toString('utf8')).value as typeof parsed;
  } catch (error) {
    throw error instanceof JsonSyntaxError ? fail(error.message) : error;
  }
  if (parsed?.v !== tokenVersion) throw fail(`server does not recognize this encoded version ${JSON.stringify(String(parsed?.v ?? ''))}`);
  if (!Number.isSafeInteger(parsed.rv) || parsed.rv === 0) throw fail(`incorrect encoded start resourceVersion (version ${tokenVersion})`);
  if (typeof parsed.start !== 'string' || parsed.start === '') throw fail(`encoded start key empty (version ${tokenVersion})`);
  if (`/${parsed.start}/`.includes('/../')) throw fail(`${parsed.start}`);
  return { resourceVersion: parsed.rv as number, start: parsed.start };
}

/** The revision as a number; absent, empty and "0" are 0. Throws 400 for anything but a decimal number. */
export function parseResourceVersion(text: string | undefined): number {
  if (!text) return 0;
  const isNumber = /^\d+$/.test(text) && Number.isSafeInteger(Number(text));
  if (isNumber) return Number(text);
  const why = /^\d+$/.test(text) ? 'value out of range' : 'invalid syntax';
  const quoted = JSON.stringify(text);
  throw badRequest(`resourceVersion: Invalid value: ${quoted}: strconv.ParseUint: parsing ${quoted}: ${why}`);
}
