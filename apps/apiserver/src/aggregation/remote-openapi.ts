import { type RemoteService } from './api-service.ts';
import { type ConnectionNeeds, type FetchedReply, endpointOf, fetchFrom } from './connection.ts';
import { type Swagger, toOpenApiV3, withPathsOf } from './swagger.ts';

const timeoutMs = 60_000;

/** What a server publishes of its API, as far as an APIService names it. */
export interface Published {
  /** Cut down to the group version; undefined: it has none. */
  readonly v2: Swagger | undefined;
  readonly v2Etag: string;
  /** URL of the group version's OpenAPI v3 document at that server, with its hash; empty: it has none. */
  readonly v3Url: string;
  /** Made from v2 where the server has no v3. */
  readonly v3: object | undefined;
}

const headerOf = (reply: FetchedReply, name: string): string => reply.headers.find(([key]) => key.toLowerCase() === name)?.[1] ?? '';

export const openApiKey = ({ group, version }: Pick<RemoteService, 'group' | 'version'>): string => `apis/${group}/${version}`;

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function parse(reply: FetchedReply, what: string): Readonly<Record<string, unknown>> {
  if (reply.status !== 200) throw new Error(`${what} answered ${reply.status}`);
  return record(JSON.parse(reply.body.toString('utf8')));
}

/** Asks a server for its OpenAPI documents; v2 only again when its tag has moved. */
export async function readOpenApi(remote: RemoteService, known: Published | undefined, needs: ConnectionNeeds): Promise<Published> {
  if (!remote.isAvailable) throw new Error('service unavailable');
  const to = endpointOf(remote, needs);
  const get = (path: string, etag = ''): Promise<FetchedReply> =>
    fetchFrom(remote, { to, path, headers: [['Accept', 'application/json'], ...(etag ? [['If-None-Match', etag] as [string, string]] : [])] }, { needs, timeoutMs });
  const index = await get('/openapi/v3');
  const paths = index.status === 404 ? {} : record(parse(index, '/openapi/v3')['paths']);
  const url = record(paths[openApiKey(remote)])['serverRelativeURL'];
  const v3Url = typeof url === 'string' ? url : '';
  const reply = await get('/openapi/v2', known?.v2Etag);
  const isSame = reply.status === 304 && known !== undefined;
  const v2 = isSame ? known.v2 : reply.status === 404 ? undefined : withPathsOf(parse(reply, '/openapi/v2') as Swagger, `/apis/${remote.group}/${remote.version}/`);
  const v3 = v3Url || !v2 ? undefined : isSame && known.v3 ? known.v3 : toOpenApiV3(v2);
  if (isSame && known.v3Url === v3Url) return known;
  return { v2, v2Etag: headerOf(reply, 'etag'), v3Url, v3 };
}
