import { type KindDescriptor, compareVersions } from '@orrery/api';
import type { RemoteGroupVersion, VersionDiscovery } from '../pipeline/aggregation.ts';
import type { ApiServerCore } from '../server.ts';
import { type Priority, builtInPriority, customPriority } from './priorities.ts';

/** One version of a group, served here or by another server. */
export interface ServedVersion {
  readonly group: string;
  readonly version: string;
  readonly priority: Priority;
  /** Served here, by name; empty for another server's. */
  readonly kinds: readonly KindDescriptor[];
  /** What another server says of it. */
  readonly remote?: VersionDiscovery;
}

/** A group and its versions, the preferred one first. */
export interface ServedGroup {
  readonly name: string;
  readonly versions: readonly ServedVersion[];
}

function localVersions(kinds: readonly KindDescriptor[]): Map<string, ServedVersion> {
  const found = new Map<string, ServedVersion & { kinds: KindDescriptor[] }>();
  for (const kind of kinds) {
    const { group, version } = kind;
    const entry = found.get(`${group}/${version}`) ?? { group, version, priority: builtInPriority(group, version) ?? customPriority, kinds: [] };
    entry.kinds.push(kind);
    found.set(`${group}/${version}`, entry);
  }
  for (const entry of found.values()) entry.kinds.sort((a, b) => (a.resource < b.resource ? -1 : 1));
  return found;
}

const byPreference = (a: ServedVersion, b: ServedVersion): number => b.priority.version - a.priority.version || compareVersions(a.version, b.version);

const rank = ({ versions }: ServedGroup): number => Math.max(...versions.map(({ priority }) => priority.group));

/**
 * All groups in the order in which clients look for what an ambiguous name means: by priority, then by name. A group version with
 * an APIService that names another server is that server's, whatever is served here.
 */
export function servedGroups(kinds: readonly KindDescriptor[], remotes: readonly RemoteGroupVersion[] = []): ServedGroup[] {
  const all = localVersions(kinds);
  for (const { group, groupPriority, versionPriority, discovery } of remotes) {
    all.set(`${group}/${discovery.version}`, { group, version: discovery.version, priority: { group: groupPriority, version: versionPriority }, kinds: [], remote: discovery });
  }
  const groups = new Map<string, ServedVersion[]>();
  for (const one of all.values()) groups.set(one.group, [...(groups.get(one.group) ?? []), one]);
  return [...groups].map(([name, versions]) => ({ name, versions: versions.sort(byPreference) })).sort((a, b) => rank(b) - rank(a) || (a.name < b.name ? -1 : 1));
}

export const groupsOf = (core: ApiServerCore): ServedGroup[] => servedGroups(core.kinds.all(), core.aggregation?.remotes());

/** The group versions that this server itself serves. */
export function localGroupVersions(core: ApiServerCore): ServedVersion[] {
  return groupsOf(core).flatMap(({ versions }) => versions.filter(({ remote }) => !remote));
}
