import type { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { BodyTooLargeError } from './http-server.ts';

const compress = promisify(gzip);

/** A whole body; see `HttpRequest.body`. */
export function readBody(source: Readable, maxBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const gone = (): void => {
      if (!source.readableEnded) reject(new Error('the client went away'));
    };
    if (source.destroyed) return gone();
    const chunks: Buffer[] = [];
    let size = 0;
    source.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= maxBytes) chunks.push(chunk);
      else reject(new BodyTooLargeError(`body exceeds ${maxBytes} bytes`));
      // What is too much is still read and dropped, so that the connection lives to carry the refusal.
    });
    source.once('end', () => resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)));
    source.once('error', reject);
    source.once('close', gone);
  });
}

/** Fast rather than small. */
export function compressed(body: Uint8Array): Promise<Buffer> {
  return compress(body, { level: 1 });
}
