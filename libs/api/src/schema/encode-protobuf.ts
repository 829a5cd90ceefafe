import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { type FieldSchema, isRecord, type LeafType, type ObjectSchema, parseTime, type Schema } from '@orrery/apimachinery';
import { DecodeError } from './decode-error.ts';
import { schemaOf } from './lookup.ts';
import { definitionOfKind } from './table.ts';
import { isWrappedList, parseDuration, type WirePlan, wirePlan } from './wire-plan.ts';

const jsonSchemaProps = 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps';
const magic = new Uint8Array([0x6b, 0x38, 0x73, 0x00]);

function writeMessage(writer: BinaryWriter, plan: WirePlan, object: Record<string, unknown>): void {
  for (const [number, entry] of plan.entries) {
    if (entry.embedded) {
      if (!hasAny(entry.embedded, object)) continue;
      writer.tag(number, WireType.LengthDelimited).fork();
      writeMessage(writer, entry.embedded, object);
      writer.join();
      continue;
    }
    const value = object[entry.field.name];
    if (value !== undefined && value !== null) writeField({ writer, number, field: entry.field, value });
  }
}

function hasAny(plan: WirePlan, object: Record<string, unknown>): boolean {
  for (const entry of plan.entries.values()) {
    if (entry.embedded ? hasAny(entry.embedded, object) : object[entry.field.name] != null) return true;
  }
  return false;
}

function writeField(options: { writer: BinaryWriter; number: number; field: FieldSchema; value: unknown }): void {
  const { writer, number, field, value } = options;
  const { schema } = field;
  if (schema.type === 'list' && !isWrappedList(schema, field)) {
    for (const item of value as unknown[]) writeValue({ writer, number, schema: schema.items, value: item ?? emptyOf(schema.items) });
  } else if (schema.type === 'map') {
    for (const [key, item] of Object.entries(value as Record<string, unknown>)) {
      writer.tag(number, WireType.LengthDelimited).fork();
      writer.tag(1, WireType.LengthDelimited).string(key);
      if (item !== undefined && item !== null) writeValue({ writer, number: 2, schema: schema.items, value: item });
      writer.join();
    }
  } else {
    writeValue({ writer, number, schema, value });
  }
}

function emptyOf(schema: Schema): unknown {
  if (schema.type === 'object' || schema.type === 'map') return {};
  if (schema.type === 'boolean') return false;
  return schema.type === 'int32' || schema.type === 'int64' || schema.type === 'double' ? 0 : '';
}

function writeValue(options: { writer: BinaryWriter; number: number; schema: Schema; value: unknown }): void {
  const { writer, number, schema, value } = options;
  switch (schema.type) {
    case 'int32':
      writer.tag(number, WireType.Varint).int32(Number(value));
      return;
    case 'int64':
      writer.tag(number, WireType.Varint).int64(BigInt(Math.trunc(Number(value))));
      return;
    case 'boolean':
      writer.tag(number, WireType.Varint).bool(Boolean(value));
      return;
    case 'double':
      writer.tag(number, WireType.Bit64).double(Number(value));
      return;
    case 'string':
      writer.tag(number, WireType.LengthDelimited).string(String(value));
      return;
    case 'bytes':
      writer.tag(number, WireType.LengthDelimited).bytes(Buffer.from(String(value), 'base64'));
      return;
    default:
      writer.tag(number, WireType.LengthDelimited).fork();
      writeInner(writer, schema, value);
      writer.join();
  }
}

function writeInner(writer: BinaryWriter, schema: Schema, value: unknown): void {
  if (schema.type === 'object') {
    if (isRecord(value)) writeMessage(writer, wirePlan(schema), value);
  } else if (schema.type === 'list') {
    for (const item of value as unknown[]) writeValue({ writer, number: 1, schema: schema.items, value: item });
  } else if (schema.type !== 'map') {
    writeSpecial(writer, schema.type, value);
  }
}

function writeInstant(writer: BinaryWriter, text: string): void {
  const { seconds, nanos } = parseTime(text);
  writer.tag(1, WireType.Varint).int64(BigInt(seconds));
  writer.tag(2, WireType.Varint).int32(nanos);
}

function writeSpecial(writer: BinaryWriter, type: LeafType, value: unknown): void {
  switch (type) {
    case 'time':
    case 'microTime':
      if (typeof value === 'string' && value !== '') writeInstant(writer, value);
      return;
    case 'quantity':
      writer.tag(1, WireType.LengthDelimited).string(String(value));
      return;
    case 'intOrString':
      writer.tag(1, WireType.Varint).int64(typeof value === 'string' ? 1 : 0);
      writer.tag(2, WireType.Varint).int32(typeof value === 'number' ? value : 0);
      writer.tag(3, WireType.LengthDelimited).string(typeof value === 'string' ? value : '');
      return;
    case 'duration':
      writer.tag(1, WireType.Varint).int64(parseDuration(String(value)) ?? 0n);
      return;
    case 'schemaOrArray':
    case 'schemaOrBool':
    case 'schemaOrStrings':
      writeUnion(writer, type, value);
      return;
    default:
      writer.tag(1, WireType.LengthDelimited).bytes(Buffer.from(JSON.stringify(value)));
  }
}

function writeUnion(writer: BinaryWriter, type: 'schemaOrArray' | 'schemaOrBool' | 'schemaOrStrings', value: unknown): void {
  const props: ObjectSchema = schemaOf(jsonSchemaProps);
  const schemaNumber = type === 'schemaOrBool' ? 2 : 1;
  if (type === 'schemaOrBool') writer.tag(1, WireType.Varint).bool(value === true || isRecord(value));
  if (isRecord(value)) writeValue({ writer, number: schemaNumber, schema: props, value });
  if (!Array.isArray(value)) return;
  const schema: Schema = type === 'schemaOrArray' ? props : { type: 'string' };
  for (const item of value as unknown[]) writeValue({ writer, number: 2, schema, value: item });
}

/** Encodes an object with `apiVersion` and `kind` as upstream's protobuf body. Throws DecodeError for kinds that are not built in. */
export function encodeProtobuf(object: { readonly apiVersion?: string; readonly kind?: string }): Uint8Array {
  const { apiVersion = '', kind = '' } = object;
  const definition = definitionOfKind(apiVersion, kind);
  if (!definition) throw new DecodeError(`no kind ${JSON.stringify(kind)} is registered for version ${JSON.stringify(apiVersion)}`);
  const writer = new BinaryWriter();
  writer.raw(magic);
  writer.tag(1, WireType.LengthDelimited).fork();
  writer.tag(1, WireType.LengthDelimited).string(apiVersion);
  writer.tag(2, WireType.LengthDelimited).string(kind);
  writer.join();
  writer.tag(2, WireType.LengthDelimited).fork();
  writeMessage(writer, wirePlan(definition.schema), object as Record<string, unknown>);
  writer.join();
  writer.tag(3, WireType.LengthDelimited).string('');
  writer.tag(4, WireType.LengthDelimited).string('');
  return writer.finish();
}
