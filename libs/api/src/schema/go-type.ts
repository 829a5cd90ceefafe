import type { LeafType, Schema } from '@orrery/apimachinery';

/** What Go's JSON decoder calls a value: the first word of `cannot unmarshal …`. */
export function goValue(value: unknown): string {
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'boolean') return 'bool';
  return typeof value === 'bigint' ? 'number' : typeof value;
}

const leafTypes: Partial<Record<LeafType, string>> = {
  boolean: 'bool',
  double: 'float64',
  bytes: '[]uint8',
  intOrString: 'int32',
  time: 'string',
  microTime: 'string',
  quantity: 'resource.Quantity',
  duration: 'string',
  rawExtension: 'runtime.RawExtension',
  fieldsV1: 'v1.FieldsV1',
  json: 'v1.JSON',
  schemaOrBool: 'v1.JSONSchemaPropsOrBool',
  schemaOrArray: 'v1.JSONSchemaPropsOrArray',
  schemaOrStrings: 'v1.JSONSchemaPropsOrStringArray',
};

/** The Go type a schema stands for, as decoding errors name it. Named string types are told as `string`. */
export function goType(schema: Schema): string {
  switch (schema.type) {
    case 'object':
      return schema.definition.split('.').slice(-2).join('.');
    case 'list':
      return `[]${goType(schema.items)}`;
    case 'map':
      return `map[string]${goType(schema.items)}`;
    default:
      return leafTypes[schema.type] ?? schema.type;
  }
}

/** Name of a struct alone: `Container`. */
export function structName(definition: string): string {
  return definition.slice(definition.lastIndexOf('.') + 1);
}
