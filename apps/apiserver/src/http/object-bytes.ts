import type { KindDescriptor } from '@orrery/api';
import { formatApiVersion } from '@orrery/apimachinery';
import type { Entry } from '../cache/entry.ts';
import type { ListResult } from '../registry/list.ts';

const comma = Buffer.from(',');
const listEnd = Buffer.from(']}\n');

/** ListMeta as JSON. */
export function listMetadata(result: ListResult): string {
  return JSON.stringify({
    resourceVersion: String(result.resourceVersion),
    ...(result.continue ? { continue: result.continue } : {}),
    ...(result.remainingItemCount ? { remainingItemCount: result.remainingItemCount } : {}),
  });
}

/** A list: its items' bytes strung together, nothing encoded anew. */
export function listBytes(kind: KindDescriptor, result: ListResult): Buffer {
  const head = `{"kind":"${kind.listKind}","apiVersion":"${formatApiVersion(kind.group, kind.version)}","metadata":${listMetadata(result)},"items":[`;
  const parts: Buffer[] = [Buffer.from(head)];
  for (const [i, entry] of result.entries.entries()) {
    if (i > 0) parts.push(comma);
    parts.push(entry.bytes);
  }
  parts.push(listEnd);
  return Buffer.concat(parts);
}

/** PartialObjectMetadata of an object. */
export function partialMetadata(entry: Entry): object {
  const { metadata } = entry.object as { metadata?: object };
  return { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: metadata ?? {} };
}

export function partialMetadataList(result: ListResult): Buffer {
  const items = result.entries.map((entry) => JSON.stringify(partialMetadata(entry)));
  return Buffer.from(`{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1","metadata":${listMetadata(result)},"items":[${items.join(',')}]}\n`);
}
