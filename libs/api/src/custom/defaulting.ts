import { cloneJson, isRecord } from '@orrery/apimachinery';
import type { JsonSchema } from './json-schema.ts';

const has = (schema: JsonSchema): boolean => schema.default !== undefined;
const ownProperties = (schema: JsonSchema): Readonly<Record<string, JsonSchema>> => (schema.properties ?? {}) as Record<string, JsonSchema>;

function additional(schema: JsonSchema): JsonSchema | undefined {
  return isRecord(schema.additionalProperties) ? (schema.additionalProperties as JsonSchema) : undefined;
}

function itemSchema(schema: JsonSchema): JsonSchema | undefined {
  return isRecord(schema.items) ? (schema.items as JsonSchema) : undefined;
}

/** Null stands for absent where the schema does not allow it. */
const isPrunedNull = (value: unknown, schema: JsonSchema): boolean => value === null && schema.nullable !== true;

function fillObject(value: Record<string, unknown>, schema: JsonSchema): void {
  const properties = ownProperties(schema);
  const more = additional(schema);
  for (const name in properties) {
    const property = properties[name] as JsonSchema;
    if (has(property) && (!Object.hasOwn(value, name) || isPrunedNull(value[name], property))) value[name] = cloneJson(property.default);
  }
  for (const name of Object.keys(value)) {
    const member = Object.hasOwn(properties, name) ? properties[name] : more;
    if (!member) continue;
    if (isPrunedNull(value[name], member)) {
      if (has(member)) value[name] = cloneJson(member.default);
      else delete value[name];
    }
    fill(value[name], member);
  }
}

function fill(value: unknown, schema: JsonSchema): void {
  if (isRecord(value)) return fillObject(value, schema);
  const items = itemSchema(schema);
  if (!Array.isArray(value) || !items) return;
  for (const [i, item] of value.entries()) {
    if (isPrunedNull(item, items) && has(items)) value[i] = cloneJson(items.default);
    fill(value[i], items);
  }
}

/** Fills in a custom object's defaults, in place; nulls that the schema does not allow are dropped or become defaults. */
export function applySchemaDefaults(object: Record<string, unknown>, schema: JsonSchema): void {
  fillObject(object, schema);
}
