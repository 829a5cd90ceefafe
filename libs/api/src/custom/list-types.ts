import { deepEqual, isRecord } from '@orrery/apimachinery';
import { fieldError, type FieldError } from '@orrery/errors';
import type { JsonSchema } from './json-schema.ts';

function mapKeys(schema: JsonSchema): readonly string[] | undefined {
  const keys = schema['x-kubernetes-list-map-keys'];
  return schema['x-kubernetes-list-type'] === 'map' && Array.isArray(keys) ? (keys as string[]) : undefined;
}

function keyOf(item: unknown, keys: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(keys.flatMap((key) => (isRecord(item) && item[key] !== undefined ? [[key, item[key]]] : [])));
}

/** The earlier state of a list's item: of lists with keys, the item of the same key. */
export function correlatedItem(schema: JsonSchema, item: unknown, old: unknown): unknown {
  const keys = mapKeys(schema);
  if (!keys || !Array.isArray(old)) return undefined;
  const key = keyOf(item, keys);
  return old.find((other) => deepEqual(keyOf(other, keys), key));
}

/** Go's maps have no order, so members compare in any. */
function identityOf(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(identityOf).join()}]`;
  if (!isRecord(value)) return JSON.stringify(value) ?? '';
  return `{${Object.keys(value).sort().map((name) => `${JSON.stringify(name)}:${identityOf(value[name])}`).join()}}`;
}

/** Sets hold no value twice, maps no key; each is told of once, at its second place. */
function duplicates(schema: JsonSchema, path: string, list: readonly unknown[]): FieldError[] {
  const keys = mapKeys(schema);
  if (!keys && schema['x-kubernetes-list-type'] !== 'set') return [];
  const stray = keys ? list.findIndex((item) => item !== null && !isRecord(item)) : -1;
  if (stray >= 0) return [fieldError.invalid(`${path}[${stray}]`, list[stray], 'must be an object for an array of list-type map')];
  const seen = new Map<string, number>();
  return list.flatMap((item, i) => {
    const identity = keys ? keyOf(item, keys) : item;
    const text = identityOf(identity);
    const times = seen.get(text) ?? 0;
    seen.set(text, times + 1);
    return times === 1 ? [fieldError.duplicate(`${path}[${i}]`, identity)] : [];
  });
}

function walk(value: unknown, schema: JsonSchema, path: string): FieldError[] {
  if (Array.isArray(value)) {
    const items = isRecord(schema.items) ? (schema.items as JsonSchema) : undefined;
    return [...duplicates(schema, path, value), ...(items ? value.flatMap((item, i) => walk(item, items, `${path}[${i}]`)) : [])];
  }
  if (!isRecord(value)) return [];
  const properties = (schema.properties ?? {}) as Readonly<Record<string, JsonSchema>>;
  const more = isRecord(schema.additionalProperties) ? (schema.additionalProperties as JsonSchema) : undefined;
  return Object.keys(value).flatMap((name) => {
    if (Object.hasOwn(properties, name)) return walk(value[name], properties[name] as JsonSchema, path === '' ? name : `${path}.${name}`);
    return more ? walk(value[name], more, `${path}[${name}]`) : [];
  });
}

/** Does the schema say of any list that it is a set or a map? */
export function hasListTypes(schema: unknown): boolean {
  if (Array.isArray(schema)) return schema.some(hasListTypes);
  if (!isRecord(schema)) return false;
  const type = schema['x-kubernetes-list-type'];
  return type === 'set' || type === 'map' || Object.values(schema).some(hasListTypes);
}

/** What holds a value or key twice that must not (`x-kubernetes-list-type`). Of an update nothing, when the old object did already. */
export function listTypeProblems(object: unknown, schema: JsonSchema, old?: unknown): FieldError[] {
  const found = walk(object, schema, '');
  return found.length && old !== undefined && walk(old, schema, '').length ? [] : found;
}
