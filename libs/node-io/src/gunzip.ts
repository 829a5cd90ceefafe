import { gunzipSync } from 'node:zlib';

/** Unpacks what gRPC calls `gzip`. Throws RangeError for more than `maxBytes`. */
export function gunzip(packed: Uint8Array, maxBytes: number): Uint8Array {
  return gunzipSync(packed, { maxOutputLength: Math.max(1, maxBytes) });
}
