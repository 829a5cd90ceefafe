/** Bytes of small values are kept together in pieces of this size: a buffer of its own costs more than most values. */
const slabBytes = 8192;
/** Larger ones have a buffer of their own. */
const smallBytes = 2048;

let slab = Buffer.alloc(0);
let used = 0;

/** Where bytes were put that nobody changes any more. */
export interface Place {
  readonly slab: Buffer;
  readonly at: number;
}

/** Room for `bytes` among others that live as long as they may. A slab is given back when all in it are gone. */
export function reserve(bytes: number): Place {
  if (bytes > smallBytes) return { slab: Buffer.allocUnsafeSlow(bytes), at: 0 };
  if (used + bytes > slab.length) {
    // Not from Node's own pool, which everything passing by shares: one long-lived value would hold on to all that.
    slab = Buffer.allocUnsafeSlow(slabBytes);
    used = 0;
  }
  const place = { slab, at: used };
  used += bytes;
  return place;
}

/** A value does not hold on to more memory of others than this. */
const sharedBytes = 16 * 1024;

/**
 * Where a value lies that has its key right before it in memory, alone or among a few others: nobody has to copy that. Whoever
 * hands such a value over changes neither any more.
 */
export function inPlace(key: Uint8Array, value: Uint8Array): Place | undefined {
  const { buffer, byteOffset } = value;
  const at = byteOffset - key.length;
  if (at < 0 || value.length === 0 || buffer.byteLength > Math.max(key.length + value.length, sharedBytes)) return undefined;
  const slab = Buffer.from(buffer as ArrayBuffer);
  return slab.compare(key, 0, key.length, at, byteOffset) === 0 ? { slab, at } : undefined;
}
