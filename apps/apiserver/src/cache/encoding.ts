import { definitionFor } from '@orrery/api';
import { type KubeObject, hasLongIntegers, type ManagedFieldsEntry, parseExactly, putManagers } from '@orrery/apimachinery';

/** Kind and apiVersion first, then metadata: the form that `spliceVersion` needs, so bytes are encoded once. */
const head = /^\{"(?:kind|apiVersion)":"[^"\\]*","(?:kind|apiVersion)":"[^"\\]*","metadata":\{/;

const usualBytes = 64 * 1024;
/** No character of a string takes more in UTF-8. */
const maxCharBytes = 3;
let room = Buffer.allocUnsafeSlow(usualBytes);
let filled = 0;
/** Where the last object's managedFields are, with the comma before them; both 0 where there are none. */
let managersFrom = 0;
let managersTo = 0;

/** Pieces are gathered as bytes: to put them together as a string first would be to copy them all once more. */
function put(piece: string): void {
  const needed = filled + piece.length * maxCharBytes;
  if (needed > room.length) {
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, 2 * room.length));
    room.copy(larger, 0, 0, filled);
    room = larger;
  }
  filled += room.write(piece, filled);
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

/** Members one after the other: to put them in the order of storage first would be to copy them all. */
function putObject(object: KubeObject): void {
  managersFrom = managersTo = 0;
  const { kind, apiVersion, metadata } = object;
  put(`{"kind":${JSON.stringify(kind ?? '')},"apiVersion":${JSON.stringify(apiVersion ?? '')},"metadata":`);
  putMetadata(metadata ?? {});
  for (const name in object) {
    if (name === 'kind' || name === 'apiVersion' || name === 'metadata') continue;
    const member = JSON.stringify((object as Record<string, unknown>)[name]);
    if (member === undefined) continue;
    put(`,${JSON.stringify(name)}:`);
    put(member);
  }
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

/** Bytes within a value: the first, and the one after the last. Both 0: none. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

export const noSpan: Span = { from: 0, to: 0 };

/** As `encodeForStorage`, with the key before the value in memory: a store in this process keeps both as they are. `managers`: without these bytes it is the object without managedFields. */
export function encodeAt(key: string, object: KubeObject): { readonly value: Buffer; readonly managers: Span } {
  filled = 0;
  put(key);
  const from = filled;
  putObject(object);
  const managers = managersTo ? { from: managersFrom - from, to: managersTo - from } : noSpan;
  return { value: taken(reserved(filled)).subarray(from), managers };
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
