import type { Random } from '@orrery/runtime';
import { Code, RpcError } from '@orrery/rpc';

const idLength = 64;
const hexDigits = '0123456789abcdef';

/** Digits of the id that is being made. */
const codes = new Array<number>(idLength).fill(0);

/** A container or sandbox id: 64 hexadecimal digits. */
export function newId(random: Random): string {
  // Put together at once: what is added up piece by piece stays a tree of pieces for as long as the id is kept.
  for (let at = 0; at < idLength; at += 8) {
    const drawn = random.int(2 ** 32);
    for (let i = 0; i < 8; i++) codes[at + i] = hexDigits.charCodeAt((drawn >>> (28 - 4 * i)) & 15);
  }
  return String.fromCharCode.apply(undefined, codes);
}

/** By full id or unambiguous prefix, as containerd's truncated index. */
export function findById<T>(items: ReadonlyMap<string, T>, id: string): T | undefined {
  const exact = items.get(id);
  if (exact || id === '' || id.length >= 64) return exact;
  const matches = [...items.keys()].filter((key) => key.startsWith(id));
  return matches.length === 1 ? items.get(matches[0] as string) : undefined;
}

export function notFound(what: string): RpcError {
  return new RpcError(Code.NOT_FOUND, what);
}

/** Nanoseconds since the epoch, as CRI timestamps are. */
export function nanoseconds(ms: number): bigint {
  return BigInt(Math.round(ms * 1000)) * 1000n;
}

export function matchesLabels(labels: Readonly<Record<string, string>> | undefined, selector: Readonly<Record<string, string>> | undefined): boolean {
  return selector === undefined || Object.entries(selector).every(([key, value]) => labels?.[key] === value);
}

/** The free-form details that verbose status calls add. */
export function verboseInfo(verbose: boolean | undefined, key: string, value: () => unknown): Record<string, string> {
  return verbose ? { [key]: JSON.stringify(value()) } : {};
}
