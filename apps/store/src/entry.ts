import { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire';
import {
  type AlarmResponse,
  type CompactionResponse,
  type DeleteRangeResponse,
  type LeaseCheckpointResponse,
  type LeaseGrantResponse,
  type LeaseRevokeResponse,
  type PutResponse,
  type TxnResponse,
  AlarmRequest,
  AlarmRequest_AlarmAction as AlarmAction,
  AlarmType,
  AuthDefinition,
  CompactionRequest,
  DeleteRangeRequest,
  LeaseCheckpointRequest,
  LeaseGrantRequest,
  LeaseRevokeRequest,
  PutRequest,
  TxnRequest,
} from '@orrery/proto/etcd';
import { type AuthEntry, type AuthResults, type Caller, authKinds } from './auth/auth-calls.ts';

/**
 * What goes through the log: everything that changes the state. The same entries in the same order give the same state,
 * so an entry carries every decision (ids, which lease is over), never a time or a draw.
 */
export type Entry = Change & { /** Whose request it is, while authentication is on. */ readonly as?: Caller };

type Change =
  | AuthEntry
  | { readonly kind: 'term'; readonly request: TermStart }
  | { readonly kind: 'put'; readonly request: PutRequest }
  | { readonly kind: 'deleteRange'; readonly request: DeleteRangeRequest }
  | { readonly kind: 'txn'; readonly request: TxnRequest }
  | { readonly kind: 'compact'; readonly request: CompactionRequest }
  | { readonly kind: 'leaseGrant'; readonly request: LeaseGrantRequest }
  | { readonly kind: 'leaseRevoke'; readonly request: LeaseRevokeRequest }
  | { readonly kind: 'alarm'; readonly request: AlarmRequest }
  | { readonly kind: 'leaseCheckpoint'; readonly request: LeaseCheckpointRequest };

/** The empty entry with which a leader begins its term. */
export interface TermStart {
  readonly term?: never;
}

/** What applying an entry answers. */
export interface Results extends AuthResults {
  term: undefined;
  put: PutResponse;
  deleteRange: DeleteRangeResponse;
  txn: TxnResponse;
  compact: CompactionResponse;
  leaseGrant: LeaseGrantResponse;
  leaseRevoke: LeaseRevokeResponse;
  alarm: AlarmResponse;
  leaseCheckpoint: LeaseCheckpointResponse;
}

type Codec = { encode(message: never, writer: BinaryWriter): BinaryWriter; decode(bytes: Uint8Array): unknown };

/** Says to all members that one of them has no space left. */
export function noSpaceAlarm(memberID: string): Extract<Entry, { kind: 'alarm' }> {
  return { kind: 'alarm', request: { action: AlarmAction.ACTIVATE, memberID, alarm: AlarmType.NOSPACE } };
}

/** Order is the number on disk: only ever append. */
const kinds: readonly (readonly [Entry['kind'], Codec | undefined])[] = [
  ['term', undefined],
  ['put', PutRequest],
  ['deleteRange', DeleteRangeRequest],
  ['txn', TxnRequest],
  ['compact', CompactionRequest],
  ['leaseGrant', LeaseGrantRequest],
  ['leaseRevoke', LeaseRevokeRequest],
  ['alarm', AlarmRequest],
  ...authKinds.map((kind) => [kind, AuthDefinition.methods[kind].requestType] as const),
];
/** The kind on disk of an entry with a caller: user, revision, then the entry itself. */
const signedKind = 255;
/** Apart, so that there may be more kinds for users and roles. */
const checkpointKind = 64;
const numbers = new Map([...kinds.map(([kind], i) => [kind, i] as const), ['leaseCheckpoint', checkpointKind] as const]);
const codecOf = (kind: number): (typeof kinds)[number] | undefined => (kind === checkpointKind ? ['leaseCheckpoint', LeaseCheckpointRequest] : kinds[kind]);
const nothing = new Uint8Array(0);
/** A writer keeps what it has grown to, so a new one is made only after something unusually large. */
const reusableBytes = 1 << 20;
let spare: BinaryWriter | undefined;

/** A writer that lends what was written instead of copying it: memory of its own for each entry costs more than all the rest. */
function lendingWriter(): BinaryWriter {
  const writer = new BinaryWriter();
  // The library keeps these to itself; `entry.test.ts` tells should they go by other names one day.
  const own = writer as unknown as { buffer: Uint8Array<ArrayBuffer>; pos: number };
  writer.finish = () => {
    const bytes = own.buffer.subarray(0, own.pos);
    own.pos = 0;
    return bytes;
  };
  return writer;
}

function encodeMessage(codec: Codec, message: unknown): Uint8Array {
  const writer = spare ?? lendingWriter();
  // Not to be found half written by the next entry, should this one throw.
  spare = undefined;
  const bytes = codec.encode(message as never, writer).finish();
  if (bytes.length <= reusableBytes) spare = writer;
  return bytes;
}

/** The bytes are lent: they hold until the next entry is encoded. */
export function encodeEntry(entry: Entry): { kind: number; bytes: Uint8Array } {
  const kind = numbers.get(entry.kind) as number;
  const codec = codecOf(kind)?.[1];
  const bytes = codec ? encodeMessage(codec, entry.request) : nothing;
  return entry.as ? { kind: signedKind, bytes: sign(entry.as, kind, bytes) } : { kind, bytes };
}

function sign({ user, revision }: Caller, kind: number, bytes: Uint8Array): Uint8Array {
  return new BinaryWriter().string(user).uint64(revision).uint32(kind).bytes(bytes).finish();
}

function decodeSigned(bytes: Uint8Array): Entry {
  const reader = new BinaryReader(bytes);
  const as = { user: reader.string(), revision: Number(reader.uint64()) };
  return { ...decodeEntry(reader.uint32(), reader.bytes()), as };
}

/** Throws on an unknown kind: a log written by a newer program. */
export function decodeEntry(kind: number, bytes: Uint8Array): Entry {
  if (kind === signedKind) return decodeSigned(bytes);
  const found = codecOf(kind);
  if (!found) throw new Error(`log entry of unknown kind ${kind}: written by a newer version`);
  return { kind: found[0], request: found[1]?.decode(bytes) ?? {} } as Entry;
}
