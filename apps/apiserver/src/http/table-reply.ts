import { badRequest } from '@orrery/errors';
import type { Entry } from '../cache/entry.ts';
import { type IncludeObject, tableJson } from '../table/table.ts';
import type { ResourceRequest } from './resource.ts';

export function includeObject(query: URLSearchParams): IncludeObject {
  const value = query.get('includeObject') ?? '';
  if (value === '') return 'Metadata';
  if (value === 'None' || value === 'Metadata' || value === 'Object') return value;
  throw badRequest(`Unable to convert to Table as requested: includeObject: Invalid value: ${JSON.stringify(value)}: must be 'Metadata', 'Object', 'None', or empty`);
}

/** Entries as a Table; without list metadata, that of the single object. */
export function tableBytes(request: ResourceRequest, entries: readonly Entry[], metadata?: string): Buffer {
  const { core, scope, parsed, format } = request;
  const own = JSON.stringify({ resourceVersion: String(entries[0]?.revision ?? 0) });
  const json = tableJson({
    kind: scope.kind,
    entries,
    metadata: metadata ?? own,
    include: includeObject(parsed.query),
    withColumns: true,
    metaVersion: format.metaVersion,
    nowMs: core.registry.env.clock.now(),
  });
  return Buffer.from(`${json}\n`);
}
