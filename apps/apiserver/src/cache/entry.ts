import type { KindDescriptor } from '@orrery/api';
import type { KubeObject } from '@orrery/apimachinery';
import { unreadableObject } from '../storage/errors.ts';
import { type Encoded, type Parts, encodeForStorage, noParts, parseObject, spliceVersion, withVersion } from './encoding.ts';

/**
 * One object at one revision, shared by everything that reads it: never changed. Bytes and object are made from each
 * other when first asked for, so an object that is only passed on is never parsed, and none is encoded twice.
 */
export class Entry {
  /** `ns/name` or `name`. */
  readonly key: string;
  readonly revision: number;
  private parsed: KubeObject | undefined;
  private encoded: Buffer | undefined;
  /** As the store holds it, without resourceVersion; in one process this is the store's own copy. */
  private stored: Buffer | undefined;
  /** Of `stored`. */
  private readonly parts: Parts;
  private fieldsOf: { kind: KindDescriptor; fields: Readonly<Record<string, string>> } | undefined;
  private views: WeakMap<KindDescriptor, Entry> | undefined;
  /** The store holds it encrypted with a key that writes no more. */
  readonly isStale: boolean;

  /** Use `entryFromStored` and `entryFromObject`. `encoded` and `parsed` carry the resourceVersion. */
  constructor(key: string, revision: number, content: { encoded?: Buffer | undefined; stored?: Buffer | undefined; parsed?: KubeObject | undefined; isStale?: boolean | undefined; parts?: Parts }) {
    this.key = key;
    this.revision = revision;
    this.encoded = content.encoded;
    this.stored = content.stored;
    this.parsed = content.parsed;
    this.parts = content.parts ?? noParts;
    this.isStale = content.isStale ?? false;
  }

  /** With metadata.resourceVersion. Frozen by convention. */
  get object(): any {
    return (this.parsed ??= this.parse());
  }

  /** JSON with metadata.resourceVersion. */
  get bytes(): Buffer {
    if (!this.encoded) {
      this.encoded = spliceVersion(this.stored ?? encodeForStorage(this.parsed as KubeObject), this.revision);
      this.stored = undefined;
    }
    return this.encoded;
  }

  /** JSON as it is at hand, for who puts in metadata.resourceVersion where `isVersioned` is false. */
  get sent(): { readonly bytes: Buffer; readonly isVersioned: boolean; readonly parts: Parts } {
    return this.stored ? { bytes: this.stored, isVersioned: false, parts: this.parts } : { bytes: this.bytes, isVersioned: true, parts: noParts };
  }

  /** For the encoding of the next version. */
  get known(): Encoded | undefined {
    return this.parsed && this.stored && this.parts.specTo ? { object: this.parsed, bytes: this.stored, parts: this.parts } : undefined;
  }

  private parse(): KubeObject {
    const text = (this.encoded ?? (this.stored as Buffer)).toString('utf8');
    try {
      const object = parseObject(text);
      return this.encoded ? object : withVersion(object, this.revision);
    } catch (error) {
      throw unreadableObject({ key: this.key, why: (error as Error).message, isSealed: false });
    }
  }

  get namespace(): string {
    const slash = this.key.indexOf('/');
    return slash < 0 ? '' : this.key.slice(0, slash);
  }

  get name(): string {
    return this.key.slice(this.key.indexOf('/') + 1);
  }

  get labels(): Readonly<Record<string, string>> {
    return (this.object as KubeObject).metadata?.labels ?? {};
  }

  /** Values for field selectors, metadata.name and metadata.namespace included. */
  fields(kind: KindDescriptor): Readonly<Record<string, string>> {
    if (this.fieldsOf?.kind !== kind) {
      const own = kind.selectable(this.object);
      this.fieldsOf = { kind, fields: { 'metadata.name': this.name, 'metadata.namespace': this.namespace, ...own } };
    }
    return this.fieldsOf.fields;
  }

  /** The same state under another resourceVersion: the last state of something deleted. */
  at(revision: number): Entry {
    return new Entry(this.key, revision, { parsed: withVersion(this.object as KubeObject, revision), stored: this.stored, parts: this.parts });
  }

  /** These are the same bytes as the store shows them: in one process its own, of which no copy is kept. */
  storedAs(value: Buffer): void {
    if (this.stored) this.stored = value;
  }

  /** Lets go of the object where it can be made again from the bytes. */
  release(): void {
    if (this.encoded ?? this.stored) this.parsed = undefined;
  }

  /** Bytes of the object as it is stored, or about that. */
  get size(): number {
    return this.stored?.length ?? this.bytes.length;
  }

  /** Can it be shown as `kind` at once? False: see `convertEntries`. */
  isShown(kind: KindDescriptor): boolean {
    const conversion = kind.storedAs?.conversion;
    return !conversion || this.views?.has(kind) === true || !conversion.needed(this.object);
  }

  /** From now on `kind` shows it like this. */
  showAs(kind: KindDescriptor, object: KubeObject): void {
    this.views ??= new WeakMap();
    this.views.set(kind, new Entry(this.key, this.revision, { parsed: object }));
  }

  /** As `kind` shows it, where that is stored as another kind; converted once. Throws what conversion throws. */
  view(kind: KindDescriptor): Entry {
    const { storedAs } = kind;
    if (!storedAs) return this;
    this.views ??= new WeakMap();
    let view = this.views.get(kind);
    if (!view) {
      view = new Entry(this.key, this.revision, { parsed: storedAs.fromStorage(this.object) as KubeObject });
      this.views.set(kind, view);
    }
    return view;
  }
}

/** From bytes as the store holds them (without resourceVersion). */
export function entryFromStored(key: string, stored: { readonly value: Buffer; readonly revision: number; readonly stale?: boolean }): Entry {
  return new Entry(key, stored.revision, { stored: stored.value, isStale: stored.stale });
}

/** From an object this server has just stored as `value`. */
export function entryFromObject(key: string, revision: number, content: { object: KubeObject; value: Buffer; parts?: Parts }): Entry {
  return new Entry(key, revision, { stored: content.value, parsed: withVersion(content.object, revision), ...(content.parts ? { parts: content.parts } : {}) });
}
