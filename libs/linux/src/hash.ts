import { createHash } from 'node:crypto';

/** SHA-256 of a text, at once: names of chains are made of it. */
export function sha256(text: string): Uint8Array {
  return createHash('sha256').update(text).digest();
}
