import type { KindDescriptor } from '@orrery/api';
import { formatApiVersion } from '@orrery/apimachinery';
import type { ServedGroup, ServedVersion } from './served.ts';

/** A legacy document; the oldest ones have no apiVersion. */
export interface DiscoveryObject {
  readonly kind: string;
  readonly apiVersion?: string;
  readonly [field: string]: unknown;
}

/** A subresource as discovery shows it. */
interface Subresource {
  readonly name: string;
  readonly kind: string;
  /** Empty for the group version of the resource. */
  readonly group: string;
  readonly version: string;
  readonly verbs: readonly string[];
}

const objectVerbs: readonly string[] = ['get', 'patch', 'update'];

/** All subresources of a kind, sorted by name. */
export function subresourcesOf(kind: KindDescriptor): Subresource[] {
  const own = kind.subresources.map((s) => {
    const elsewhere = s.group !== undefined && (s.group !== kind.group || s.version !== kind.version);
    return { name: s.name, kind: s.kind, group: elsewhere ? (s.group ?? '') : '', version: elsewhere ? (s.version ?? '') : '', verbs: s.verbs };
  });
  const named = new Set(own.map((s) => s.name));
  if (kind.hasStatus && !named.has('status')) own.push({ name: 'status', kind: kind.kind, group: '', version: '', verbs: objectVerbs });
  if (kind.scale && !named.has('scale')) own.push({ name: 'scale', kind: 'Scale', group: 'autoscaling', version: 'v1', verbs: objectVerbs });
  return own.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function sorted(verbs: readonly string[]): string[] {
  return [...verbs].sort();
}

function resourceDiscovery(kind: KindDescriptor): object {
  const subresources = subresourcesOf(kind).map((s) => ({
    subresource: s.name,
    responseKind: { group: s.group, version: s.version, kind: s.kind },
    verbs: sorted(s.verbs),
  }));
  return {
    resource: kind.resource,
    responseKind: { group: '', version: '', kind: kind.kind },
    scope: kind.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: kind.singular,
    verbs: sorted(kind.verbs),
    ...(kind.shortNames.length ? { shortNames: kind.shortNames } : {}),
    ...(kind.categories.length ? { categories: kind.categories } : {}),
    ...(subresources.length ? { subresources } : {}),
  };
}

function versionDiscovery({ version, kinds, remote }: ServedVersion): object {
  return remote ?? { version, resources: kinds.map(resourceDiscovery), freshness: 'Current' };
}

/** `APIGroupDiscoveryList` of `/api` (core only) or `/apis` (the rest). */
export function aggregatedDiscovery(groups: readonly ServedGroup[], root: 'api' | 'apis', version: 'v2' | 'v2beta1'): DiscoveryObject {
  const items = groups
    .filter(({ name }) => (name === '') === (root === 'api'))
    .map(({ name, versions }) => ({ metadata: name ? { name, creationTimestamp: null } : { creationTimestamp: null }, versions: versions.map(versionDiscovery) }));
  return { kind: 'APIGroupDiscoveryList', apiVersion: `apidiscovery.k8s.io/${version}`, metadata: {}, items };
}

/** Legacy `/apis`. */
export function apiGroupList(groups: readonly ServedGroup[]): DiscoveryObject {
  return { kind: 'APIGroupList', apiVersion: 'v1', groups: groups.filter(({ name }) => name !== '').map(groupBody) };
}

function groupBody({ name, versions }: ServedGroup): object {
  const all = versions.map(({ group, version }) => ({ groupVersion: formatApiVersion(group, version), version }));
  return { name, versions: all, preferredVersion: all[0] };
}

/** Legacy `/apis/GROUP`; undefined for a group that is not served. */
export function apiGroup(groups: readonly ServedGroup[], name: string): DiscoveryObject | undefined {
  const found = groups.find((group) => group.name === name);
  return name !== '' && found ? { kind: 'APIGroup', apiVersion: 'v1', ...groupBody(found) } : undefined;
}

/** Legacy `/api`. */
export function apiVersions(serverAddress: string): DiscoveryObject {
  return { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress }] };
}

/** By which clients see that the form in which a kind is stored has changed; of kinds that are stored at all. */
async function storageHash(kind: KindDescriptor): Promise<string | undefined> {
  if (!kind.verbs.includes('get') || !kind.verbs.includes('create')) return undefined;
  const { group, version } = kind.storedAs ?? kind;
  const digest = await crypto.subtle.digest('SHA-256', Buffer.from(`${group}/${version}/${kind.kind}`));
  return Buffer.from(digest).subarray(0, 8).toString('base64');
}

/** Legacy `/api/v1` and `/apis/GROUP/VERSION`; `hashed` with the hashes of how kinds are stored. */
export async function apiResourceList({ kinds, group, version }: ServedVersion, { hashed = true } = {}): Promise<DiscoveryObject> {
  const hashes = hashed ? await Promise.all(kinds.map(storageHash)) : [];
  const resources = kinds.flatMap((kind, i) => {
    const main = {
      name: kind.resource,
      singularName: kind.singular,
      namespaced: kind.namespaced,
      kind: kind.kind,
      verbs: sorted(kind.verbs),
      ...(kind.shortNames.length ? { shortNames: kind.shortNames } : {}),
      ...(kind.categories.length ? { categories: kind.categories } : {}),
      ...(hashes[i] ? { storageVersionHash: hashes[i] } : {}),
    };
    const others = subresourcesOf(kind).map((s) => ({
      name: `${kind.resource}/${s.name}`,
      singularName: '',
      namespaced: kind.namespaced,
      ...(s.group || s.version ? { group: s.group, version: s.version } : {}),
      kind: s.kind,
      verbs: sorted(s.verbs),
    }));
    return [main, ...others];
  });
  return { kind: 'APIResourceList', ...(group ? { apiVersion: 'v1' } : {}), groupVersion: formatApiVersion(group, version), resources };
}
