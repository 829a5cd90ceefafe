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
  event(frame: Frame): Buffer;
  /** The ERROR event that ends a watch. */
  failure(status: Status): Buffer;
}

const jsonType = 'application/json';
const protobufType = 'application/vnd.kubernetes.protobuf;stream=watch';

const jsonFailure = (status: Status): Buffer => line('ERROR', JSON.stringify(status));
const protobufFailure = (status: Status): Buffer => eventProtobuf('ERROR', encodeProtobuf(status));

/** The line shared by all watchers. */
const plainJson: StreamForm = { contentType: jsonType, event: (frame) => frame.line, failure: jsonFailure };

function line(type: string, object: string | Buffer): Buffer {
  return Buffer.from(`{"type":"${type}","object":${object.toString()}}\n`);
}

function plainProtobuf(kind: KindDescriptor): StreamForm {
  return { contentType: protobufType, event: (frame) => frameProtobuf(kind, frame), failure: protobufFailure };
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
  return { contentType: jsonType, event, failure: jsonFailure };
}

function metadataOnly({ format }: ResourceRequest): StreamForm {
  if (format.encoding === 'protobuf') {
    return { contentType: protobufType, event: (frame) => eventProtobuf(frame.type, partialMetadata(frame.entry, format)), failure: protobufFailure };
  }
  return { contentType: jsonType, event: (frame) => line(frame.type, partialMetadata(frame.entry, format)), failure: jsonFailure };
}

/** The form of a watch, from what was negotiated. Throws 400 for options that Tables do not have. */
export function streamForm(request: ResourceRequest): StreamForm {
  const { format, scope } = request;
  if (format.as === 'Table') return tables(request);
  if (format.as) return metadataOnly(request);
  return format.encoding === 'protobuf' ? plainProtobuf(scope.kind) : plainJson;
}
