const rotate = (word: number, by: number): number => (word << by) | (word >>> (32 - by));

/** The message, a one bit, zeros, its length in bits: a whole number of 64-byte blocks. */
function padded(message: Uint8Array): DataView {
  const bytes = new Uint8Array(Math.ceil((message.length + 9) / 64) * 64);
  bytes.set(message);
  bytes[message.length] = 0x80;
  const view = new DataView(bytes.buffer);
  view.setBigUint64(bytes.length - 8, BigInt(message.length) * 8n);
  return view;
}

/** What the round mixes in, and its constant. */
function mix(round: number, [, b, c, d]: readonly [number, number, number, number, number]): number {
  if (round < 20) return ((b & c) | (~b & d)) + 0x5a827999;
  if (round < 40) return (b ^ c ^ d) + 0x6ed9eba1;
  if (round < 60) return ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc;
  return (b ^ c ^ d) + 0xca62c1d6;
}

/**
 * SHA-1 (FIPS 180-4), at once: the platform's takes real time, and a start that waits for it could not be replayed in virtual
 * time. For names, not for secrets.
 */
export function sha1(message: Uint8Array): ArrayBuffer {
  const blocks = padded(message);
  const hash = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0] as [number, number, number, number, number];
  const words = new Int32Array(80);
  for (let at = 0; at < blocks.byteLength; at += 64) {
    for (let i = 0; i < 16; i++) words[i] = blocks.getInt32(at + 4 * i);
    for (let i = 16; i < 80; i++) words[i] = rotate((words[i - 3] as number) ^ (words[i - 8] as number) ^ (words[i - 14] as number) ^ (words[i - 16] as number), 1);
    let state: typeof hash = [...hash];
    for (let i = 0; i < 80; i++) {
      const [a, b, c, d, e] = state;
      state = [(rotate(a, 5) + mix(i, state) + e + (words[i] as number)) | 0, a, rotate(b, 30), c, d];
    }
    state.forEach((word, i) => (hash[i] = ((hash[i] as number) + word) | 0));
  }
  const out = new DataView(new ArrayBuffer(20));
  hash.forEach((word, i) => out.setInt32(4 * i, word));
  return out.buffer;
}
