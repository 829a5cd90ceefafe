import { randomBytes } from '@orrery/node-io/symmetric-crypto';
import type { Transformer } from './transformer.ts';

const nonceBytes = 24;
const tagBytes = 16;

const rotate = (x: number, bits: number): number => (x << bits) | (x >>> (32 - bits));

/** "expand 32-byte k" */
const sigma = [0x61707865, 0x3320646e, 0x79622d32, 0x6b206574] as const;

/** Which words each quarter of a double round mixes: columns, then rows. */
const quarters: readonly (readonly [number, number, number, number])[] = [
  [0, 4, 8, 12], [5, 9, 13, 1], [10, 14, 2, 6], [15, 3, 7, 11],
  [0, 1, 2, 3], [5, 6, 7, 4], [10, 11, 8, 9], [15, 12, 13, 14],
];

function twentyRounds(input: Uint32Array): Uint32Array {
  const x = Uint32Array.from(input);
  const mix = (to: number, a: number, b: number, bits: number): void => {
    x[to] = (x[to] as number) ^ rotate(((x[a] as number) + (x[b] as number)) | 0, bits);
  };
  for (let round = 0; round < 10; round++) {
    for (const [a, b, c, d] of quarters) {
      mix(b, a, d, 7);
      mix(c, b, a, 9);
      mix(d, c, b, 13);
      mix(a, d, c, 18);
    }
  }
  return x;
}

function words(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / 4 }, (_, i) => view.getUint32(i * 4, true));
}

function state(key: Uint8Array, middle: readonly number[]): Uint32Array {
  const k = words(key);
  return Uint32Array.from([sigma[0], ...k.slice(0, 4), sigma[1], ...middle, sigma[2], ...k.slice(4), sigma[3]]);
}

/** Extends the nonce of Salsa20: the key for the rest of it. */
function hsalsa20(key: Uint8Array, nonce: Uint8Array): Buffer {
  const x = twentyRounds(state(key, words(nonce)));
  const out = Buffer.alloc(32);
  for (const [i, at] of [0, 5, 10, 15, 6, 7, 8, 9].entries()) out.writeUInt32LE(x[at] as number, i * 4);
  return out;
}

/** The key stream of XSalsa20, from its beginning. */
function xsalsa20(key: Uint8Array, nonce: Uint8Array, length: number): Buffer {
  const subkey = hsalsa20(key, nonce.subarray(0, 16));
  const rest = words(nonce.subarray(16));
  const out = Buffer.alloc(Math.ceil(length / 64) * 64);
  for (let block = 0; block * 64 < length; block++) {
    const input = state(subkey, [...rest, block, 0]);
    const x = twentyRounds(input);
    for (let i = 0; i < 16; i++) out.writeUInt32LE(((x[i] as number) + (input[i] as number)) >>> 0, block * 64 + i * 4);
  }
  return out.subarray(0, length);
}

const littleEndian = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes).reverse().toString('hex') || '0'}`);

/** RFC 8439's one-time authenticator. */
function poly1305(key: Uint8Array, message: Uint8Array): Buffer {
  const prime = (1n << 130n) - 5n;
  const r = littleEndian(key.subarray(0, 16)) & 0x0ffffffc0ffffffc0ffffffc0fffffffn;
  let sum = 0n;
  for (let at = 0; at < message.length; at += 16) {
    const block = message.subarray(at, at + 16);
    sum = ((sum + littleEndian(block) + (1n << BigInt(block.length * 8))) * r) % prime;
  }
  const tag = (sum + littleEndian(key.subarray(16))) & ((1n << 128n) - 1n);
  return Buffer.from(tag.toString(16).padStart(32, '0'), 'hex').reverse();
}

function xor(a: Uint8Array, b: Uint8Array): Buffer {
  const out = Buffer.alloc(a.length);
  for (let i = 0; i < a.length; i++) out[i] = (a[i] as number) ^ (b[i] as number);
  return out;
}

/** In constant time. */
function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length;
  for (let i = 0; i < a.length; i++) difference |= (a[i] as number) ^ (b[i] ?? 0);
  return difference === 0;
}

/** NaCl's crypto_secretbox: XSalsa20 and Poly1305. `key` has 32 bytes, `nonce` 24. */
export function sealSecretbox(key: Uint8Array, nonce: Uint8Array, data: Uint8Array): Buffer {
  const stream = xsalsa20(key, nonce, 32 + data.length);
  const sealed = xor(data, stream.subarray(32));
  return Buffer.concat([poly1305(stream.subarray(0, 32), sealed), sealed]);
}

/** Undefined when it was sealed with another key or changed since. */
export function openSecretbox(key: Uint8Array, nonce: Uint8Array, box: Uint8Array): Buffer | undefined {
  if (box.length < tagBytes) return undefined;
  const sealed = box.subarray(tagBytes);
  const stream = xsalsa20(key, nonce, 32 + sealed.length);
  if (!isEqual(poly1305(stream.subarray(0, 32), sealed), box.subarray(0, tagBytes))) return undefined;
  return xor(sealed, stream.subarray(32));
}

/** A random nonce, then the box. The path is not authenticated. */
export function secretbox(key: Buffer): Transformer {
  return {
    seal(data) {
      const nonce = randomBytes(nonceBytes);
      return Buffer.concat([nonce, sealSecretbox(key, nonce, data)]);
    },
    open(data) {
      if (data.length < tagBytes + nonceBytes) throw new Error('the stored data was shorter than the required size');
      const opened = openSecretbox(key, data.subarray(0, nonceBytes), data.subarray(nonceBytes));
      // Upstream's words for it.
      if (!opened) throw new Error('output array was not large enough for encryption');
      return { data: opened, stale: false };
    },
  };
}
