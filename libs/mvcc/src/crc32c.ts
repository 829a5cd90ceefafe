/** CRC-32C (Castagnoli), the checksum of logs, snapshots and etcd's HashKV. Eight bytes a step. */
const polynomial = 0x82f63b78;

const tables: readonly Int32Array[] = (() => {
  const out = Array.from({ length: 8 }, () => new Int32Array(256));
  const first = out[0] as Int32Array;
  for (let i = 0; i < 256; i++) {
    let c = i;
    for (let bit = 0; bit < 8; bit++) c = c & 1 ? (c >>> 1) ^ polynomial : c >>> 1;
    first[i] = c;
  }
  for (let t = 1; t < 8; t++) {
    const [table, before] = [out[t] as Int32Array, out[t - 1] as Int32Array];
    for (let i = 0; i < 256; i++) {
      const c = before[i] as number;
      table[i] = (c >>> 8) ^ (first[c & 255] as number);
    }
  }
  return out;
})();
const [t0, t1, t2, t3, t4, t5, t6, t7] = tables as [Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array];

/** The checksum of `bytes[start, end)` as an unsigned 32-bit number; pass the checksum of what came before as `seed` to go on. */
export function crc32c(bytes: Uint8Array, options: { seed?: number; start?: number; end?: number } = {}): number {
  const { seed = 0, start = 0, end = bytes.length } = options;
  let c = ~seed;
  let i = start;
  const at = (k: number): number => bytes[k] as number;
  for (; i + 8 <= end; i += 8) {
    const low = c ^ (at(i) | (at(i + 1) << 8) | (at(i + 2) << 16) | (at(i + 3) << 24));
    c =
      (t7[low & 255] as number) ^
      (t6[(low >>> 8) & 255] as number) ^
      (t5[(low >>> 16) & 255] as number) ^
      (t4[low >>> 24] as number) ^
      (t3[at(i + 4)] as number) ^
      (t2[at(i + 5)] as number) ^
      (t1[at(i + 6)] as number) ^
      (t0[at(i + 7)] as number);
  }
  for (; i < end; i++) c = (c >>> 8) ^ (t0[(c ^ at(i)) & 255] as number);
  return ~c >>> 0;
}
