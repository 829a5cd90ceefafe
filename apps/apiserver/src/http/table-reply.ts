import { badRequest } from '@orrery/errors';
import type { Entry } from '../cache/entry.ts';
import type { Frame } from '../cache/frame.ts';
import { type IncludeObject, tableJson } from '../table/table.ts';
import { partialMetadata } from './object-bytes.ts';
import type { ResourceRequest } from './resource.ts';
import type { LineOf } from './watch-reply.ts';

export function includeObject(query: URLSearchParams): IncludeObject {
  const value = query.get('includeObject') ?? '';
  if (value === '') return 'Metadata';
  if (value === 'None' || value === 'Metadata' || value === 'Object') return value;
  throw badRequest(`unrecognized includeObject value: "${value}"`);
}

/** Entries as a Table; without list metadata, that of the single object. */
export function tableBytes(request: ResourceRequest, entries: readonly Entry[], metadata?: string): Buffer {
  const { core, scope, parsed } = request;
  const own = JSON.stringify({ resourceVersion: String(entries[0]?.revision ?? 0) });
  const json = tableJson({
    kind: scope.kind,
    entries,
    metadata: metadata ?? own,
    include: includeObject(parsed.query),
    withColumns: true,
    nowMs: core.registry.env.clock.now(),
  });
  return Buffer.from(`${json}\n`);
}

/** Lines of a watch that wants Tables or metadata only. Bookmarks and errors stay as they are, but take the same form. */
export function tableLines(request: ResourceRequest): LineOf {
  const { core, scope, parsed, format } = request;
  if (format.as === 'PartialObjectMetadata') return (frame) => line(frame, JSON.stringify(partialMetadata(frame.entry)));
  const include = includeObject(parsed.query);
  let first = true;
  return (frame) => {
    const metadata = JSON.stringify({ resourceVersion: String(frame.entry.revision) });
    const entries = frame.type === 'BOOKMARK' ? [] : [frame.entry];
    const json = tableJson({ kind: scope.kind, entries, metadata, include, withColumns: first, nowMs: core.registry.env.clock.now() });
    first = false;
    return line(frame, json);
  };
}

function line(frame: Frame, object: string): Buffer {
  return Buffer.from(`{"type":"${frame.type}","object":${object}}\n`);
}
