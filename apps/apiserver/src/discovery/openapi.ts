import { encodeOpenApiV2, loadDescriptions, openApiV2, openApiV3 } from '@orrery/api';
import type { Exchange } from '../http/exchange.ts';
import { versionInfo } from '../http/version.ts';
import type { ApiServerCore } from '../server.ts';
import { apiResourceList, groupVersions } from './documents.ts';
import { type Document, fromBytes, remembered, sendDocument } from './document-cache.ts';

/** Older clients ask with an at sign, which no media type may have; the answer never carries it. */
const protobufV2 = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf';
const protobufV2Asked = ['application/com.github.proto-openapi.spec.v2@v1.0+protobuf', protobufV2];
const yearMs = 365 * 24 * 3600 * 1000;

const pathOf = (gv: { group: string; version: string }): string => (gv.group ? `apis/${gv.group}/${gv.version}` : `api/${gv.version}`);

/** What tells one state of a group version's document from another, without making the document. */
async function fingerprint(core: ApiServerCore, gv: { group: string; version: string }): Promise<string> {
  const kinds = core.kinds.all().filter((kind) => kind.group === gv.group && kind.version === gv.version);
  const custom = kinds.map((kind) => (kind as { customSchema?: object }).customSchema ?? null);
  const text = JSON.stringify([versionInfo.gitVersion, apiResourceList(kinds, gv.group, gv.version), custom]);
  const digest = await crypto.subtle.digest('SHA-256', Buffer.from(text));
  return Buffer.from(digest).toString('hex').toUpperCase();
}

async function indexV3(core: ApiServerCore): Promise<Document> {
  const paths: Record<string, object> = {};
  for (const gv of groupVersions(core.kinds.all())) {
    const path = pathOf(gv);
    paths[path] = { serverRelativeURL: `/openapi/v3/${path}?hash=${await fingerprint(core, gv)}` };
  }
  return fromBytes(Buffer.from(JSON.stringify({ paths })));
}

async function documentV3(core: ApiServerCore, gv: { group: string; version: string }): Promise<Document> {
  const descriptions = await loadDescriptions();
  return fromBytes(Buffer.from(JSON.stringify(openApiV3(gv.group, gv.version, core.kinds.all(), { descriptions, version: versionInfo.gitVersion }))));
}

async function documentV2(core: ApiServerCore, form: 'json' | 'protobuf'): Promise<Document> {
  const document = openApiV2(core.kinds.all(), { descriptions: await loadDescriptions(), version: versionInfo.gitVersion });
  return fromBytes(form === 'json' ? Buffer.from(JSON.stringify(document)) : Buffer.from(encodeOpenApiV2(document)));
}

async function serveV2(core: ApiServerCore, exchange: Exchange): Promise<void> {
  const form = protobufV2Asked.some((type) => (exchange.header('accept') ?? '').includes(type)) ? 'protobuf' : 'json';
  const document = await remembered(core, `openapi-v2:${form}`, () => documentV2(core, form));
  await sendDocument(exchange, document, form === 'json' ? 'application/json' : protobufV2);
}

async function serveGroupVersion(core: ApiServerCore, exchange: Exchange, request: { gv: { group: string; version: string }; query: URLSearchParams }): Promise<void> {
  const { gv, query } = request;
  const asked = query.get('hash');
  if (asked) {
    const current = await fingerprint(core, gv);
    if (asked !== current) {
      exchange.code = 301;
      exchange.response.send(301, { ...exchange.headers('text/plain'), location: `/openapi/v3/${pathOf(gv)}?hash=${current}` });
      return;
    }
  }
  const document = await remembered(core, `openapi-v3:${pathOf(gv)}`, () => documentV3(core, gv));
  const expires = new Date(core.registry.env.clock.now() + yearMs).toUTCString();
  await sendDocument(exchange, document, 'application/json', asked ? { 'cache-control': 'public, immutable', expires } : {});
}

/** Answers `/openapi/v2`, `/openapi/v3` and the documents below it; false for other paths. */
export async function serveOpenApi(core: ApiServerCore, exchange: Exchange, request: { path: string; query: URLSearchParams }): Promise<boolean> {
  const { path, query } = request;
  if (path === '/openapi/v2') await serveV2(core, exchange);
  else if (path === '/openapi/v3') await sendDocument(exchange, await remembered(core, 'openapi-v3', () => indexV3(core)), 'application/json');
  else {
    const gv = path.startsWith('/openapi/v3/') ? groupVersions(core.kinds.all()).find((one) => `/openapi/v3/${pathOf(one)}` === path) : undefined;
    if (!gv) return false;
    await serveGroupVersion(core, exchange, { gv, query });
  }
  return true;
}
