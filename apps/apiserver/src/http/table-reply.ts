import { scaleColumns } from '@orrery/api';
import type { KubeObject } from '@orrery/apimachinery';
import { badRequest } from '@orrery/errors';
import type { Entry } from '../cache/entry.ts';
import { type IncludeObject, type TableRequest, tableJson } from '../table/table.ts';
import type { ResourceRequest } from './resource.ts';

export function includeObject(query: URLSearchParams): IncludeObject {
  const value = query.get('includeObject') ?? '';
  if (value === '') return 'Metadata';
  if (value === 'None' || value === 'Metadata' || value === 'Object') return value;
  throw badRequest(`Unable to convert to Table as requested: includeObject: Invalid value: ${JSON.stringify(value)}: must be 'Metadata', 'Object', 'None', or empty`);
}

/** Entries as a Table; without list metadata, that of the single object. */
export function tableBytes(request: ResourceRequest, entries: readonly Entry[], metadata?: string): Buffer {
  const own = JSON.stringify({ resourceVersion: String(entries[0]?.revision ?? 0) });
  return table(request, { kind: request.scope.kind, entries, metadata: metadata ?? own });
}

/** A Scale as a Table, as `kubectl get --subresource=scale` asks for it. */
export function scaleTableBytes(request: ResourceRequest, scale: KubeObject): Buffer {
  const metadata = JSON.stringify({ resourceVersion: scale.metadata?.resourceVersion ?? '' });
  return table(request, { kind: { columns: scaleColumns }, entries: [{ object: scale, bytes: Buffer.from(JSON.stringify(scale)) }], metadata });
}

function table({ core, parsed, format }: ResourceRequest, content: Pick<TableRequest, 'kind' | 'entries' | 'metadata'>): Buffer {
  const json = tableJson({
    ...content,
    include: includeObject(parsed.query),
    withColumns: true,
    metaVersion: format.metaVersion,
    nowMs: core.registry.env.clock.now(),
  });
  return Buffer.from(`${json}\n`);
}
