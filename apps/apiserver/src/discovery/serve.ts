import { encodeProtobuf } from '@orrery/api';
import { isFeatureOn } from '../feature-gates.ts';
import type { Exchange } from '../http/exchange.ts';
import { type Encoding, mediaTypeOf, negotiate, parseAccept } from '../http/negotiation.ts';
import type { ApiServerCore } from '../server.ts';
import { fromBytes, fromJson, remembered, sendDocument, sendEncoded } from './document-cache.ts';
import { type DiscoveryObject, aggregatedDiscovery, apiGroup, apiGroupList, apiResourceList, apiVersions } from './documents.ts';
import { groupsOf } from './served.ts';

type Aggregated = 'v2' | 'v2beta1';

const encodings: Readonly<Record<string, Encoding>> = {
  'application/json': 'json',
  '*/*': 'json',
  'application/*': 'json',
  'application/yaml': 'yaml',
  'application/vnd.kubernetes.protobuf': 'protobuf',
};

/** Which aggregated form the client prefers, and in what; undefined for the legacy one. */
function wanted(accept: string | undefined): { version: Aggregated; encoding: Encoding } | undefined {
  for (const { type, params } of parseAccept(accept ?? '')) {
    const encoding = encodings[type];
    if (!encoding) continue;
    if (params['as'] === 'APIGroupDiscoveryList' && params['g'] === 'apidiscovery.k8s.io' && (params['v'] === 'v2' || params['v'] === 'v2beta1')) return { version: params['v'], encoding };
    if (!params['as']) return undefined;
  }
  return undefined;
}

async function sendAggregated(exchange: Exchange, core: ApiServerCore, asked: { root: 'api' | 'apis'; version: Aggregated; encoding: Encoding }): Promise<void> {
  const { root, version, encoding } = asked;
  const list = (): ReturnType<typeof aggregatedDiscovery> => aggregatedDiscovery(groupsOf(core), root, version);
  const mediaType = `${mediaTypeOf(encoding)};g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`;
  if (encoding === 'protobuf') {
    const document = await remembered(core, `${root}:${version}:protobuf`, () => fromBytes(encodeProtobuf(list())));
    return sendDocument(exchange, document, mediaType);
  }
  const document = await remembered(core, `${root}:${version}`, () => fromJson(list()));
  return sendEncoded(exchange, document, { encoding, mediaType });
}

async function sendRoot(core: ApiServerCore, exchange: Exchange, root: 'api' | 'apis'): Promise<void> {
  const asked = wanted(exchange.header('accept'));
  if (asked) return sendAggregated(exchange, core, { root, ...asked });
  const address = exchange.header('host') ?? exchange.header(':authority') ?? '';
  exchange.setHeaders({ vary: 'Accept' });
  await sendLegacy(exchange, root === 'api' ? apiVersions(address) : apiGroupList(groupsOf(core)));
}

/** In JSON, YAML or protobuf; 406 for anything else. */
async function sendLegacy(exchange: Exchange, object: DiscoveryObject): Promise<void> {
  const format = negotiate(exchange.header('accept'), { pretty: exchange.pretty, transforms: false, protobuf: true });
  await exchange.sendObject(200, format.encoding === 'protobuf' ? { apiVersion: 'v1', ...object } : object, format);
}

/** Answers `/api`, `/apis` and what lies directly below; false when there is no such group or version. */
export async function serveDiscovery(core: ApiServerCore, exchange: Exchange, path: string): Promise<boolean> {
  const [root, first = '', second = '', ...rest] = path.split('/').slice(1);
  if (rest.length || (root !== 'api' && root !== 'apis')) return false;
  if (!first) {
    await sendRoot(core, exchange, root);
    return true;
  }
  const groups = groupsOf(core);
  const [group, version] = root === 'api' ? ['', first] : [first, second];
  if (root === 'api' && second) return false;
  const served = groups.find(({ name }) => name === group)?.versions.find((one) => one.version === version && !one.remote);
  const body = version ? served && (await apiResourceList(served, { hashed: isFeatureOn(core.registry.config.featureGates, 'StorageVersionHash') })) : apiGroup(groups, group);
  if (!body) return false;
  await sendLegacy(exchange, body);
  return true;
}
