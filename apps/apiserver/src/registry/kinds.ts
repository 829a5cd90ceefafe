import type { KindDescriptor } from '@orrery/api';
import type { KindLookup } from '../pipeline/plugin-set.ts';

/** Kinds by group, version and name: each level is asked by strings that are there, so that no key has to be made. */
class KindIndex {
  private readonly groups = new Map<string, Map<string, Map<string, KindDescriptor>>>();

  get(group: string, version: string, name: string): KindDescriptor | undefined {
    return this.groups.get(group)?.get(version)?.get(name);
  }

  set(kind: KindDescriptor, name: string): void {
    const { group, version } = kind;
    let versions = this.groups.get(group);
    if (!versions) this.groups.set(group, (versions = new Map()));
    let names = versions.get(version);
    if (!names) versions.set(version, (names = new Map()));
    names.set(name, kind);
  }

  delete({ group, version }: KindDescriptor, name: string): void {
    this.groups.get(group)?.get(version)?.delete(name);
  }
}

/** All kinds served; custom resources come and go. */
export class Kinds implements KindLookup {
  private readonly byResource = new KindIndex();
  private readonly byName = new KindIndex();
  private readonly listeners = new Set<() => void>();
  private ordered: readonly KindDescriptor[];
  private customKinds: readonly KindDescriptor[] = [];
  private changes = 0;
  private readonly unserved = new KindIndex();

  /** `kept` are all built-in kinds whose objects this server itself reads and writes, served or not. */
  constructor(kinds: readonly KindDescriptor[], kept: readonly KindDescriptor[] = []) {
    this.ordered = kinds;
    for (const kind of kinds) this.index(kind);
    for (const kind of kept) if (!this.get(kind.group, kind.version, kind.resource)) this.unserved.set(kind, kind.resource);
  }

  /** Counts changes: what is derived from the kinds (discovery, OpenAPI) is stale when it moved. */
  get generation(): number {
    return this.changes;
  }

  get(group: string, version: string, resource: string): KindDescriptor | undefined {
    return this.byResource.get(group, version, resource);
  }

  kept(group: string, version: string, resource: string): KindDescriptor | undefined {
    return this.get(group, version, resource) ?? this.unserved.get(group, version, resource);
  }

  byKind(group: string, version: string, kind: string): KindDescriptor | undefined {
    return this.byName.get(group, version, kind);
  }

  all(): readonly KindDescriptor[] {
    return this.ordered;
  }

  /** Is the resource built in, at whatever version? */
  isBuiltIn(group: string, resource: string): boolean {
    return this.ordered.some((kind) => kind.group === group && kind.resource === resource && !this.customKinds.includes(kind));
  }

  get custom(): readonly KindDescriptor[] {
    return this.customKinds;
  }

  /** Serves these custom kinds after the built-in ones and no others; a built-in kind is never replaced. */
  serveCustom(kinds: readonly KindDescriptor[]): void {
    for (const kind of this.customKinds) this.drop(kind);
    this.customKinds = kinds.filter((kind) => !this.get(kind.group, kind.version, kind.resource) && !this.byKind(kind.group, kind.version, kind.kind));
    this.ordered = [...this.ordered, ...this.customKinds];
    for (const kind of this.customKinds) this.index(kind);
    this.changed();
  }

  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  private index(kind: KindDescriptor): void {
    this.byResource.set(kind, kind.resource);
    this.byName.set(kind, kind.kind);
  }

  private drop(kind: KindDescriptor): void {
    const old = this.get(kind.group, kind.version, kind.resource);
    if (!old) return;
    this.byResource.delete(old, old.resource);
    this.byName.delete(old, old.kind);
    this.ordered = this.ordered.filter((other) => other !== old);
  }

  private changed(): void {
    this.changes += 1;
    for (const listener of this.listeners) listener();
  }
}
