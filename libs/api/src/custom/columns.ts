import type { CustomResourceColumnDefinition } from '../../gen/types.ts';
import type { Column } from '../kind.ts';
import { since } from '../printing/duration.ts';
import { JsonPathError, compileJsonPath } from './json-path.ts';

type Cell = string | number | bigint | boolean | null;
type CustomColumn = Column<Record<string, unknown>>;

const nameText = 'Name must be unique within a namespace. Is required when creating resources, although some resources may allow a client to request the generation of an appropriate name automatically. Name is primarily intended for creation idempotence and configuration definition. Cannot be updated. More info: https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names';
const ageText = 'CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It is represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata';

const metadataOf = (object: Record<string, unknown>): { name?: string } => (object['metadata'] ?? {}) as { name?: string };
const nameColumn: CustomColumn = { name: 'Name', type: 'string', format: 'name', description: nameText, priority: 0, cell: (object) => metadataOf(object).name ?? '' };
const ageDefinition: CustomResourceColumnDefinition = { name: 'Age', type: 'date', description: ageText, jsonPath: '.metadata.creationTimestamp' };

const shown = (value: unknown): string => (typeof value === 'string' ? value : value === null ? '<nil>' : JSON.stringify(value));

function dateCell(value: unknown, nowMs: number): Cell {
  if (typeof value !== 'string') return null;
  return Number.isNaN(Date.parse(value)) ? '<invalid>' : since(value, nowMs);
}

/** What a column of this type makes of the first of the values found; null prints as nothing. */
function cellOf(type: string, values: readonly unknown[], nowMs: number): Cell {
  const [first] = values;
  if (values.length === 0 || (first === null && type !== 'string')) return null;
  switch (type) {
    case 'integer':
      return typeof first === 'number' ? Math.trunc(first) : typeof first === 'bigint' ? first : null;
    case 'number':
      return typeof first === 'number' || typeof first === 'bigint' ? Number(first) : null;
    case 'boolean':
      return typeof first === 'boolean' ? first : null;
    case 'date':
      return dateCell(first, nowMs);
    default:
      return shown(first);
  }
}

function columnOf(definition: CustomResourceColumnDefinition): CustomColumn {
  const { name, type, format, description, priority = 0 } = definition;
  const find = compileJsonPath(definition.jsonPath);
  return {
    name,
    type: type as CustomColumn['type'],
    ...(format ? { format } : {}),
    description: description || `Custom resource definition column (in JSONPath format): ${definition.jsonPath}`,
    priority,
    cell: (object, { nowMs }) => cellOf(type, find(object), nowMs),
  };
}

/**
 * The columns of a version: its name and what it declares, or the age where it declares nothing. Only the name where a path
 * cannot be read: such definitions are let in.
 */
export function customColumns(declared: readonly CustomResourceColumnDefinition[] | undefined): CustomColumn[] {
  try {
    return [nameColumn, ...(declared?.length ? declared : [ageDefinition]).map(columnOf)];
  } catch (error) {
    if (error instanceof JsonPathError) return [nameColumn];
    throw error;
  }
}
