import { decryptAesCbc, encryptAesCbc, expandHkdfSha256, openAesGcm, randomBytes, sealAesGcm } from '@orrery/node-io/symmetric-crypto';
import type { Transformer } from './transformer.ts';

const nonceBytes = 12;
const tagBytes = 16;
const blockBytes = 16;
const infoBytes = 32;
/** Least length of a seed that keys are derived from. */
export const seedBytes = 32;

const tooShort = 'the stored data was shorter than the required size';

/** AES-GCM with a random nonce before the ciphertext; the path is authenticated. */
export function aesGcm(key: Buffer): Transformer {
  return {
    seal(data, path) {
      const nonce = randomBytes(nonceBytes);
      return Buffer.concat([nonce, sealAesGcm(key, nonce, { data, authenticated: Buffer.from(path) })]);
    },
    open(data, path) {
      if (data.length < nonceBytes + tagBytes) throw new Error(tooShort);
      try {
        const opened = openAesGcm(key, data.subarray(0, nonceBytes), { data: data.subarray(nonceBytes), authenticated: Buffer.from(path) });
        return { data: opened, stale: false };
      } catch {
        throw new Error('cipher: message authentication failed');
      }
    },
  };
}

/** AES-CBC with a random IV before the ciphertext. Nothing is authenticated. */
export function aesCbc(key: Buffer): Transformer {
  return {
    seal(data) {
      const iv = randomBytes(blockBytes);
      return Buffer.concat([iv, encryptAesCbc(key, iv, data)]);
    },
    open(data) {
      if (data.length < blockBytes) throw new Error(tooShort);
      const body = data.subarray(blockBytes);
      if (body.length % blockBytes !== 0) throw new Error('the stored data is not a multiple of the block size');
      if (body.length === 0) throw new Error('the stored data is empty');
      try {
        return { data: decryptAesCbc(key, data.subarray(0, blockBytes), body), stale: false };
      } catch {
        throw new Error('invalid padding on input');
      }
    },
  };
}

/** AES-GCM with a key of its own for every value, derived from a seed and random bytes that come before the nonce. */
export function aesGcmFromSeed(seed: Buffer): Transformer {
  if (seed.length < seedBytes) throw new Error(`invalid seed length ${seed.length} used for key generation`);
  return {
    seal(data, path) {
      const info = randomBytes(infoBytes);
      return Buffer.concat([info, aesGcm(expandHkdfSha256(seed, info)).seal(data, path)]);
    },
    open(data, path) {
      if (data.length < infoBytes) throw new Error(tooShort);
      return aesGcm(expandHkdfSha256(seed, data.subarray(0, infoBytes))).open(data.subarray(infoBytes), path);
    },
  };
}
