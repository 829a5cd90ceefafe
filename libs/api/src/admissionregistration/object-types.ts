import type { ObjectSchema, Schema } from '@orrery/apimachinery';
import { type CelType, type ObjectField, boolType, bytesType, doubleType, dynType, intType, listType, mapType, stringType, timestampType } from '@orrery/cel';
import { declaredType, escapeProperty } from '../custom/cel/declared-type.ts';
import type { JsonSchema } from '../custom/json-schema.ts';
import { schemaOf } from '../schema/lookup.ts';

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
  for (const { name, schema: inner } of schema.fields.values()) {
    const escaped = escapeProperty(name);
    if (escaped !== undefined) fields.set(escaped, { type: typeOf(inner), jsonName: name });
  }
  return type;
}

function typeOf(schema: Schema): CelType {
  if (schema.type === 'object') return structType(schema);
  if (schema.type === 'map') return mapType(stringType, typeOf(schema.items));
  if (schema.type === 'list') return listType(typeOf(schema.items));
  return leaves[schema.type] ?? dynType;
}

/** How expressions of policies see a built-in kind, by the name of its definition. */
export const builtInObjectType = (definition: string): CelType => structType(schemaOf(definition));

/** How they see a custom kind, by its `openAPIV3Schema`; unlike the rules of the schema itself they see all of metadata. */
export function customObjectType(kind: string, schema: JsonSchema): CelType {
  const type = declaredType(schema, { isResource: true, name: kind });
  if (type?.kind !== 'object') return dynType;
  const metadata = { type: builtInObjectType('io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta'), jsonName: 'metadata' };
  return { ...type, fields: new Map([...type.fields, ['metadata', metadata]]) };
}
