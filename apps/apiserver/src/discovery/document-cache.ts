import type { HttpHeaders } from '@orrery/node-io/http-server';
import type { Exchange } from '../http/exchange.ts';
import type { ApiServerCore } from '../server.ts';

/** A document that is the same for everybody until the kinds change. */
export interface Document {
  readonly body: Buffer;
  /** Quoted. */
  readonly etag: string;
}

const documents = new WeakMap<ApiServerCore, { generation: number; made: Map<string, Promise<Document>> }>();

export async function fromBytes(body: Buffer): Promise<Document> {
  const digest = await crypto.subtle.digest('SHA-512', new Uint8Array(body));
  return { body, etag: `"${Buffer.from(digest).toString('hex').toUpperCase()}"` };
}

export const fromJson = (value: object): Promise<Document> => fromBytes(Buffer.from(JSON.stringify(value)));

/** The document of that name: made once, and again when the kinds have changed. */
export function remembered(core: ApiServerCore, name: string, build: () => Promise<Document>): Promise<Document> {
  let held = documents.get(core);
  if (!held || held.generation !== core.kinds.generation) documents.set(core, (held = { generation: core.kinds.generation, made: new Map() }));
  let document = held.made.get(name);
  if (!document) {
    const { made } = held;
    made.set(name, (document = build()));
    document.catch(() => made.delete(name));
  }
  return document;
}

/** Sends it, or 304 to a client that has it. */
export async function sendDocument(exchange: Exchange, document: Document, contentType: string, headers: HttpHeaders = {}): Promise<void> {
  exchange.setHeaders({ etag: document.etag, vary: 'Accept', 'cache-control': 'public', ...headers });
  if ((exchange.header('if-none-match') ?? '').includes(document.etag)) {
    exchange.code = 304;
    exchange.response.send(304, exchange.headers(contentType));
    return;
  }
  await exchange.sendBytes(200, contentType, document.body);
}
