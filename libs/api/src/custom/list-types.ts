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

/** Sets hold no value twice, maps no key. */
export function checkListType({ schema, path, value }: { schema: JsonSchema; path: string; value: readonly unknown[] }, errors: FieldError[]): void {
  const keys = mapKeys(schema);
  if (!keys && schema['x-kubernetes-list-type'] !== 'set') return;
  const seen = new Set<string>();
  for (const [i, item] of value.entries()) {
    const identity = keys ? keyOf(item, keys) : item;
    const text = JSON.stringify(identity);
    if (seen.has(text)) errors.push(fieldError.duplicate(`${path}[${i}]`, identity));
    seen.add(text);
  }
}
