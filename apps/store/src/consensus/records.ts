import type { ConfChange, Configuration, Entry, HardState } from '@orrery/raft';
import type { MemberInfo } from './membership.ts';

/** A store under consensus has these in its log, numbered apart from the entries of a store without (`entry.ts`). */
export const recordKinds = { normal: 64, empty: 65, confChange: 66, hardState: 67, bootstrap: 68 } as const;

/** How a member's log begins: everything before is in a snapshot, a backup, or the log of the store it was alone. */
export interface Bootstrap {
  readonly index: number;
  readonly term: number;
  readonly configuration: Configuration;
  readonly members: readonly MemberInfo[];
}

export interface Record {
  readonly kind: number;
  readonly bytes: Uint8Array;
}

/** index u64, term u64, little-endian. */
const entryHeader = 16;

function withHeader(index: number, term: number, rest: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(entryHeader + rest.length);
  bytes.writeBigUInt64LE(BigInt(index), 0);
  bytes.writeBigUInt64LE(BigInt(term), 8);
  bytes.set(rest, entryHeader);
  return bytes;
}

const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
const nothing = new Uint8Array(0);

export function entryRecord(entry: Entry): Record {
  const { index, term } = entry;
  if (entry.type === 'normal') return { kind: recordKinds.normal, bytes: withHeader(index, term, entry.data) };
  if (entry.type === 'empty') return { kind: recordKinds.empty, bytes: withHeader(index, term, nothing) };
  const { type, member, context } = entry.change;
  const change = { type, member, ...(context ? { context: Buffer.from(context).toString('base64') } : {}) };
  return { kind: recordKinds.confChange, bytes: withHeader(index, term, json(change)) };
}

export function hardStateRecord(state: HardState): Record {
  return { kind: recordKinds.hardState, bytes: json(state) };
}

export function bootstrapRecord(bootstrap: Bootstrap): Record {
  return { kind: recordKinds.bootstrap, bytes: json(bootstrap) };
}

/** Copies: the bytes are a view of a whole file. */
export function readEntry({ kind, bytes }: Record): Entry {
  const view = Buffer.from(bytes);
  const [index, term] = [Number(view.readBigUInt64LE(0)), Number(view.readBigUInt64LE(8))];
  if (kind === recordKinds.empty) return { index, term, type: 'empty' };
  const rest = view.subarray(entryHeader);
  if (kind === recordKinds.normal) return { index, term, type: 'normal', data: rest };
  const { context, ...change } = JSON.parse(rest.toString('utf8')) as Omit<ConfChange, 'context'> & { context?: string };
  return { index, term, type: 'confChange', change: { ...change, ...(context === undefined ? {} : { context: Buffer.from(context, 'base64') }) } as ConfChange };
}

export function readJson<T>({ bytes }: Record): T {
  return JSON.parse(Buffer.from(bytes).toString('utf8')) as T;
}

/**
 * What a normal entry of the consensus holds: who proposed it (a number drawn at each start, and a count), so that the
 * proposer can answer its client, and an entry of the store. Kind `attributes` is the consensus' own.
 */
export interface Payload {
  readonly origin: number;
  readonly sequence: number;
  readonly kind: number;
  readonly bytes: Uint8Array;
}

/** What a member says of itself once it runs; JSON. */
export const attributesKind = 254;
const payloadHeader = 17;

export function encodePayload({ origin, sequence, kind, bytes }: Payload): Buffer {
  const data = Buffer.allocUnsafe(payloadHeader + bytes.length);
  data.writeDoubleLE(origin, 0);
  data.writeDoubleLE(sequence, 8);
  data[16] = kind;
  data.set(bytes, payloadHeader);
  return data;
}

export function decodePayload(data: Uint8Array): Payload {
  const view = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return { origin: view.readDoubleLE(0), sequence: view.readDoubleLE(8), kind: view[16] as number, bytes: view.subarray(payloadHeader) };
}
