import type { HttpHeaders } from '@orrery/node-io/http-server';
import { type Exchange, toYaml } from '../http/exchange.ts';
import type { ApiServerCore } from '../server.ts';

/** A document that is the same for everybody until the kinds change. */
export interface Document {
  readonly body: Buffer;
  /** Quoted. */
  readonly etag: string;
}

const documents = new WeakMap<ApiServerCore, { generation: string; made: Map<string, Promise<Document>> }>();

export async function fromBytes(body: Buffer): Promise<Document> {
  const digest = await crypto.subtle.digest('SHA-512', new Uint8Array(body));
  return { body, etag: `"${Buffer.from(digest).toString('hex').toUpperCase()}"` };
}

export const fromJson = (value: object): Promise<Document> => fromBytes(Buffer.from(JSON.stringify(value)));

/** The document of that name: made once, and again when the kinds, or what other servers say, have changed. */
export function remembered(core: ApiServerCore, name: string, build: () => Promise<Document>): Promise<Document> {
  let held = documents.get(core);
  const generation = `${core.kinds.generation}/${core.aggregation?.generation ?? 0}`;
  if (!held || held.generation !== generation) documents.set(core, (held = { generation, made: new Map() }));
  let document = held.made.get(name);
  if (!document) {
    const { made } = held;
    made.set(name, (document = build()));
    document.catch(() => made.delete(name));
  }
  return document;
}

/** Tells what the document is; true when the client has it already and was told so (304). */
function isKnown(exchange: Exchange, document: Document, options: { contentType: string; headers: HttpHeaders }): boolean {
  exchange.setHeaders({ etag: document.etag, vary: 'Accept', 'cache-control': 'public', ...options.headers });
  const tags = (exchange.header('if-none-match') ?? '').split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  if (!tags.includes(document.etag) && !tags.includes('*')) return false;
  exchange.code = 304;
  exchange.response.send(304, exchange.headers(options.contentType));
  return true;
}

/** Sends it, or 304 to a client that has it. */
export async function sendDocument(exchange: Exchange, document: Document, contentType: string, headers: HttpHeaders = {}): Promise<void> {
  if (!isKnown(exchange, document, { contentType, headers })) await exchange.sendBytes(200, contentType, document.body);
}

/** A JSON document as it is or as YAML, under one tag: caches tell them apart by what was accepted. */
export async function sendEncoded(exchange: Exchange, document: Document, form: { encoding: 'json' | 'yaml'; mediaType: string }): Promise<void> {
  const { encoding, mediaType } = form;
  if (isKnown(exchange, document, { contentType: mediaType, headers: {} })) return;
  const isIndented = encoding === 'json' && exchange.pretty;
  const text = encoding === 'yaml' ? toYaml(JSON.parse(document.body.toString('utf8'))) : isIndented ? `${JSON.stringify(JSON.parse(document.body.toString('utf8')), null, 2)}\n` : undefined;
  await exchange.sendBytes(200, mediaType, text === undefined ? document.body : Buffer.from(text));
}
