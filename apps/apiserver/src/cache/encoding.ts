import { definitionFor } from '@orrery/api';
import { type KubeObject, hasLongIntegers, type ManagedFieldsEntry, parseExactly, putManagers } from '@orrery/apimachinery';

/** Kind and apiVersion first, then metadata: the form that `spliceVersion` needs, so bytes are encoded once. */
const head = /^\{"(?:kind|apiVersion)":"[^"\\]*","(?:kind|apiVersion)":"[^"\\]*","metadata":\{/;

const usualBytes = 64 * 1024;
/** No character of a string takes more in UTF-8. */
const maxCharBytes = 3;
let room = Buffer.allocUnsafeSlow(usualBytes);
let filled = 0;
/** Of the last object: see `Parts`. */
let managersFrom = 0;
let managersTo = 0;
let specTo = 0;

function makeRoom(bytes: number): void {
  const needed = filled + bytes;
  if (needed <= room.length) return;
  const larger = Buffer.allocUnsafeSlow(Math.max(needed, 2 * room.length));
  room.copy(larger, 0, 0, filled);
  room = larger;
}

/** Pieces are gathered as bytes: to put them together as a string first would be to copy them all once more. */
function put(piece: string): void {
  makeRoom(piece.length * maxCharBytes);
  filled += room.write(piece, filled);
}

function putBytes(bytes: Buffer, from: number, to: number): void {
  makeRoom(to - from);
  filled += bytes.copy(room, filled, from, to);
}

function putMetadata({ resourceVersion: _, managedFields, ...rest }: NonNullable<KubeObject['metadata']> & { managedFields?: unknown }): void {
  if (!Array.isArray(managedFields)) return put(JSON.stringify(managedFields === undefined ? rest : { ...rest, managedFields }));
  const text = JSON.stringify(rest).slice(0, -1);
  put(text);
  const from = filled;
  put(`${text === '{' ? '' : ','}"managedFields":`);
  putManagers(managedFields as ManagedFieldsEntry[], put);
  if (text !== '{') [managersFrom, managersTo] = [from, filled];
  put('}');
}

type Members = Readonly<Record<string, unknown>>;

const isHead = (name: string): boolean => name === 'kind' || name === 'apiVersion' || name === 'metadata';

/** Is all that follows spec the very same? */
function isSameTail(object: Members, before: Members): boolean {
  let more = 0;
  for (const name in object) {
    if (isHead(name) || name === 'spec') continue;
    if (object[name] !== before[name]) return false;
    more++;
  }
  for (const name in before) if (!isHead(name) && name !== 'spec') more--;
  return more === 0;
}

/** The members after metadata, one after the other: to put them in the order of storage first would be to copy them all. What is as in the version before is copied from its bytes. */
function putMembers(object: Members, before: Encoded | undefined): void {
  let isFirst = true;
  for (const name in object) {
    if (isHead(name)) continue;
    const value = object[name];
    if (name === 'spec' && isFirst && before && value === (before.object as Members)['spec']) {
      putBytes(before.bytes, before.parts.managersTo + 1, before.parts.specTo);
    } else {
      const member = JSON.stringify(value);
      if (member === undefined) continue;
      put(`,${JSON.stringify(name)}:`);
      put(member);
    }
    if (name === 'spec' && isFirst && managersTo) {
      specTo = filled;
      if (before && isSameTail(object, before.object as Members)) return putBytes(before.bytes, before.parts.specTo, before.bytes.length - 1);
    }
    isFirst = false;
  }
}

function putObject(object: KubeObject, before?: Encoded): void {
  managersFrom = managersTo = specTo = 0;
  const { kind, apiVersion, metadata } = object;
  put(`{"kind":${JSON.stringify(kind ?? '')},"apiVersion":${JSON.stringify(apiVersion ?? '')},"metadata":`);
  putMetadata(metadata ?? {});
  putMembers(object as Members, before);
  put('}');
}

/** What was gathered, copied to where it stays. */
function taken(to: Buffer): Buffer {
  room.copy(to, 0, 0, filled);
  // What one large object needed is not kept for good.
  if (room.length > 16 * usualBytes) room = Buffer.allocUnsafeSlow(usualBytes);
  return to;
}

/**
 * The JSON that is stored: canonical head, no resourceVersion. Fields that are undefined are left out, as always in JSON.
 */
export function encodeForStorage(object: KubeObject): Buffer {
  filled = 0;
  putObject(object);
  return taken(Buffer.allocUnsafe(filled));
}

/** Memory of its own costs a value more than being encoded, so neighbours share pieces of this size, which are given back when all in them are gone. */
const slabBytes = 16 * 1024;
/** Larger values have memory of their own. */
const sharedBytes = 8 * 1024;
let slab = Buffer.alloc(0);
let used = 0;

function reserved(bytes: number): Buffer {
  if (bytes > sharedBytes) return Buffer.allocUnsafeSlow(bytes);
  if (used + bytes > slab.length) {
    slab = Buffer.allocUnsafeSlow(slabBytes);
    used = 0;
  }
  return slab.subarray(used, (used += bytes));
}

/** Where parts of an object are in its bytes: places between them. */
export interface Parts {
  /** Around managedFields and the comma before them, which are the last in metadata: without these bytes it is the object without managedFields. Both 0 where that is not told. */
  readonly managersFrom: number;
  readonly managersTo: number;
  /** Behind spec and before what follows it; before it comes the brace that ends metadata, at `managersTo`. 0 where spec is not what follows metadata. */
  readonly specTo: number;
}

export const noParts: Parts = { managersFrom: 0, managersTo: 0, specTo: 0 };

/** A version of an object whose bytes are known, and where spec is in them. */
export interface Encoded {
  readonly object: KubeObject;
  readonly bytes: Buffer;
  readonly parts: Parts;
}

/**
 * As `encodeForStorage`, with the key before the value in memory: a store in this process keeps both as they are. Of the version `before`
 * what is still the same (the very object, which nobody changes) is not encoded again.
 */
export function encodeAt(key: string, object: KubeObject, before?: Encoded): { readonly value: Buffer; readonly parts: Parts } {
  filled = 0;
  put(key);
  const from = filled;
  putObject(object, before);
  const parts = managersTo ? { managersFrom: managersFrom - from, managersTo: managersTo - from, specTo: specTo && specTo - from } : noParts;
  return { value: taken(reserved(filled)).subarray(from), parts };
}

/** An object from its JSON. Long integers of custom resources keep their digits; those of built-in kinds are plain numbers. */
export function parseObject(text: string): KubeObject {
  const object = JSON.parse(text) as KubeObject;
  const isBuiltIn = definitionFor(object.apiVersion ?? '', object.kind ?? '') !== undefined;
  return isBuiltIn || !hasLongIntegers(text) ? object : (parseExactly(text) as KubeObject);
}

/** The same bytes with metadata.resourceVersion put in; what clients get. */
export function spliceVersion(stored: Buffer, revision: number): Buffer {
  const match = head.exec(stored.toString('latin1', 0, 512));
  if (!match) return encodeWithVersion(stored, revision);
  const at = match[0].length;
  const more = stored[at] === 0x7d ? '' : ',';
  const version = `"resourceVersion":"${revision}"${more}`;
  const out = Buffer.allocUnsafe(stored.length + version.length);
  stored.copy(out, 0, 0, at);
  out.write(version, at, 'latin1');
  stored.copy(out, at + version.length, at);
  return out;
}

/** For values that somebody else wrote in another form. */
function encodeWithVersion(stored: Buffer, revision: number): Buffer {
  const object = parseObject(stored.toString('utf8'));
  return spliceVersion(encodeForStorage(object), revision);
}

/** `object` with its resourceVersion, key order as in the bytes; shares everything below metadata. */
export function withVersion<T extends KubeObject>(object: T, revision: number): T {
  const { kind, apiVersion, metadata, ...rest } = object;
  return { kind, apiVersion, metadata: { ...metadata, resourceVersion: String(revision) }, ...rest } as T;
}
