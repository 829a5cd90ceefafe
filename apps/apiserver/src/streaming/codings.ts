/** One of HTTP's content codings, of whole bodies. */
export interface Coding {
  /** Rejects when the bytes are not of the coding. */
  decode(bytes: Uint8Array): Promise<Uint8Array>;
  encode(bytes: Uint8Array): Promise<Uint8Array>;
}

export async function collect(body: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const bytes of body) parts.push(bytes);
  return Buffer.concat(parts);
}

/** Of the platform: its streams take and give bytes. */
interface Transform {
  readonly readable: AsyncIterable<Uint8Array>;
  readonly writable: WritableStream<Uint8Array>;
}

async function through(bytes: Uint8Array, transform: Transform): Promise<Uint8Array> {
  const writer = transform.writable.getWriter();
  const [out] = await Promise.all([collect(transform.readable), writer.write(bytes).then(() => writer.close())]);
  return out;
}

const compressed = (format: 'gzip' | 'deflate-raw'): Coding => ({
  decode: (bytes) => through(bytes, new DecompressionStream(format)),
  encode: (bytes) => through(bytes, new CompressionStream(format)),
});

const identity: Coding = { decode: async (bytes) => bytes, encode: async (bytes) => bytes };

/** By the value of Content-Encoding, those that upstream's proxy reads. */
export const codings: Readonly<Record<string, Coding>> = { '': identity, gzip: compressed('gzip'), deflate: compressed('deflate-raw') };
