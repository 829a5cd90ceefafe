import { type KindDescriptor, encodeProtobufMessage, protobufEnvelope, protobufFieldHead, schemaOf } from '@orrery/api';
import { formatApiVersion } from '@orrery/apimachinery';
import type { Entry } from './entry.ts';
import type { Frame } from './frame.ts';

const messages = new WeakMap<Entry, WeakRef<Buffer>>();
const events = new WeakMap<Frame, WeakRef<Buffer>>();
const watchEvent = schemaOf('io.k8s.apimachinery.pkg.apis.meta.v1.WatchEvent');

/** What is encoded once and forgotten when memory is short: most objects are never asked for in protobuf. */
function remembered<K extends object>(cache: WeakMap<K, WeakRef<Buffer>>, key: K, make: () => Buffer): Buffer {
  const known = cache.get(key)?.deref();
  if (known) return known;
  const made = make();
  cache.set(key, new WeakRef(made));
  return made;
}

function typeOf(kind: KindDescriptor, name = kind.kind): { apiVersion: string; kind: string } {
  return { apiVersion: formatApiVersion(kind.group, kind.version), kind: name };
}

/** The bare protobuf message of an entry; of built-in kinds only. */
export function entryMessage(kind: KindDescriptor, entry: Entry): Buffer {
  return remembered(messages, entry, () => encodeProtobufMessage(schemaOf(kind.definition), entry.object as object));
}

/** An entry as a protobuf body. */
export function entryProtobuf(kind: KindDescriptor, entry: Entry): Buffer {
  return protobufEnvelope(typeOf(kind), [entryMessage(kind, entry)]);
}

/** A list as a protobuf body: metadata is field 1 and items are field 2 of every list. */
export function listProtobuf(type: { readonly apiVersion: string; readonly kind: string }, metadata: Buffer, items: Iterable<Buffer>): Buffer {
  const parts = [protobufFieldHead(1, metadata.length), metadata];
  for (const item of items) parts.push(protobufFieldHead(2, item.length), item);
  return protobufEnvelope(type, parts);
}


/**
 * One event of a protobuf watch: four bytes of length, most significant first, then a bare WatchEvent whose object is a
 * body with its envelope.
 */
export function eventProtobuf(type: string, body: Buffer): Buffer {
  const raw = [protobufFieldHead(1, body.length), body];
  const rawLength = body.length + (raw[0] as Buffer).length;
  const head = encodeProtobufMessage(watchEvent, { type });
  const field = protobufFieldHead(2, rawLength);
  const length = Buffer.allocUnsafe(4);
  length.writeUInt32BE(head.length + field.length + rawLength);
  return Buffer.concat([length, head, field, ...raw]);
}

/** A frame as an event of a protobuf watch; shared by all its watchers. */
export function frameProtobuf(kind: KindDescriptor, frame: Frame): Buffer {
  return remembered(events, frame, () => eventProtobuf(frame.type, entryProtobuf(kind, frame.entry)));
}
