import { definitionFor } from '@orrery/api';
import { type KubeObject, hasLongIntegers, type ManagedFieldsEntry, managersText, parseExactly } from '@orrery/apimachinery';

/** Kind and apiVersion first, then metadata: the form that `spliceVersion` needs, so bytes are encoded once. */
const head = /^\{"(?:kind|apiVersion)":"[^"\\]*","(?:kind|apiVersion)":"[^"\\]*","metadata":\{/;

/**
 * The JSON that is stored: canonical head, no resourceVersion. Fields that are undefined are left out, as always in JSON.
 */
export function encodeForStorage(object: KubeObject): Buffer {
  return Buffer.from(textForStorage(object));
}

/** Members one after the other: to put them together in the order of storage first would be to copy them all. */
function textForStorage(object: KubeObject): string {
  const { kind, apiVersion, metadata } = object;
  let text = `{"kind":${JSON.stringify(kind ?? '')},"apiVersion":${JSON.stringify(apiVersion ?? '')},"metadata":${metadataText(metadata ?? {})}`;
  for (const name in object) {
    if (name === 'kind' || name === 'apiVersion' || name === 'metadata') continue;
    const member = JSON.stringify((object as Record<string, unknown>)[name]);
    if (member !== undefined) text += `,${JSON.stringify(name)}:${member}`;
  }
  return `${text}}`;
}

function metadataText({ resourceVersion: _, managedFields, ...rest }: NonNullable<KubeObject['metadata']> & { managedFields?: unknown }): string {
  if (!Array.isArray(managedFields)) return JSON.stringify(managedFields === undefined ? rest : { ...rest, managedFields });
  const text = JSON.stringify(rest).slice(0, -1);
  return `${text}${text === '{' ? '' : ','}"managedFields":${managersText(managedFields as ManagedFieldsEntry[])}}`;
}

/** Values up to this size are copied into memory that they share with others. */
const smallBytes = 2048;

/** As `encodeForStorage`, with the key before the value in memory: a store in this process keeps both as they are. */
export function encodeAt(key: string, object: KubeObject): Buffer {
  const text = textForStorage(object);
  const bytes = Buffer.byteLength(text);
  if (bytes <= smallBytes) return Buffer.from(text);
  const from = Buffer.byteLength(key);
  const whole = Buffer.allocUnsafeSlow(from + bytes);
  whole.write(key, 0);
  whole.write(text, from);
  return whole.subarray(from);
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
