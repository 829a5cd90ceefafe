import { type KindDescriptor, encodeProtobufMessage, protobufEnvelope, schemaOf } from '@orrery/api';
import { formatApiVersion } from '@orrery/apimachinery';
import { notAcceptable } from '@orrery/errors';
import type { Entry } from '../cache/entry.ts';
import { entryMessage, entryProtobuf, listProtobuf } from '../cache/wire.ts';
import type { ListResult } from '../registry/list.ts';
import type { Format } from './negotiation.ts';

const comma = Buffer.from(',');
const listEnd = Buffer.from(']}\n');
const metaSchemas = 'io.k8s.apimachinery.pkg.apis.meta.v1';

function listMeta(result: ListResult): object {
  return {
    resourceVersion: String(result.resourceVersion),
    ...(result.continue ? { continue: result.continue } : {}),
    ...(result.remainingItemCount ? { remainingItemCount: result.remainingItemCount } : {}),
  };
}

/** ListMeta as JSON. */
export function listMetadata(result: ListResult): string {
  return JSON.stringify(listMeta(result));
}

function joined(head: string, items: Iterable<Buffer>): Buffer {
  const parts: Buffer[] = [Buffer.from(head)];
  for (const item of items) {
    if (parts.length > 1) parts.push(comma);
    parts.push(item);
  }
  parts.push(listEnd);
  return Buffer.concat(parts);
}

/** A list: its items' bytes strung together, nothing encoded anew. */
export function listBytes(kind: KindDescriptor, result: ListResult, format: Pick<Format, 'encoding'>): Buffer {
  const apiVersion = formatApiVersion(kind.group, kind.version);
  if (format.encoding === 'protobuf') {
    const items = result.entries.map((entry) => entryMessage(kind, entry));
    return listProtobuf({ apiVersion, kind: kind.listKind }, listMetaMessage(result), items);
  }
  const head = `{"kind":"${kind.listKind}","apiVersion":"${apiVersion}","metadata":${listMetadata(result)},"items":[`;
  return kind.schema ? joined(head, result.entries.map((entry) => entry.bytes)) : joinedUntyped(head, kind, result.entries);
}

/** Items of built-in lists do not say what they are: their bytes from the metadata on. */
function joinedUntyped(head: string, kind: KindDescriptor, entries: readonly Entry[]): Buffer {
  const type = Buffer.from(`{"kind":"${kind.kind}","apiVersion":"${formatApiVersion(kind.group, kind.version)}",`);
  const first = Buffer.from('{');
  const next = Buffer.from(',{');
  const parts: Buffer[] = [Buffer.from(head)];
  for (const { bytes } of entries) {
    const isFirst = parts.length === 1;
    if (bytes.compare(type, 0, type.length, 0, type.length) === 0) parts.push(isFirst ? first : next, bytes.subarray(type.length));
    else if (isFirst) parts.push(bytes);
    else parts.push(comma, bytes);
  }
  parts.push(listEnd);
  return Buffer.concat(parts);
}

export function entryBytes(kind: KindDescriptor, entry: Entry, format: Pick<Format, 'encoding'>): Buffer {
  return format.encoding === 'protobuf' ? entryProtobuf(kind, entry) : entry.bytes;
}

function listMetaMessage(result: ListResult): Buffer {
  return encodeProtobufMessage(schemaOf(`${metaSchemas}.ListMeta`), listMeta(result));
}

function metadataOf(entry: Entry): object {
  return (entry.object as { metadata?: object }).metadata ?? {};
}

function partialMessage(entry: Entry): Buffer {
  return encodeProtobufMessage(schemaOf(`${metaSchemas}.PartialObjectMetadata`), { metadata: metadataOf(entry) });
}

type PartialFormat = Pick<Format, 'encoding' | 'metaVersion'>;

/** PartialObjectMetadata of an object. */
export function partialMetadata(entry: Entry, format: PartialFormat): Buffer {
  const type = { kind: 'PartialObjectMetadata', apiVersion: `meta.k8s.io/${format.metaVersion}` };
  if (format.encoding === 'protobuf') return protobufEnvelope(type, [partialMessage(entry)]);
  return Buffer.from(JSON.stringify({ ...type, metadata: metadataOf(entry) }));
}

export function partialMetadataList(result: ListResult, format: PartialFormat): Buffer {
  const apiVersion = `meta.k8s.io/${format.metaVersion}`;
  if (format.encoding === 'protobuf') {
    return listProtobuf({ apiVersion, kind: 'PartialObjectMetadataList' }, listMetaMessage(result), result.entries.map(partialMessage));
  }
  const head = `{"kind":"PartialObjectMetadataList","apiVersion":"${apiVersion}","metadata":${listMetadata(result)},"items":[`;
  return joined(head, result.entries.map((entry) => partialMetadata(entry, format)));
}

function goType(kind: KindDescriptor, name: string): string {
  if (kind.schema) return name === kind.listKind ? '*unstructured.UnstructuredList' : '*unstructured.Unstructured';
  return `*${kind.group === '' ? 'core' : (kind.group.split('.')[0] ?? '')}.${name}`;
}

/** Metadata of one object was asked of a list, or the other way round: 406. */
export function checkTransform(kind: KindDescriptor, format: Pick<Format, 'as'>, isList: boolean): void {
  if (format.as === 'PartialObjectMetadata' && isList) {
    throw notAcceptable(`you requested PartialObjectMetadata, but the requested object is a list (${goType(kind, kind.listKind)})`);
  }
  if (format.as === 'PartialObjectMetadataList' && !isList) {
    throw notAcceptable(`you requested PartialObjectMetadataList, but the requested object is not a list (${goType(kind, kind.kind)})`);
  }
}
