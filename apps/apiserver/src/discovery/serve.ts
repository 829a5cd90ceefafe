import type { Exchange } from '../http/exchange.ts';
import { parseAccept } from '../http/negotiation.ts';
import type { ApiServerCore } from '../server.ts';
import { aggregatedDiscovery, apiGroup, apiGroupList, apiResourceList, apiVersions } from './documents.ts';

interface Document {
  readonly body: Buffer;
  readonly etag: string;
}

/** Documents are made once and again only when the kinds change. */
const documents = new WeakMap<ApiServerCore, { generation: number; made: Map<string, Promise<Document>> }>();

async function make(build: () => object): Promise<Document> {
  const body = Buffer.from(JSON.stringify(build()));
  const digest = await crypto.subtle.digest('SHA-512', body);
  return { body, etag: `"${Buffer.from(digest).toString('hex').toUpperCase()}"` };
}

/** The document of that name, remembered until the kinds change. */
export function remembered(core: ApiServerCore, name: string, build: () => object): Promise<Document> {
  let held = documents.get(core);
  if (!held || held.generation !== core.kinds.generation) documents.set(core, (held = { generation: core.kinds.generation, made: new Map() }));
  let document = held.made.get(name);
  if (!document) held.made.set(name, (document = make(build)));
  return document;
}

type Aggregated = 'v2' | 'v2beta1';

/** Which aggregated form the client prefers; undefined for the legacy one. */
function wanted(accept: string | undefined): Aggregated | undefined {
  for (const { type, params } of parseAccept(accept ?? '')) {
    if (type !== 'application/json' && type !== '*/*' && type !== 'application/*') continue;
    if (params['as'] === 'APIGroupDiscoveryList' && params['g'] === 'apidiscovery.k8s.io' && (params['v'] === 'v2' || params['v'] === 'v2beta1')) return params['v'];
    if (!params['as']) return undefined;
  }
  return undefined;
}

async function sendDocument(exchange: Exchange, document: Document, contentType: string): Promise<void> {
  exchange.setHeaders({ etag: document.etag, vary: 'Accept', 'cache-control': 'public' });
  if ((exchange.header('if-none-match') ?? '').includes(document.etag)) {
    exchange.code = 304;
    exchange.response.send(304, exchange.headers(contentType));
    return;
  }
  await exchange.sendBytes(200, contentType, document.body);
}

async function sendRoot(core: ApiServerCore, exchange: Exchange, root: 'api' | 'apis'): Promise<void> {
  const kinds = core.kinds.all();
  const version = wanted(exchange.header('accept'));
  if (version) {
    const document = await remembered(core, `${root}:${version}`, () => aggregatedDiscovery(kinds, root, version));
    return sendDocument(exchange, document, `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`);
  }
  const address = exchange.header('host') ?? exchange.header(':authority') ?? '';
  const legacy = root === 'api' ? make(() => apiVersions(address)) : remembered(core, 'apis', () => apiGroupList(kinds));
  exchange.setHeaders({ vary: 'Accept' });
  await exchange.sendBytes(200, 'application/json', (await legacy).body);
}

/** Answers `/api`, `/apis` and what lies directly below; false when there is no such group or version. */
export async function serveDiscovery(core: ApiServerCore, exchange: Exchange, path: string): Promise<boolean> {
  const [root, group = '', version = '', ...rest] = path.split('/').slice(1);
  if (rest.length || (root !== 'api' && root !== 'apis')) return false;
  if (!group) {
    await sendRoot(core, exchange, root);
    return true;
  }
  const kinds = core.kinds.all();
  const body =
    root === 'api' ? (version ? undefined : apiResourceList(kinds, '', group)) : version ? apiResourceList(kinds, group, version) : apiGroup(kinds, group);
  if (!body) return false;
  await exchange.sendBytes(200, 'application/json', Buffer.from(JSON.stringify(body)));
  return true;
}
