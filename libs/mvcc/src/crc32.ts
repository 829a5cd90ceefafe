import { crc32 as ofNode } from 'node:zlib';

/** CRC-32 (as in zip) as an unsigned 32-bit number: the checksum of logs and snapshots. Of the built-ins because it takes half of the time of `crc32c`; it reads nothing but its argument. */
export function crc32(bytes: Uint8Array): number {
  return ofNode(bytes);
}
