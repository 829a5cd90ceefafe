import type { KindDescriptor } from '@orrery/api';
import { formatApiVersion } from '@orrery/apimachinery';

/** A subresource as discovery shows it. */
interface Subresource {
  readonly name: string;
  readonly kind: string;
  /** Empty for the group version of the resource. */
  readonly group: string;
  readonly version: string;
  readonly verbs: readonly string[];
}

interface GroupVersion {
  readonly group: string;
  readonly version: string;
  readonly kinds: readonly KindDescriptor[];
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

/** Groups and versions in the order in which their kinds were given: that is what clients resolve short names by. */
export function groupVersions(kinds: readonly KindDescriptor[]): GroupVersion[] {
  const found = new Map<string, { group: string; version: string; kinds: KindDescriptor[] }>();
  for (const kind of kinds) {
    const key = `${kind.group}/${kind.version}`;
    const entry = found.get(key) ?? { group: kind.group, version: kind.version, kinds: [] };
    entry.kinds.push(kind);
    found.set(key, entry);
  }
  return [...found.values()].map((entry) => ({ ...entry, kinds: entry.kinds.sort((a, b) => (a.resource < b.resource ? -1 : 1)) }));
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

/** `APIGroupDiscoveryList` of `/api` (core only) or `/apis` (the rest). */
export function aggregatedDiscovery(kinds: readonly KindDescriptor[], root: 'api' | 'apis', version: 'v2' | 'v2beta1'): object {
  const groups = new Map<string, object[]>();
  for (const gv of groupVersions(kinds)) {
    if ((gv.group === '') !== (root === 'api')) continue;
    const versions = groups.get(gv.group) ?? [];
    versions.push({ version: gv.version, resources: gv.kinds.map(resourceDiscovery), freshness: 'Current' });
    groups.set(gv.group, versions);
  }
  const items = [...groups].map(([name, versions]) => ({ metadata: name ? { name, creationTimestamp: null } : { creationTimestamp: null }, versions }));
  return { kind: 'APIGroupDiscoveryList', apiVersion: `apidiscovery.k8s.io/${version}`, metadata: {}, items };
}

/** Legacy `/apis`. */
export function apiGroupList(kinds: readonly KindDescriptor[]): object {
  const names = [...new Set(groupVersions(kinds).map((gv) => gv.group))].filter((name) => name !== '');
  return { kind: 'APIGroupList', apiVersion: 'v1', groups: names.map((name) => groupBody(kinds, name)) };
}

function groupBody(kinds: readonly KindDescriptor[], group: string): object {
  const versions = groupVersions(kinds)
    .filter((gv) => gv.group === group)
    .map((gv) => ({ groupVersion: formatApiVersion(gv.group, gv.version), version: gv.version }));
  return { name: group, versions, preferredVersion: versions[0] };
}

/** Legacy `/apis/GROUP`; undefined for a group that is not served. */
export function apiGroup(kinds: readonly KindDescriptor[], group: string): object | undefined {
  if (group === '' || !kinds.some((kind) => kind.group === group)) return undefined;
  return { kind: 'APIGroup', apiVersion: 'v1', ...groupBody(kinds, group) };
}

/** Legacy `/api`. */
export function apiVersions(serverAddress: string): object {
  return { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress }] };
}

/** Legacy `/api/v1` and `/apis/GROUP/VERSION`; undefined for one that is not served. */
export function apiResourceList(kinds: readonly KindDescriptor[], group: string, version: string): object | undefined {
  const found = groupVersions(kinds).find((gv) => gv.group === group && gv.version === version);
  if (!found) return undefined;
  const resources = found.kinds.flatMap((kind) => {
    const main = {
      name: kind.resource,
      singularName: kind.singular,
      namespaced: kind.namespaced,
      kind: kind.kind,
      verbs: sorted(kind.verbs),
      ...(kind.shortNames.length ? { shortNames: kind.shortNames } : {}),
      ...(kind.categories.length ? { categories: kind.categories } : {}),
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
