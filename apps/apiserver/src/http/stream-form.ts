import { type KindDescriptor, encodeProtobuf } from '@orrery/api';
import type { Status } from '@orrery/errors';
import type { Frame } from '../cache/frame.ts';
import { eventProtobuf, frameProtobuf } from '../cache/wire.ts';
import { tableJson } from '../table/table.ts';
import { partialMetadata } from './object-bytes.ts';
import type { ResourceRequest } from './resource.ts';
import { includeObject } from './table-reply.ts';

/** How the events of a watch look on the wire. */
export interface StreamForm {
  readonly contentType: string;
  /** One write; the array may be shared with other watchers, and then so are the bytes. */
  events(frames: readonly Frame[]): Buffer;
  /** The ERROR event that ends a watch. */
  failure(status: Status): Buffer;
}

const jsonType = 'application/json';
const protobufType = 'application/vnd.kubernetes.protobuf;stream=watch';

const jsonFailure = (status: Status): Buffer => line('ERROR', JSON.stringify(status));
const protobufFailure = (status: Status): Buffer => eventProtobuf('ERROR', encodeProtobuf(status));

function together(frames: readonly Frame[], event: (frame: Frame) => Buffer): Buffer {
  return frames.length === 1 ? event(frames[0] as Frame) : Buffer.concat(frames.map(event));
}

/** Watchers without selectors are handed the same array, one after the other: its bytes are put together once. */
function sharing(): (frames: readonly Frame[], event: (frame: Frame) => Buffer) => Buffer {
  const known = new WeakMap<readonly Frame[], Buffer>();
  return (frames, event) => {
    if (frames.length === 1) return event(frames[0] as Frame);
    let bytes = known.get(frames);
    if (!bytes) known.set(frames, (bytes = Buffer.concat(frames.map(event))));
    return bytes;
  };
}

const jsonBatches = sharing();
const protobufBatches = sharing();
const lineOf = (frame: Frame): Buffer => frame.line;

/** The lines shared by all watchers. */
const plainJson: StreamForm = { contentType: jsonType, events: (frames) => jsonBatches(frames, lineOf), failure: jsonFailure };

function line(type: string, object: string | Buffer): Buffer {
  return Buffer.from(`{"type":"${type}","object":${object.toString()}}\n`);
}

function plainProtobuf(kind: KindDescriptor): StreamForm {
  const event = (frame: Frame): Buffer => frameProtobuf(kind, frame);
  return { contentType: protobufType, events: (frames) => protobufBatches(frames, event), failure: protobufFailure };
}

/** One-row Tables; the first names the columns. Bookmarks have no rows. */
function tables({ core, scope, parsed, format }: ResourceRequest): StreamForm {
  const include = includeObject(parsed.query);
  let withColumns = true;
  const event = (frame: Frame): Buffer => {
    const metadata = JSON.stringify({ resourceVersion: String(frame.entry.revision) });
    const entries = frame.type === 'BOOKMARK' ? [] : [frame.entry];
    const nowMs = core.registry.env.clock.now();
    const json = tableJson({ kind: scope.kind, entries, metadata, include, withColumns, nowMs, metaVersion: format.metaVersion });
    withColumns = false;
    return line(frame.type, json);
  };
  return { contentType: jsonType, events: (frames) => together(frames, event), failure: jsonFailure };
}

function metadataOnly({ format }: ResourceRequest): StreamForm {
  if (format.encoding === 'protobuf') {
    const event = (frame: Frame): Buffer => eventProtobuf(frame.type, partialMetadata(frame.entry, format));
    return { contentType: protobufType, events: (frames) => together(frames, event), failure: protobufFailure };
  }
  const event = (frame: Frame): Buffer => line(frame.type, partialMetadata(frame.entry, format));
  return { contentType: jsonType, events: (frames) => together(frames, event), failure: jsonFailure };
}

/** The form of a watch, from what was negotiated. Throws 400 for options that Tables do not have. */
export function streamForm(request: ResourceRequest): StreamForm {
  const { format, scope } = request;
  if (format.as === 'Table') return tables(request);
  if (format.as) return metadataOnly(request);
  return format.encoding === 'protobuf' ? plainProtobuf(scope.kind) : plainJson;
}
