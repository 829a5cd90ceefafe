import { isRecord } from '@orrery/apimachinery';
import { type CelType, type ListSemantics, type ObjectField, type ObjectType, boolType, bytesType, doubleType, durationType, dynType, intType, listType, mapType, maxRequestBytes, stringType, timestampType } from '@orrery/cel';
import type { JsonSchema } from '../json-schema.ts';

const reserved = new Set('true false null in as break const continue else for function if import let loop package namespace return var void while'.split(' '));
const spelled: Readonly<Record<string, string>> = { __: '__underscores__', '.': '__dot__', '-': '__dash__', '/': '__slash__' };

/** A property's name as expressions write it; undefined when they cannot. */
export function escapeProperty(name: string): string | undefined {
  if (reserved.has(name)) return `__${name}__`;
  if (!/^[A-Za-z_./-][\w./-]*$/.test(name)) return undefined;
  return name.replace(/__|[./-]/g, (part) => spelled[part] ?? part);
}

const count = (schema: JsonSchema, name: string): number | undefined => (typeof schema[name] === 'number' ? Math.max(0, schema[name] as number) : undefined);
const schemaAt = (value: unknown): JsonSchema | undefined => (isRecord(value) ? (value as JsonSchema) : undefined);
const isEmbedded = (schema: JsonSchema): boolean => schema['x-kubernetes-embedded-resource'] === true;

/** In characters; a limit counts four bytes for each. */
function textSize(schema: JsonSchema): number {
  const limit = count(schema, 'maxLength');
  if (limit !== undefined) return limit * 4;
  const values = schema.enum ?? [];
  if (values.length) return Math.max(0, ...values.map((value) => (typeof value === 'string' ? Buffer.byteLength(value) : 0)));
  return maxRequestBytes - 2;
}

function textType(schema: JsonSchema): CelType {
  switch (schema.format) {
    case 'byte':
      return { ...bytesType, maxElements: count(schema, 'maxLength') ?? maxRequestBytes - 2 };
    case 'duration':
      return { ...durationType, minBytes: 4, maxElements: 32 };
    case 'date':
      return { ...timestampType, minBytes: 12, maxElements: 12 };
    case 'date-time':
      return { ...timestampType, minBytes: 21, maxElements: 29 };
    default:
      return { ...stringType, maxElements: textSize(schema) };
  }
}

function semanticsOf(schema: JsonSchema): ListSemantics | undefined {
  const keys = schema['x-kubernetes-list-map-keys'];
  if (schema['x-kubernetes-list-type'] === 'set') return { kind: 'set' };
  return schema['x-kubernetes-list-type'] === 'map' && Array.isArray(keys) ? { kind: 'map', keys: keys as string[] } : undefined;
}

function ofList(schema: JsonSchema, name: string): CelType | undefined {
  const items = schemaAt(schema.items);
  const element = items && declaredType(items, { isResource: isEmbedded(items), name: `${name}.@idx` });
  if (!element) return undefined;
  const semantics = semanticsOf(schema);
  return listType(element, { minBytes: 2, maxElements: count(schema, 'maxItems') ?? Math.floor((maxRequestBytes - 2) / ((element.minBytes ?? 1) + 1)), ...(semantics ? { semantics } : {}) });
}

function ofMap(schema: JsonSchema, more: JsonSchema, name: string): CelType | undefined {
  const value = declaredType(more, { isResource: isEmbedded(more), name: `${name}.@elem` });
  return value && mapType(stringType, value, { minBytes: 2, maxElements: count(schema, 'maxProperties') ?? Math.floor((maxRequestBytes - 2) / ((value.minBytes ?? 1) + 6)) });
}

function ofObject(schema: JsonSchema, name: string): ObjectType {
  const fields = new Map<string, ObjectField>();
  const required = new Set(schema.required ?? []);
  let minBytes = 2;
  for (const [property, part] of Object.entries(schema.properties ?? {})) {
    const own = schemaAt(part);
    const type = own && declaredType(own, { isResource: isEmbedded(own), name: `${name}.${property}` });
    if (!own || !type) continue;
    const escaped = escapeProperty(property);
    if (escaped !== undefined) fields.set(escaped, { type, jsonName: property });
    // What has a default need not be sent.
    if (required.has(property) && own.default === undefined) minBytes += Buffer.byteLength(property) + (type.minBytes ?? 1) + 4;
  }
  return { kind: 'object', name, fields, minBytes };
}

const text = { type: 'string' };
const metadata = { type: 'object', properties: { name: text, generateName: text } };

/** What every resource shows of itself, whatever its schema says. */
const withMetadata = (schema: JsonSchema): JsonSchema => ({ ...schema, properties: { ...schema.properties, kind: text, apiVersion: text, metadata } });

/**
 * The type of values of a schema, with sizes for cost; undefined for what is hidden from expressions: what has no known
 * type, and lists and maps of that. Fields that are not declared are hidden too.
 */
export function declaredType(schema: JsonSchema, { isResource, name }: { readonly isResource: boolean; readonly name: string }): CelType | undefined {
  if (schema['x-kubernetes-int-or-string'] === true) return { ...dynType, minBytes: 1, maxElements: count(schema, 'maxLength') === undefined ? maxRequestBytes - 2 : textSize(schema) };
  const shown = isResource ? withMetadata(schema) : schema;
  const more = schemaAt(shown.additionalProperties);
  switch (shown.type) {
    case 'array':
      return ofList(shown, name);
    case 'object':
      return more ? ofMap(shown, more, name) : ofObject(shown, name);
    case 'string':
      return textType(shown);
    case 'boolean':
      return boolType;
    case 'number':
      return doubleType;
    case 'integer':
      return intType;
    default:
      return undefined;
  }
}
