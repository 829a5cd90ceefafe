import { type FieldSchema, isRecord, type LeafType, type ObjectSchema, parseTime, type Schema } from '@orrery/apimachinery';
import { DecodeError } from './decode-error.ts';
import { schemaOf } from './lookup.ts';
import { ReverseWriter } from './reverse-writer.ts';
import { definitionOfKind } from './table.ts';
import { isWrappedList, parseDuration, type WireEntry, type WirePlan, wirePlan } from './wire-plan.ts';

const jsonSchemaProps = 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps';
const magic = new Uint8Array([0x6b, 0x38, 0x73, 0x00]);
/** contentEncoding and contentType of the envelope, both empty. */
const envelopeEnd = Buffer.from([0x1a, 0x00, 0x22, 0x00]);

const wire = { varint: 0, fixed64: 1, delimited: 2 } as const;

/** Writes a value under its field number. */
type ValueWriter = (writer: ReverseWriter, number: number, value: unknown) => void;
/** Writes what an object has of one field (or embedded struct). */
type FieldWriter = (writer: ReverseWriter, object: Readonly<Record<string, unknown>>) => void;
/** What is between the length of a message and its end. */
type BodyWriter = (writer: ReverseWriter, value: unknown) => void;

function tag(writer: ReverseWriter, number: number, type: number): void {
  writer.varint(number * 8 + type);
}

function head(writer: ReverseWriter, number: number, length: number): void {
  writer.varint(length);
  tag(writer, number, wire.delimited);
}

/** Closes a message that began when the writer had `before` bytes. */
function closeMessage(writer: ReverseWriter, number: number, before: number): void {
  head(writer, number, writer.length - before);
}

const messages = new WeakMap<WirePlan, readonly FieldWriter[]>();

/** The writers of a message's fields, highest number first; made once for each schema. */
function fieldWriters(plan: WirePlan): readonly FieldWriter[] {
  let writers = messages.get(plan);
  if (!writers) {
    writers = [...plan.entries].reverse().map(([number, entry]) => entryWriter(number, entry));
    messages.set(plan, writers);
  }
  return writers;
}

function writeMessage(writer: ReverseWriter, plan: WirePlan, object: Readonly<Record<string, unknown>>): void {
  for (const write of fieldWriters(plan)) write(writer, object);
}

function entryWriter(number: number, { field, embedded }: WireEntry): FieldWriter {
  if (embedded) {
    return (writer, object) => {
      const before = writer.length;
      writeMessage(writer, embedded, object);
      if (writer.length > before) closeMessage(writer, number, before);
    };
  }
  const { name } = field;
  let write: ValueWriter | undefined;
  return (writer, object) => {
    const value = object[name];
    if (value !== undefined && value !== null) (write ??= fieldWriter(field))(writer, number, value);
  };
}

function fieldWriter(field: FieldSchema): ValueWriter {
  const { schema } = field;
  if (schema.type === 'map') return mapWriter(schema.items);
  if (schema.type !== 'list' || isWrappedList(schema, field)) return valueWriter(schema);
  const write = valueWriter(schema.items);
  const empty = emptyOf(schema.items);
  return (writer, number, value) => {
    const items = value as unknown[];
    for (let i = items.length - 1; i >= 0; i--) write(writer, number, items[i] ?? empty);
  };
}

/** Entries in the order of their keys, so that the same object is always the same bytes. */
function mapWriter(items: Schema): ValueWriter {
  const write = valueWriter(items);
  return (writer, number, value) => {
    const map = value as Record<string, unknown>;
    const keys = Object.keys(map).sort();
    for (let i = keys.length - 1; i >= 0; i--) {
      const key = keys[i] as string;
      const before = writer.length;
      const item = map[key];
      if (item !== undefined && item !== null) write(writer, 2, item);
      writer.string(key);
      tag(writer, 1, wire.delimited);
      closeMessage(writer, number, before);
    }
  };
}

function emptyOf(schema: Schema): unknown {
  if (schema.type === 'object' || schema.type === 'map') return {};
  if (schema.type === 'boolean') return false;
  return schema.type === 'int32' || schema.type === 'int64' || schema.type === 'double' ? 0 : '';
}

const scalarWriters: Partial<Record<Schema['type'], ValueWriter>> = {
  int32: (writer, number, value) => writeInteger(writer, number, value),
  int64: (writer, number, value) => writeInteger(writer, number, value),
  boolean: (writer, number, value) => {
    writer.varint(value ? 1 : 0);
    tag(writer, number, wire.varint);
  },
  double: (writer, number, value) => {
    writer.double(Number(value));
    tag(writer, number, wire.fixed64);
  },
  string: (writer, number, value) => writeString(writer, number, String(value)),
  bytes: (writer, number, value) => {
    writer.bytes(Buffer.from(String(value), 'base64'));
    tag(writer, number, wire.delimited);
  },
};

function writeInteger(writer: ReverseWriter, number: number, value: unknown): void {
  writer.integer(typeof value === 'bigint' ? value : Number(value));
  tag(writer, number, wire.varint);
}

function writeString(writer: ReverseWriter, number: number, text: string): void {
  writer.string(text);
  tag(writer, number, wire.delimited);
}

function valueWriter(schema: Schema): ValueWriter {
  const scalar = scalarWriters[schema.type];
  if (scalar) return scalar;
  const body = bodyWriter(schema);
  return (writer, number, value) => {
    const before = writer.length;
    body(writer, value);
    closeMessage(writer, number, before);
  };
}

function bodyWriter(schema: Schema): BodyWriter {
  if (schema.type === 'object') {
    const plan = wirePlan(schema);
    return (writer, value) => {
      if (isRecord(value)) writeMessage(writer, plan, value);
    };
  }
  if (schema.type === 'list') {
    const write = valueWriter(schema.items);
    return (writer, value) => {
      for (const item of (value as unknown[]).toReversed()) write(writer, 1, item);
    };
  }
  if (schema.type === 'map') return () => undefined;
  const { type } = schema;
  return specialWriters[type] ?? ((writer, value) => writeUnion(writer, type, value));
}

const instant: BodyWriter = (writer, value) => {
  if (typeof value !== 'string' || value === '') return;
  const { seconds, nanos } = parseTime(value);
  writeInteger(writer, 2, nanos);
  writeInteger(writer, 1, seconds);
};

/** JSON in a message of one field. */
const rawJson: BodyWriter = (writer, value) => {
  writer.bytes(Buffer.from(JSON.stringify(value)));
  tag(writer, 1, wire.delimited);
};

const specialWriters: Partial<Record<LeafType, BodyWriter>> = {
  time: instant,
  microTime: instant,
  quantity: (writer, value) => writeString(writer, 1, String(value)),
  intOrString: (writer, value) => {
    writeString(writer, 3, typeof value === 'string' ? value : '');
    writeInteger(writer, 2, typeof value === 'number' ? value : 0);
    writeInteger(writer, 1, typeof value === 'string' ? 1 : 0);
  },
  duration: (writer, value) => writeInteger(writer, 1, parseDuration(String(value)) ?? 0n),
  rawExtension: rawJson,
  fieldsV1: rawJson,
  json: rawJson,
};

/** JSONSchemaProps or something else: {1 schema, 2 schemas}, {1 allows, 2 schema}, {1 schema, 2 strings}. */
function writeUnion(writer: ReverseWriter, type: LeafType, value: unknown): void {
  const props: ObjectSchema = schemaOf(jsonSchemaProps);
  const write = valueWriter(props);
  if (Array.isArray(value)) {
    const item = type === 'schemaOrArray' ? write : valueWriter({ type: 'string' });
    for (const one of value.toReversed()) item(writer, 2, one);
    return;
  }
  if (isRecord(value)) write(writer, type === 'schemaOrBool' ? 2 : 1, value);
  if (type === 'schemaOrBool') scalarWriters.boolean?.(writer, 1, value === true || isRecord(value));
}

const shared = new ReverseWriter();

/** The bare message of an object of this schema: no envelope, kind and apiVersion left out. */
export function encodeProtobufMessage(schema: ObjectSchema, object: object): Buffer {
  try {
    writeMessage(shared, wirePlan(schema), object as Record<string, unknown>);
  } catch (error) {
    shared.finish();
    throw error;
  }
  return shared.finish();
}

/** Head of a length-delimited field: its tag and how many bytes follow. */
export function protobufFieldHead(number: number, length: number): Buffer {
  head(shared, number, length);
  return shared.finish();
}

/**
 * Puts a message, given in parts, into upstream's envelope (`k8s\0` and runtime.Unknown), which names its type. The parts
 * are copied once.
 */
export function protobufEnvelope(type: { readonly apiVersion: string; readonly kind: string }, parts: readonly Uint8Array[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  head(shared, 2, length);
  const before = shared.length;
  writeString(shared, 2, type.kind);
  writeString(shared, 1, type.apiVersion);
  closeMessage(shared, 1, before);
  shared.raw(magic);
  return Buffer.concat([shared.finish(), ...parts, envelopeEnd]);
}

/** Encodes an object with `apiVersion` and `kind` as upstream's protobuf body. Throws DecodeError for kinds that are not built in. */
export function encodeProtobuf(object: { readonly apiVersion?: string; readonly kind?: string }): Buffer {
  const { apiVersion = '', kind = '' } = object;
  const definition = definitionOfKind(apiVersion, kind);
  if (!definition) throw new DecodeError(`no kind ${JSON.stringify(kind)} is registered for version ${JSON.stringify(apiVersion)}`);
  return protobufEnvelope({ apiVersion, kind }, [encodeProtobufMessage(definition.schema, object)]);
}
