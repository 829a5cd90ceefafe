import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { canonicalQuantity, type FieldSchema, formatMicroTime, formatTime, type LeafType, type ListSchema, type MapSchema, type ObjectSchema, parseJson, type Schema, setOwn } from '@orrery/apimachinery';
import { DecodeError } from './decode-error.ts';
import { zeroLeaf } from './decode-leaf.ts';
import { schemaOf } from './lookup.ts';
import { definitionOfKind } from './table.ts';
import { formatDuration, isWrappedList, type WirePlan, wirePlan } from './wire-plan.ts';

/** What a protobuf body holds. `object` is JSON with `apiVersion` and `kind`. */
export interface ProtobufObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly object: Record<string, unknown>;
}

const magic = [0x6b, 0x38, 0x73, 0x00];
const maxDepth = 300;
const jsonSchemaProps = 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps';
/** Of a Time that was never set: year 1. */
const zeroTimeSeconds = -62135596800;

interface Frame {
  readonly reader: BinaryReader;
  readonly end: number;
  readonly depth: number;
}

/** Does the body start as upstream's protobuf envelope does? */
export function isProtobuf(body: Uint8Array): boolean {
  return magic.every((byte, i) => body[i] === byte);
}

function expect(wireType: WireType, expected: WireType): void {
  if (wireType !== expected) throw new DecodeError(`proto: wrong wireType = ${wireType}`);
}

/** Enters a length-delimited value. */
function enter(frame: Frame): Frame {
  const length = frame.reader.uint32();
  const end = frame.reader.pos + length;
  if (end > frame.end) throw new DecodeError('unexpected EOF');
  if (frame.depth >= maxDepth) throw new DecodeError('proto: message is nested too deeply');
  return { reader: frame.reader, end, depth: frame.depth + 1 };
}

/** Calls `visit` for each field up to the frame's end; what it returns false for is skipped. */
function eachField(frame: Frame, visit: (number: number, wireType: WireType) => boolean): void {
  const { reader, end } = frame;
  while (reader.pos < end) {
    const [number, wireType] = reader.tag();
    if (wireType === WireType.EndGroup) throw new DecodeError('proto: unexpected end of group');
    if (!visit(number, wireType)) reader.skip(wireType, number);
  }
  if (reader.pos !== end) throw new DecodeError('unexpected EOF');
}

function readString(frame: Frame): string {
  return Buffer.from(readBytes(frame)).toString('utf8');
}

function readBytes(frame: Frame): Uint8Array {
  const { reader } = frame;
  const start = reader.pos;
  const bytes = reader.bytes();
  if (start + bytes.length > frame.end) throw new DecodeError('unexpected EOF');
  return bytes;
}

function readMessage(frame: Frame, plan: WirePlan, target: Record<string, unknown>): void {
  eachField(frame, (number, wireType) => {
    const entry = plan.entries.get(number);
    if (!entry) return false;
    if (entry.embedded) {
      expect(wireType, WireType.LengthDelimited);
      readMessage(enter(frame), entry.embedded, target);
      return true;
    }
    readField({ frame, wireType, field: entry.field, target });
    return true;
  });
}

function readObject(frame: Frame, schema: ObjectSchema): Record<string, unknown> {
  const target: Record<string, unknown> = {};
  readMessage(frame, wirePlan(schema), target);
  return target;
}

function readField(options: { frame: Frame; wireType: WireType; field: FieldSchema; target: Record<string, unknown> }): void {
  const { frame, wireType, field, target } = options;
  const { schema, name } = field;
  if (schema.type === 'list' && !isWrappedList(schema, field)) {
    const list = (target[name] ??= []) as unknown[];
    readListItems({ frame, wireType, schema, list });
  } else if (schema.type === 'map') {
    const map = (target[name] ??= {}) as Record<string, unknown>;
    expect(wireType, WireType.LengthDelimited);
    readMapEntry(enter(frame), schema, map);
  } else {
    const value = readValue(frame, schema, wireType);
    const isAbsent = value === undefined || value === null || (field.omitZero && (value === '' || value === 0 || value === false));
    if (!isAbsent) target[name] = value;
    else delete target[name];
  }
}

/** One element, or several packed ones. */
function readListItems(options: { frame: Frame; wireType: WireType; schema: ListSchema; list: unknown[] }): void {
  const { frame, wireType, schema, list } = options;
  const { items } = schema;
  const isPackable = items.type === 'int32' || items.type === 'int64' || items.type === 'boolean';
  if (isPackable && wireType === WireType.LengthDelimited) {
    const inner = enter(frame);
    while (inner.reader.pos < inner.end) list.push(readValue(inner, items, WireType.Varint));
    if (inner.reader.pos !== inner.end) throw new DecodeError('unexpected EOF');
    return;
  }
  list.push(readValue(frame, items, wireType) ?? null);
}

function zeroValue(schema: Schema): unknown {
  if (schema.type === 'object' || schema.type === 'map') return {};
  return schema.type === 'list' ? [] : zeroLeaf(schema.type);
}

function readMapEntry(frame: Frame, schema: MapSchema, map: Record<string, unknown>): void {
  let key = '';
  let value = zeroValue(schema.items);
  eachField(frame, (number, wireType) => {
    if (number === 1) {
      expect(wireType, WireType.LengthDelimited);
      key = readString(frame);
    } else if (number === 2) {
      value = readValue(frame, schema.items, wireType);
    }
    return number === 1 || number === 2;
  });
  setOwn(map, key, value);
}

function readWrappedList(frame: Frame, schema: ListSchema): unknown[] {
  const list: unknown[] = [];
  eachField(frame, (number, wireType) => {
    if (number === 1) readListItems({ frame, wireType, schema, list });
    return number === 1;
  });
  return list;
}

/** Undefined: absent, as a time that was never set. */
function readValue(frame: Frame, schema: Schema, wireType: WireType): unknown {
  const { reader } = frame;
  switch (schema.type) {
    case 'int32':
      expect(wireType, WireType.Varint);
      return reader.int32();
    case 'int64':
      expect(wireType, WireType.Varint);
      return Number(reader.int64());
    case 'boolean':
      expect(wireType, WireType.Varint);
      return reader.bool();
    case 'double':
      expect(wireType, WireType.Bit64);
      return reader.double();
    default:
      expect(wireType, WireType.LengthDelimited);
      return readDelimited(frame, schema);
  }
}

function readDelimited(frame: Frame, schema: Schema): unknown {
  switch (schema.type) {
    case 'string':
      return readString(frame);
    case 'bytes':
      return Buffer.from(readBytes(frame)).toString('base64');
    case 'object':
      return readObject(enter(frame), schema);
    case 'list':
      return readWrappedList(enter(frame), schema);
    case 'map':
      throw new DecodeError('proto: a map outside of a message');
    default:
      return readSpecial(enter(frame), schema.type);
  }
}

/** Numbers and byte strings of a small message, by field number. */
function readParts(frame: Frame): { numbers: Map<number, bigint>; blobs: Map<number, Uint8Array[]> } {
  const numbers = new Map<number, bigint>();
  const blobs = new Map<number, Uint8Array[]>();
  eachField(frame, (number, wireType) => {
    if (wireType === WireType.Varint) numbers.set(number, BigInt(frame.reader.int64()));
    else if (wireType === WireType.LengthDelimited) blobs.set(number, [...(blobs.get(number) ?? []), readBytes(frame)]);
    else return false;
    return true;
  });
  return { numbers, blobs };
}

function parseJsonBytes(bytes: Uint8Array | undefined): unknown {
  if (!bytes || bytes.length === 0) return undefined;
  if (isProtobuf(bytes)) return decodeProtobuf(bytes).object;
  const text = Buffer.from(bytes).toString('utf8');
  try {
    return parseJson(text).value;
  } catch {
    throw new DecodeError('json: error calling MarshalJSON for type runtime.RawExtension: invalid JSON');
  }
}

function readSpecial(frame: Frame, type: LeafType): unknown {
  if (type === 'schemaOrArray' || type === 'schemaOrBool' || type === 'schemaOrStrings') return readUnion(frame, type);
  const { numbers, blobs } = readParts(frame);
  const text = (number: number): string => Buffer.from(blobs.get(number)?.at(-1) ?? []).toString('utf8');
  switch (type) {
    case 'time':
    case 'microTime': {
      const instant = { seconds: Number(numbers.get(1) ?? 0n), nanos: Number(numbers.get(2) ?? 0n) };
      if ((instant.seconds === 0 && instant.nanos === 0) || instant.seconds === zeroTimeSeconds) return undefined;
      if (Math.abs(instant.seconds) > 253402300799) throw new DecodeError('Time.MarshalJSON: year outside of range [0,9999]');
      return type === 'time' ? formatTime(instant) : formatMicroTime(instant);
    }
    case 'quantity':
      return canonicalQuantity(text(1) || '0');
    case 'intOrString':
      return (numbers.get(1) ?? 0n) === 1n ? text(3) : Number(BigInt.asIntN(32, numbers.get(2) ?? 0n));
    case 'duration':
      return formatDuration(numbers.get(1) ?? 0n);
    default:
      return parseJsonBytes(blobs.get(1)?.at(-1));
  }
}

/** JSONSchemaProps or something else: {1 schema, 2 schemas}, {1 allows, 2 schema}, {1 schema, 2 strings}. */
function readUnion(frame: Frame, type: 'schemaOrArray' | 'schemaOrBool' | 'schemaOrStrings'): unknown {
  const schemaNumber = type === 'schemaOrBool' ? 2 : 1;
  let single: unknown;
  let allows = false;
  const many: unknown[] = [];
  eachField(frame, (number, wireType) => {
    if (number !== 1 && number !== 2) return false;
    if (number === schemaNumber || type === 'schemaOrArray') {
      expect(wireType, WireType.LengthDelimited);
      const object = readObject(enter(frame), schemaOf(jsonSchemaProps));
      if (number === schemaNumber) single = object;
      else many.push(object);
    } else if (type === 'schemaOrBool') {
      expect(wireType, WireType.Varint);
      allows = frame.reader.bool();
    } else {
      expect(wireType, WireType.LengthDelimited);
      many.push(readString(frame));
    }
    return true;
  });
  if (single !== undefined) return single;
  return type === 'schemaOrBool' ? allows : many;
}

interface Envelope {
  apiVersion: string;
  kind: string;
  raw: Uint8Array;
  contentType: string;
}

function readEnvelope(body: Uint8Array): Envelope {
  const reader = new BinaryReader(body.subarray(magic.length));
  const frame: Frame = { reader, end: body.length - magic.length, depth: 0 };
  const envelope: Envelope = { apiVersion: '', kind: '', raw: new Uint8Array(), contentType: '' };
  eachField(frame, (number, wireType) => {
    if (number < 1 || number > 4) return false;
    expect(wireType, WireType.LengthDelimited);
    if (number === 1) {
      const { blobs } = readParts(enter(frame));
      envelope.apiVersion = Buffer.from(blobs.get(1)?.at(-1) ?? []).toString('utf8');
      envelope.kind = Buffer.from(blobs.get(2)?.at(-1) ?? []).toString('utf8');
    } else if (number === 2) envelope.raw = readBytes(frame);
    else if (number === 4) envelope.contentType = readString(frame);
    else reader.skip(wireType, number);
    return true;
  });
  return envelope;
}

function decodeEnvelope(envelope: Envelope, fallback: { apiVersion?: string; kind?: string }): ProtobufObject {
  const apiVersion = envelope.apiVersion || fallback.apiVersion || '';
  const kind = envelope.kind || fallback.kind || '';
  if (envelope.contentType === 'application/json') {
    const object = parseJsonBytes(envelope.raw);
    return { apiVersion, kind, object: { ...(object as Record<string, unknown>), apiVersion, kind } };
  }
  const definition = definitionOfKind(apiVersion, kind);
  if (!definition) throw new DecodeError(`no kind ${JSON.stringify(kind)} is registered for version ${JSON.stringify(apiVersion)}`);
  const reader = new BinaryReader(envelope.raw);
  const fields = readObject({ reader, end: envelope.raw.length, depth: 0 }, definition.schema);
  return { apiVersion, kind, object: { apiVersion, kind, ...fields } };
}

/**
 * Decodes `k8s\0` and its envelope (`runtime.Unknown`) into JSON, zero values dropped as Go's JSON would. `fallback`
 * names the kind of an envelope that does not. Throws DecodeError for whatever is malformed.
 */
export function decodeProtobuf(body: Uint8Array, fallback: { apiVersion?: string; kind?: string } = {}): ProtobufObject {
  if (!isProtobuf(body)) throw new DecodeError('provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]');
  try {
    return decodeEnvelope(readEnvelope(body), fallback);
  } catch (error) {
    if (error instanceof DecodeError) throw error;
    throw new DecodeError(`proto: ${error instanceof Error ? error.message : String(error)}`);
  }
}
