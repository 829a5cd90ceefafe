import { createHash } from 'node:crypto';

/** SHA-256 of a text in hexadecimal, at once: names on a node are made of it, and simulated time does not wait for the platform's own. */
export function sha256Hex(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
