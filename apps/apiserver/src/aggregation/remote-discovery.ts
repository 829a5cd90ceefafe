import type { VersionDiscovery } from '../pipeline/aggregation.ts';
import { type RemoteService, rootPath } from './api-service.ts';
import { type ConnectionNeeds, type FetchedReply, endpointOf, fetchFrom } from './connection.ts';

const timeoutMs = 5_000;
const aggregated = ['v2', 'v2beta1'].map((version) => `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`);
const accept = [...aggregated, 'application/json'].join(',');

/** What a server said of one group version, and the tag by which it can be asked whether that still holds. */
export interface Discovered {
  readonly resources: readonly object[];
  readonly etag: string;
}

type Json = Readonly<Record<string, any>>;

const headerOf = (reply: FetchedReply, name: string): string => reply.headers.find(([key]) => key.toLowerCase() === name)?.[1] ?? '';

function parse(reply: FetchedReply): Json {
  const value: unknown = JSON.parse(reply.body.toString('utf8'));
  if (typeof value !== 'object' || value === null) throw new Error('discovery is no object');
  return value as Json;
}

const listOf = (value: unknown): Json[] => (Array.isArray(value) ? value.filter((one): one is Json => typeof one === 'object' && one !== null) : []);

function ofAggregated(document: Json, { group, version }: RemoteService): readonly object[] {
  const found = listOf(document['items']).find((item) => item['metadata']?.name === group);
  return listOf(listOf(found?.['versions']).find((one) => one['version'] === version)?.['resources']);
}

interface Resource {
  resource: string;
  responseKind: object;
  scope: string;
  singularResource: string;
  verbs: unknown;
  shortNames?: unknown;
  categories?: unknown;
  subresources?: object[];
}

/** The resources of a legacy APIResourceList in the form of aggregated discovery. */
export function fromResourceList(list: Json): readonly object[] {
  const found = new Map<string, Resource>();
  const kindOf = (one: Json): object => ({ group: one['group'] ?? '', version: one['version'] ?? '', kind: one['kind'] ?? '' });
  const scopeOf = (one: Json): string => (one['namespaced'] ? 'Namespaced' : 'Cluster');
  const parentOf = (name: string, one: Json): Resource => {
    const known = found.get(name) ?? { resource: name, responseKind: { group: '', version: '', kind: '' }, scope: scopeOf(one), singularResource: '', verbs: [] };
    found.set(name, known);
    return known;
  };
  for (const one of listOf(list['resources'])) {
    const [name = '', subresource] = String(one['name'] ?? '').split('/');
    const parent = parentOf(name, one);
    if (subresource !== undefined) {
      (parent.subresources ??= []).push({ subresource, responseKind: kindOf(one), verbs: one['verbs'] ?? [] });
      continue;
    }
    Object.assign(parent, { responseKind: kindOf(one), scope: scopeOf(one), singularResource: one['singularName'] ?? '', verbs: one['verbs'] ?? [] });
    if (one['shortNames']?.length) parent.shortNames = one['shortNames'];
    if (one['categories']?.length) parent.categories = one['categories'];
  }
  return [...found.values()];
}

/** Asks the server what it serves of the group version, by aggregated discovery or, where there is none, by the old kind. */
export async function discover(remote: RemoteService, known: Discovered | undefined, needs: ConnectionNeeds): Promise<Discovered> {
  if (!remote.isAvailable) throw new Error('service unavailable');
  const to = endpointOf(remote, needs);
  const headers: [string, string][] = [['Accept', accept], ...(known?.etag ? [['If-None-Match', known.etag] as [string, string]] : [])];
  const reply = await fetchFrom(remote, { to, path: '/apis', headers }, { needs, timeoutMs });
  if (reply.status === 304 && known) return known;
  if (reply.status === 200 && headerOf(reply, 'content-type').includes('as=APIGroupDiscoveryList')) {
    return { resources: ofAggregated(parse(reply), remote), etag: headerOf(reply, 'etag') };
  }
  if (![200, 404, 406].includes(reply.status)) throw new Error(`discovery of ${remote.name} answered ${reply.status}`);
  const legacy = await fetchFrom(remote, { to, path: rootPath(remote), headers: [['Accept', 'application/json']] }, { needs, timeoutMs });
  if (legacy.status !== 200) throw new Error(`failed to download discovery for ${rootPath(remote)}: ${legacy.status}`);
  return { resources: fromResourceList(parse(legacy)), etag: '' };
}

export function versionDiscovery(version: string, found: Discovered | undefined, isStale: boolean): VersionDiscovery {
  return { version, ...(found ? { resources: found.resources } : {}), freshness: isStale ? 'Stale' : 'Current' };
}
