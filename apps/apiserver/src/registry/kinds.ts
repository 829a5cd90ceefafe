import type { KindDescriptor } from '@orrery/api';
import type { KindLookup } from '../pipeline/plugin-set.ts';

/** All kinds served; custom resources come and go. */
export class Kinds implements KindLookup {
  private readonly byResource = new Map<string, KindDescriptor>();
  private readonly byName = new Map<string, KindDescriptor>();
  private readonly listeners = new Set<() => void>();
  private ordered: readonly KindDescriptor[];
  private customKinds: readonly KindDescriptor[] = [];
  private changes = 0;

  constructor(kinds: readonly KindDescriptor[]) {
    this.ordered = kinds;
    for (const kind of kinds) this.index(kind);
  }

  /** Counts changes: what is derived from the kinds (discovery, OpenAPI) is stale when it moved. */
  get generation(): number {
    return this.changes;
  }

  get(group: string, version: string, resource: string): KindDescriptor | undefined {
    return this.byResource.get(`${group}/${version}/${resource}`);
  }

  byKind(group: string, version: string, kind: string): KindDescriptor | undefined {
    return this.byName.get(`${group}/${version}/${kind}`);
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
    this.byResource.set(`${kind.group}/${kind.version}/${kind.resource}`, kind);
    this.byName.set(`${kind.group}/${kind.version}/${kind.kind}`, kind);
  }

  private drop(kind: KindDescriptor): void {
    const old = this.get(kind.group, kind.version, kind.resource);
    if (!old) return;
    this.byResource.delete(`${old.group}/${old.version}/${old.resource}`);
    this.byName.delete(`${old.group}/${old.version}/${old.kind}`);
    this.ordered = this.ordered.filter((other) => other !== old);
  }

  private changed(): void {
    this.changes += 1;
    for (const listener of this.listeners) listener();
  }
}
