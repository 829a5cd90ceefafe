/**
 * Keys inside the state are Latin-1 strings: one character a byte, so `<` on strings is byte order, V8 keeps them in one
 * byte a character, and they serve as map keys.
 */
export type Key = string;

/** Greater than every key. */
export const endOfKeys: Key = '\uffff';

export function keyOf(bytes: Uint8Array | undefined): Key {
  if (!bytes || bytes.length === 0) return '';
  const buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return buffer.toString('latin1');
}

/** Half-open interval of keys. A single key is `[k, k + '\0')`. */
export interface KeyRange {
  readonly start: Key;
  readonly end: Key;
  readonly single: boolean;
}

/** etcd's reading of key and range_end: none is the key alone, `\0` is everything from key on. */
export function rangeOf(key: Uint8Array | undefined, rangeEnd: Uint8Array | undefined): KeyRange {
  const start = keyOf(key);
  if (!rangeEnd || rangeEnd.length === 0) return { start, end: `${start}\0`, single: true };
  const end = rangeEnd.length === 1 && rangeEnd[0] === 0 ? endOfKeys : keyOf(rangeEnd);
  return { start, end, single: false };
}

export function contains(range: KeyRange, key: Key): boolean {
  return range.start <= key && key < range.end;
}
