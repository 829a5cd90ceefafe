import { encodeOpenApiV2, loadDescriptions, openApiV2, openApiV3 } from '@orrery/api';
import type { Exchange } from '../http/exchange.ts';
import { versionInfo } from '../http/version.ts';
import type { ApiServerCore } from '../server.ts';
import { type Swagger, mergeSwagger } from '../aggregation/swagger.ts';
import { apiResourceList } from './documents.ts';
import { type Document, fromBytes, fromJson, remembered, sendDocument } from './document-cache.ts';
import { type ServedVersion, localGroupVersions } from './served.ts';

/** Older clients ask with an at sign, which no media type may have; the answer never carries it. */
const protobufV2 = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf';
const protobufV2Asked = ['application/com.github.proto-openapi.spec.v2@v1.0+protobuf', protobufV2];
const yearMs = 365 * 24 * 3600 * 1000;

const pathOf = (gv: { group: string; version: string }): string => (gv.group ? `apis/${gv.group}/${gv.version}` : `api/${gv.version}`);

/** What tells one state of a group version's document from another, without making the document. */
async function fingerprint(gv: ServedVersion): Promise<string> {
  const custom = gv.kinds.map(({ customSchema, selectableFields }) => (customSchema ? [customSchema, selectableFields] : null));
  const text = JSON.stringify([versionInfo.gitVersion, await apiResourceList(gv), custom]);
  const digest = await crypto.subtle.digest('SHA-256', Buffer.from(text));
  return Buffer.from(digest).toString('hex').toUpperCase();
}

async function indexV3(core: ApiServerCore): Promise<Document> {
  const paths: Record<string, object> = {};
  for (const gv of localGroupVersions(core)) {
    const path = pathOf(gv);
    paths[path] = { serverRelativeURL: `/openapi/v3/${path}?hash=${await fingerprint(gv)}` };
  }
  for (const [path, serverRelativeURL] of core.aggregation?.openApiV3() ?? []) paths[path] = { serverRelativeURL };
  for (const path of core.aggregation?.openApiV3Made() ?? []) {
    const { etag } = await madeV3(core, path);
    paths[path] = { serverRelativeURL: `/openapi/v3/${path}?hash=${etag.slice(1, -1)}` };
  }
  return fromJson({ paths });
}

async function documentV3(core: ApiServerCore, gv: { group: string; version: string }): Promise<Document> {
  const descriptions = await loadDescriptions();
  return fromBytes(Buffer.from(JSON.stringify(openApiV3(gv.group, gv.version, core.kinds.all(), { descriptions, version: versionInfo.gitVersion }))));
}

/** The v3 document of another server that itself has only v2. */
function madeV3(core: ApiServerCore, path: string): Promise<Document> {
  return remembered(core, `openapi-v3:made:${path}`, () => fromJson(core.aggregation?.openApiV3Of(path) ?? {}));
}

async function documentV2(core: ApiServerCore, form: 'json' | 'protobuf'): Promise<Document> {
  const own = openApiV2(core.kinds.all(), { descriptions: await loadDescriptions(), version: versionInfo.gitVersion });
  const document = mergeSwagger(own as Swagger, (core.aggregation?.openApiV2() ?? []) as readonly Swagger[]);
  return fromBytes(form === 'json' ? Buffer.from(JSON.stringify(document)) : Buffer.from(encodeOpenApiV2(document)));
}

async function serveV2(core: ApiServerCore, exchange: Exchange): Promise<void> {
  const form = protobufV2Asked.some((type) => (exchange.header('accept') ?? '').includes(type)) ? 'protobuf' : 'json';
  const document = await remembered(core, `openapi-v2:${form}`, () => documentV2(core, form));
  await sendDocument(exchange, document, form === 'json' ? 'application/json' : protobufV2);
}

/** One group version's document: immutable under its hash, redirected when the hash has moved. */
interface Versioned {
  readonly path: string;
  /** The `hash` of the query; empty: none. */
  readonly asked: string;
  readonly hash: string;
  readonly document: Promise<Document>;
}

async function sendVersioned(core: ApiServerCore, exchange: Exchange, { path, asked, hash, document }: Versioned): Promise<void> {
  if (asked && asked !== hash) {
    exchange.code = 301;
    exchange.response.send(301, { ...exchange.headers('text/plain'), location: `/openapi/v3/${path}?hash=${hash}` });
    return;
  }
  const expires = new Date(core.registry.env.clock.now() + yearMs).toUTCString();
  await sendDocument(exchange, await document, 'application/json', asked ? { 'cache-control': 'public, immutable', expires } : {});
}

async function serveGroupVersion(core: ApiServerCore, exchange: Exchange, request: { path: string; asked: string }): Promise<boolean> {
  const { path, asked } = request;
  const gv = localGroupVersions(core).find((one) => pathOf(one) === path);
  if (gv) {
    await sendVersioned(core, exchange, { path, asked, hash: await fingerprint(gv), document: remembered(core, `openapi-v3:${path}`, () => documentV3(core, gv)) });
    return true;
  }
  if (!core.aggregation?.openApiV3Of(path)) return false;
  const document = madeV3(core, path);
  await sendVersioned(core, exchange, { path, asked, hash: (await document).etag.slice(1, -1), document });
  return true;
}

/** Answers `/openapi/v2`, `/openapi/v3` and the documents below it; false for other paths. */
export async function serveOpenApi(core: ApiServerCore, exchange: Exchange, request: { path: string; query: URLSearchParams }): Promise<boolean> {
  const { path, query } = request;
  const root = '/openapi/v3/';
  if (path === '/openapi/v2') await serveV2(core, exchange);
  else if (path === '/openapi/v3') await sendDocument(exchange, await remembered(core, 'openapi-v3', () => indexV3(core)), 'application/json');
  else return path.startsWith(root) && (await serveGroupVersion(core, exchange, { path: path.slice(root.length), asked: query.get('hash') ?? '' }));
  return true;
}
