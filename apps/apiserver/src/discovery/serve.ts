import type { Exchange } from '../http/exchange.ts';
import { parseAccept } from '../http/negotiation.ts';
import type { ApiServerCore } from '../server.ts';
import { fromJson, remembered, sendDocument } from './document-cache.ts';
import { aggregatedDiscovery, apiGroup, apiGroupList, apiResourceList, apiVersions } from './documents.ts';

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

async function sendRoot(core: ApiServerCore, exchange: Exchange, root: 'api' | 'apis'): Promise<void> {
  const kinds = core.kinds.all();
  const version = wanted(exchange.header('accept'));
  if (version) {
    const document = await remembered(core, `${root}:${version}`, () => fromJson(aggregatedDiscovery(kinds, root, version)));
    return sendDocument(exchange, document, `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`);
  }
  const address = exchange.header('host') ?? exchange.header(':authority') ?? '';
  const legacy = root === 'api' ? fromJson(apiVersions(address)) : remembered(core, 'apis', () => fromJson(apiGroupList(kinds)));
  exchange.setHeaders({ vary: 'Accept' });
  await exchange.sendJson(200, (await legacy).body, { encoding: 'json', pretty: exchange.pretty });
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
  await exchange.sendJson(200, Buffer.from(JSON.stringify(body)), { encoding: 'json', pretty: exchange.pretty });
  return true;
}
