import { type ObjectSchema, type Schema, isRecord } from '@orrery/apimachinery';
import { type CelType, type ObjectField, boolType, bytesType, doubleType, durationType, dynType, intType, listType, mapType, stringType, timestampType } from '@orrery/cel';
import { schemaOf } from '../schema/lookup.ts';

const reserved = new Set('true false null in as break const continue else for function if import let loop package namespace return var void while'.split(' '));
const symbols: Readonly<Record<string, string>> = { '.': '__dot__', '-': '__dash__', '/': '__slash__', __: '__underscores__' };

/** A field's name as expressions have to write it; undefined for one that they cannot. */
export function escapedName(name: string): string | undefined {
  if (reserved.has(name)) return `__${name}__`;
  if (!/^[a-zA-Z_][a-zA-Z0-9_./-]*$/.test(name)) return undefined;
  return name.replace(/__|[./-]/g, (symbol) => symbols[symbol] as string);
}

function field(fields: Map<string, ObjectField>, name: string, type: CelType): void {
  const escaped = escapedName(name);
  if (escaped !== undefined) fields.set(escaped, { type, jsonName: name });
}

const leaves: Readonly<Record<string, CelType>> = {
  string: stringType, boolean: boolType, int32: intType, int64: intType, double: doubleType, bytes: bytesType, time: timestampType, microTime: timestampType, quantity: stringType, duration: stringType,
};

const built = new Map<string, CelType>();

/** The fields are filled in afterwards: a type may hold itself. */
function structType(schema: ObjectSchema): CelType {
  const { definition } = schema;
  const known = built.get(definition);
  if (known) return known;
  const fields = new Map<string, ObjectField>();
  const type: CelType = { kind: 'object', name: definition.slice(definition.lastIndexOf('.') + 1), fields };
  built.set(definition, type);
  for (const one of schema.fields.values()) field(fields, one.name, typeOf(one.schema));
  return type;
}

function typeOf(schema: Schema): CelType {
  if (schema.type === 'object') return structType(schema);
  if (schema.type === 'map') return mapType(stringType, typeOf(schema.items));
  if (schema.type === 'list') return listType(typeOf(schema.items));
  return leaves[schema.type] ?? dynType;
}

/** How expressions see a built-in kind, by the name of its definition. */
export const builtInObjectType = (definition: string): CelType => structType(schemaOf(definition));

type JsonSchema = Readonly<Record<string, unknown>>;

const formats: Readonly<Record<string, CelType>> = { byte: bytesType, date: timestampType, 'date-time': timestampType, duration: durationType };

function customObject(schema: JsonSchema, name: string): CelType {
  const { properties, additionalProperties } = schema;
  if (isRecord(additionalProperties)) return mapType(stringType, customType(additionalProperties, `${name}.@prop`));
  if (!isRecord(properties)) return dynType;
  const fields = new Map<string, ObjectField>();
  for (const [property, member] of Object.entries(properties)) field(fields, property, customType(member as JsonSchema, `${name}.${property}`));
  return { kind: 'object', name, fields };
}

function customType(schema: JsonSchema, name: string): CelType {
  if (schema['x-kubernetes-int-or-string'] === true) return dynType;
  switch (schema['type']) {
    case 'object':
      return customObject(schema, name);
    case 'array':
      return listType(isRecord(schema['items']) ? customType(schema['items'], `${name}.@idx`) : dynType);
    case 'string':
      return formats[String(schema['format'] ?? '')] ?? stringType;
    case 'boolean':
      return boolType;
    case 'integer':
      return intType;
    case 'number':
      return doubleType;
    default:
      return dynType;
  }
}

/** How expressions see a custom kind, by its `openAPIV3Schema`. */
export function customObjectType(kind: string, schema: JsonSchema): CelType {
  const type = customObject(schema, kind);
  if (type.kind !== 'object') return type;
  const fields = new Map(type.fields);
  for (const name of ['apiVersion', 'kind']) fields.set(name, { type: stringType, jsonName: name });
  fields.set('metadata', { type: builtInObjectType('io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta'), jsonName: 'metadata' });
  return { ...type, fields };
}
