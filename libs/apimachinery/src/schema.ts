/**
 * The shape of objects, as data. Built-in kinds get theirs from the tables of `@orrery/api`, custom resources from
 * their CustomResourceDefinition; decoding, pruning, patches and server-side apply are driven by it. Schemas may be
 * recursive: `fields` and `items` are resolved on first use.
 */
export type Schema = ObjectSchema | MapSchema | ListSchema | LeafSchema;

export type LeafType =
  | 'string'
  | 'boolean'
  | 'int32'
  | 'int64'
  | 'double'
  /** Base64 in JSON. */
  | 'bytes'
  | 'time'
  | 'microTime'
  | 'quantity'
  | 'intOrString'
  | 'duration'
  /** An object of any kind, kept as it is. */
  | 'rawExtension'
  | 'fieldsV1'
  /** Any JSON value. */
  | 'json'
  /** The unions of JSONSchemaProps with something else in CustomResourceDefinitions. */
  | 'schemaOrBool'
  | 'schemaOrArray'
  | 'schemaOrStrings';

export interface LeafSchema {
  readonly type: LeafType;
  readonly isCustom?: boolean;
}

export interface ObjectSchema {
  readonly type: 'object';
  /** e.g. `io.k8s.api.core.v1.Pod`; empty for custom resources' structs. */
  readonly definition: string;
  /** In the order of the tables (alphabetical). */
  readonly fields: ReadonlyMap<string, FieldSchema>;
  /** Owned and replaced as one value by server-side apply. */
  readonly atomic: boolean;
  /** Fields beyond `fields` are kept (custom resources with x-kubernetes-preserve-unknown-fields). */
  readonly preserveUnknown: boolean;
  /** Of custom resources: nulls and values of a wrong type are kept, for validation to judge. */
  readonly isCustom?: boolean;
}

export interface MapSchema {
  readonly type: 'map';
  readonly items: Schema;
  readonly atomic: boolean;
  readonly isCustom?: boolean;
}

export interface ListSchema {
  readonly type: 'list';
  readonly items: Schema;
  readonly listType: 'atomic' | 'set' | 'map';
  /** Fields that identify an item of a `map` list. */
  readonly listKeys: readonly string[];
  readonly isCustom?: boolean;
}

export interface FieldSchema {
  readonly name: string;
  readonly schema: Schema;
  readonly required: boolean;
  /** Go's `omitempty` on a plain value: false, 0, "", [] and {} are the same as absent. */
  readonly omitZero: boolean;
  /** A struct that Go always has, empty or not; its presence is no change. */
  readonly isValueStruct?: boolean;
  /** Of strategic merge: `merge`, `replace`, `retainKeys`. */
  readonly patchStrategy: readonly string[];
  readonly patchMergeKey?: string;
  /** Default of a list-map key. */
  readonly keyDefault?: string;
  /** Protobuf field numbers from this message down through embedded structs; empty where there is none. */
  readonly wirePath: readonly number[];
  /** A list that is a message of its own on the wire. */
  readonly wrapped: boolean;
}

/** The schema of a field; undefined when the object has no such field. */
export function fieldSchema(schema: Schema | undefined, name: string): Schema | undefined {
  if (schema?.type === 'object') return schema.fields.get(name)?.schema;
  return schema?.type === 'map' ? schema.items : undefined;
}
