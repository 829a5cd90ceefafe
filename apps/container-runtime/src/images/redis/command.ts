import { matchesPattern } from '../../shell/pattern.ts';
import { type Reply, RedisError } from './resp.ts';
import type { Database } from './store.ts';

/** A data command: how many words it takes (negative: at least), whether it changes data, and what it does. */
export interface DataCommand {
  readonly arity: number;
  readonly writes?: boolean;
  run(db: Database, args: readonly string[]): Reply;
}

export const ok: Reply = { ok: 'OK' };

/** The reply of commands that have written theirs already. */
export const silent: Reply = { ok: '' };

export const int64 = { min: -(2n ** 63n), max: 2n ** 63n - 1n };

/** Throws RedisError. */
export function integer(text: string): bigint {
  if (!/^-?(?:0|[1-9]\d*)$/.test(text)) throw new RedisError('ERR value is not an integer or out of range');
  const value = BigInt(text);
  if (value < int64.min || value > int64.max) throw new RedisError('ERR value is not an integer or out of range');
  return value;
}

export function float(text: string): number {
  if (/^[-+]?inf$/i.test(text)) return text.startsWith('-') ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  if (text.trim() === '' || Number.isNaN(Number(text))) throw new RedisError('ERR value is not a valid float');
  return Number(text);
}

/** All items at once: the cursor that comes back is always 0. */
export function scanned(args: readonly string[], items: readonly string[], pairs?: (item: string) => readonly string[]): Reply {
  const options = args.map((arg) => arg.toUpperCase());
  const at = options.indexOf('MATCH');
  const pattern = at < 0 ? undefined : args[at + 1];
  const found = pattern === undefined ? items : items.filter((item) => matchesPattern(item, pattern));
  return ['0', found.flatMap((item) => (pairs ? pairs(item) : [item]))];
}
