import type { Column, KindDescriptor } from '@orrery/api';
import type { Entry } from '../cache/entry.ts';

/** What a row carries besides its cells: `includeObject` of TableOptions. */
export type IncludeObject = 'None' | 'Metadata' | 'Object';

const descriptions: Readonly<Record<string, string>> = {
  Name: 'Name must be unique within a namespace. Is required when creating resources, although some resources may allow a client to request the generation of an appropriate name automatically. Name is primarily intended for creation idempotence and configuration definition. Cannot be updated. More info: https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names',
};

/** Kinds without printer columns show their name and when they were made. */
const plainColumns: readonly Column<any>[] = [
  { name: 'Name', type: 'string', format: 'name', priority: 0, cell: (object) => object.metadata?.name ?? '' },
  { name: 'Created At', type: 'date', priority: 0, cell: (object) => object.metadata?.creationTimestamp ?? null },
];

/** What a row is made of: an entry, or what a subresource shows. */
export type TableEntry = Pick<Entry, 'object' | 'bytes'>;

function columnsOf(kind: TableRequest['kind']): readonly Column<any>[] {
  return kind.columns.length ? kind.columns : plainColumns;
}

function definition(column: Column<any>): object {
  return {
    name: column.name,
    type: column.type,
    format: column.format ?? '',
    description: column.description ?? descriptions[column.name] ?? '',
    priority: column.priority,
  };
}

function rowObject(entry: TableEntry, { include, metaVersion }: RowOptions): string {
  if (include === 'None') return 'null';
  if (include === 'Object') return entry.bytes.toString('utf8');
  const { metadata } = entry.object as { metadata?: object };
  return JSON.stringify({ kind: 'PartialObjectMetadata', apiVersion: `meta.k8s.io/${metaVersion}`, metadata: metadata ?? {} });
}

type RowOptions = Pick<TableRequest, 'include' | 'nowMs' | 'metaVersion'>;

function row(columns: readonly Column<any>[], entry: TableEntry, options: RowOptions): string {
  const cells = columns.map((column) => column.cell(entry.object, { nowMs: options.nowMs }));
  return `{"cells":${JSON.stringify(cells)},"object":${rowObject(entry, options)}}`;
}

export interface TableRequest {
  readonly kind: Pick<KindDescriptor, 'columns'>;
  readonly entries: readonly TableEntry[];
  /** JSON of the list's (or object's) metadata. */
  readonly metadata: string;
  readonly include: IncludeObject;
  /** False: watches send the definitions only with the first event. */
  readonly withColumns: boolean;
  readonly nowMs: number;
  /** Of meta.k8s.io. */
  readonly metaVersion: 'v1' | 'v1beta1';
}

/** A Table of meta.k8s.io as JSON. */
export function tableJson(request: TableRequest): string {
  const columns = columnsOf(request.kind);
  const definitions = request.withColumns ? JSON.stringify(columns.map(definition)) : 'null';
  const rows = request.entries.map((entry) => row(columns, entry, request));
  return `{"kind":"Table","apiVersion":"meta.k8s.io/${request.metaVersion}","metadata":${request.metadata},"columnDefinitions":${definitions},"rows":[${rows.join(',')}]}`;
}

