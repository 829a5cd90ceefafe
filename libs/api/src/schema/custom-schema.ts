import { type FieldSchema, isRecord, type LeafSchema, type ObjectSchema, type Schema } from '@orrery/apimachinery';
import { schemaOf } from './lookup.ts';

type JsonObject = Readonly<Record<string, unknown>>;

/** Scalars of custom resources are checked by validation against their JSON schema, not while decoding. */
const anything: LeafSchema = Object.freeze({ type: 'json', isCustom: true });
const text: LeafSchema = Object.freeze({ type: 'string' });

function field(name: string, schema: Schema, source: JsonObject = {}): FieldSchema {
  const byDefault = source['default'];
  return {
    name,
    schema,
    required: false,
    omitZero: false,
    patchStrategy: [],
    ...(byDefault === undefined || isRecord(byDefault) ? {} : { keyDefault: byDefault as string }),
    wirePath: [],
    wrapped: false,
  };
}

function typeMeta(): FieldSchema[] {
  return [field('apiVersion', text), field('kind', text), field('metadata', schemaOf('io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta'))];
}

function objectOf(source: JsonObject, isWhole: boolean): ObjectSchema {
  const fields = new Map<string, FieldSchema>();
  for (const [name, member] of Object.entries((source['properties'] ?? {}) as Record<string, JsonObject>)) fields.set(name, field(name, convert(member), member));
  if (isWhole) for (const own of typeMeta()) fields.set(own.name, own);
  return {
    type: 'object',
    definition: '',
    fields,
    atomic: source['x-kubernetes-map-type'] === 'atomic',
    preserveUnknown: source['x-kubernetes-preserve-unknown-fields'] === true,
    isCustom: true,
  };
}

function convert(source: JsonObject): Schema {
  const { type, additionalProperties, items } = source;
  if (source['x-kubernetes-int-or-string'] === true) return anything;
  if (type === 'array') return listOf(source, isRecord(items) ? convert(items) : anything);
  if (type !== 'object') return source['x-kubernetes-preserve-unknown-fields'] === true ? objectOf(source, false) : anything;
  if (isRecord(additionalProperties) || additionalProperties === true) {
    const inner = isRecord(additionalProperties) ? convert(additionalProperties) : anything;
    return { type: 'map', items: inner, atomic: source['x-kubernetes-map-type'] === 'atomic', isCustom: true };
  }
  return objectOf(source, source['x-kubernetes-embedded-resource'] === true);
}

function listOf(source: JsonObject, items: Schema): Schema {
  const declared = source['x-kubernetes-list-type'];
  const listType = declared === 'map' || declared === 'set' ? declared : 'atomic';
  const keys = source['x-kubernetes-list-map-keys'];
  return { type: 'list', items, listType, listKeys: Array.isArray(keys) ? (keys as string[]) : [], isCustom: true };
}

/**
 * The schema of a custom resource from the `openAPIV3Schema` of its CustomResourceDefinition version; everything is
 * kept when there is none. `preserveUnknownFields` is the definition's old switch for the same.
 */
export function customSchema(openApiSchema: JsonObject | undefined, options: { preserveUnknownFields?: boolean } = {}): ObjectSchema {
  const keepsAll = options.preserveUnknownFields === true || openApiSchema === undefined;
  const whole = objectOf({ type: 'object', ...openApiSchema }, true);
  return keepsAll ? { ...whole, preserveUnknown: true } : whole;
}
