import type { FieldSchema, LeafType, ObjectSchema, Schema } from '@orrery/apimachinery';
import { publishedSchema } from '../../custom/published-schema.ts';
import { type Definition, definitionNamed } from '../table.ts';
import { type Descriptions, type Flavor, type JsonObject, meta, type OpenApiKind, refPrefix } from './model.ts';

const extensions = 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.';
const intOrString = 'io.k8s.apimachinery.pkg.util.intstr.IntOrString';
const quantity = 'io.k8s.apimachinery.pkg.api.resource.Quantity';
const rawExtension = 'io.k8s.apimachinery.pkg.runtime.RawExtension';
const patch = `${meta}Patch`;

/** Leaves that OpenAPI keeps as definitions of their own. */
const leafDefinitions: Partial<Record<LeafType, string>> = {
  time: `${meta}Time`,
  microTime: `${meta}MicroTime`,
  duration: `${meta}Duration`,
  fieldsV1: `${meta}FieldsV1`,
  quantity,
  intOrString,
  rawExtension,
  json: `${extensions}JSON`,
  schemaOrBool: `${extensions}JSONSchemaPropsOrBool`,
  schemaOrArray: `${extensions}JSONSchemaPropsOrArray`,
  schemaOrStrings: `${extensions}JSONSchemaPropsOrStringArray`,
};

const scalars: Partial<Record<LeafType, JsonObject>> = {
  string: { type: 'string' },
  boolean: { type: 'boolean' },
  int32: { type: 'integer', format: 'int32' },
  int64: { type: 'integer', format: 'int64' },
  double: { type: 'number', format: 'double' },
  bytes: { type: 'string', format: 'byte' },
};

function specialDefinition(name: string, flavor: Flavor): JsonObject | undefined {
  const v3 = flavor === 'v3';
  switch (name) {
    case leafDefinitions.time:
    case leafDefinitions.microTime:
      return { type: 'string', format: 'date-time' };
    case leafDefinitions.duration:
      return { type: 'string' };
    case quantity:
      return v3 ? { oneOf: [{ type: 'string' }, { type: 'number' }] } : { type: 'string' };
    case intOrString:
      return v3 ? { format: 'int-or-string', oneOf: [{ type: 'integer' }, { type: 'string' }] } : { type: 'string', format: 'int-or-string' };
    case rawExtension:
    case patch:
    case leafDefinitions.fieldsV1:
      return { type: 'object' };
    case leafDefinitions.json:
    case leafDefinitions.schemaOrBool:
    case leafDefinitions.schemaOrArray:
    case leafDefinitions.schemaOrStrings:
      return {};
    default:
      return undefined;
  }
}

export interface SchemaWriter {
  readonly flavor: Flavor;
  readonly descriptions: Descriptions;
  /** Finished definitions by name. */
  readonly done: Map<string, JsonObject>;
  readonly custom: ReadonlyMap<string, OpenApiKind>;
}

function reference(writer: SchemaWriter, name: string): JsonObject {
  writeDefinition(writer, name);
  return { $ref: `${refPrefix[writer.flavor]}${name}` };
}

function typeOf(writer: SchemaWriter, schema: Schema): JsonObject {
  switch (schema.type) {
    case 'object':
      return reference(writer, schema.definition);
    case 'list':
      return { type: 'array', items: typeOf(writer, schema.items) };
    case 'map':
      return { type: 'object', additionalProperties: typeOf(writer, schema.items) };
    default: {
      const name = leafDefinitions[schema.type];
      return name ? reference(writer, name) : { ...scalars[schema.type] };
    }
  }
}

function fieldExtensions(field: FieldSchema): JsonObject {
  const { schema, patchStrategy, patchMergeKey } = field;
  const out: JsonObject = {};
  if (schema.type === 'list') {
    out['x-kubernetes-list-type'] = schema.listType;
    if (schema.listType === 'map') out['x-kubernetes-list-map-keys'] = schema.listKeys;
  }
  if (schema.type === 'map' && schema.atomic) out['x-kubernetes-map-type'] = 'atomic';
  if (schema.type === 'object' && definitionNamed(schema.definition)?.schema.atomic !== schema.atomic) {
    out['x-kubernetes-map-type'] = schema.atomic ? 'atomic' : 'granular';
  }
  if (patchMergeKey) out['x-kubernetes-patch-merge-key'] = patchMergeKey;
  if (patchStrategy.length > 0) out['x-kubernetes-patch-strategy'] = patchStrategy.join(',');
  return out;
}

function property(writer: SchemaWriter, definition: string, field: FieldSchema): JsonObject {
  const text = writer.descriptions[`${definition}.${field.name}`];
  const extra: JsonObject = { ...(text ? { description: text } : {}), ...fieldExtensions(field), ...(field.keyDefault ? { default: field.keyDefault } : {}) };
  const type = typeOf(writer, field.schema);
  const isReference = '$ref' in type && writer.flavor === 'v3';
  return isReference && Object.keys(extra).length > 0 ? { ...extra, allOf: [type] } : { ...extra, ...type };
}

function objectDefinition(writer: SchemaWriter, definition: Definition): JsonObject {
  const { schema, name } = definition;
  const fields = [...schema.fields.values()];
  const text = writer.descriptions[name];
  const required = fields.filter((field) => field.required).map((field) => field.name);
  return {
    ...(text ? { description: text } : {}),
    type: 'object',
    ...(fields.length > 0 ? { properties: properties(writer, name, schema) } : {}),
    ...(required.length > 0 ? { required } : {}),
    ...(schema.atomic ? { 'x-kubernetes-map-type': 'atomic' } : {}),
    ...kindExtension(definition),
  };
}

function properties(writer: SchemaWriter, name: string, schema: ObjectSchema): JsonObject {
  return Object.fromEntries([...schema.fields.values()].map((field) => [field.name, property(writer, name, field)]));
}

function kindExtension(definition: Definition): JsonObject {
  const { groupVersion, kind } = definition;
  if (!groupVersion) return {};
  const [group = '', version = ''] = groupVersion === '*' ? ['', 'v1'] : groupVersion.split('/');
  return { 'x-kubernetes-group-version-kind': [{ group, kind, version }] };
}

function customDefinition(writer: SchemaWriter, kind: OpenApiKind): JsonObject {
  const { apiVersion, kind: kindField } = typeProperties(writer) as { apiVersion: JsonObject; kind: JsonObject };
  const fields = { apiVersion, kind: kindField, metadata: metadataReference(writer, 'ObjectMeta') };
  return {
    ...publishedSchema({ type: 'object', ...kind.customSchema }, { flavor: writer.flavor, fields }),
    'x-kubernetes-group-version-kind': [{ group: kind.group, kind: kind.kind, version: kind.version }],
    ...(kind.selectableFields?.length ? { 'x-kubernetes-selectable-fields': kind.selectableFields.map((fieldPath) => ({ fieldPath })) } : {}),
  };
}

/** What the fields that every kind has are for: the words of one that has them. */
function described(writer: SchemaWriter, field: string): JsonObject {
  const description = writer.descriptions[`io.k8s.api.core.v1.${field}`];
  return description ? { description } : {};
}

function typeProperties(writer: SchemaWriter): JsonObject {
  return { apiVersion: { ...described(writer, 'Pod.apiVersion'), type: 'string' }, kind: { ...described(writer, 'Pod.kind'), type: 'string' } };
}

const conventions = 'https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md';
const metadataTexts = { ObjectMeta: `Standard object's metadata. More info: ${conventions}#metadata`, ListMeta: `Standard list metadata. More info: ${conventions}#types-kinds` };

function metadataReference(writer: SchemaWriter, name: 'ObjectMeta' | 'ListMeta'): JsonObject {
  const ref = reference(writer, `${meta}${name}`);
  const about = { description: metadataTexts[name] };
  return writer.flavor === 'v3' ? { ...about, allOf: [ref] } : { ...about, ...ref };
}

function customList(writer: SchemaWriter, kind: OpenApiKind): JsonObject {
  return {
    description: `${kind.listKind} is a list of ${kind.kind}`,
    type: 'object',
    required: ['items'],
    properties: {
      ...typeProperties(writer),
      items: { description: `List of ${kind.resource}. More info: ${conventions}`, type: 'array', items: reference(writer, kind.definition) },
      metadata: metadataReference(writer, 'ListMeta'),
    },
    'x-kubernetes-group-version-kind': [{ group: kind.group, kind: kind.listKind, version: kind.version }],
  };
}

/** Writes a definition and all it refers to. Unknown names become plain objects. */
export function writeDefinition(writer: SchemaWriter, name: string): void {
  if (writer.done.has(name)) return;
  writer.done.set(name, {});
  const special = specialDefinition(name, writer.flavor);
  const custom = writer.custom.get(name);
  const definition = definitionNamed(name);
  let written: JsonObject = { type: 'object' };
  if (special) written = special;
  else if (custom) written = name === custom.definition ? customDefinition(writer, custom) : customList(writer, custom);
  else if (definition) written = objectDefinition(writer, definition);
  writer.done.set(name, written);
}
