import { type StoredKv, mainRevisionBytes, revisionBytes, valueBytes } from '@orrery/mvcc';
import { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire';
import { AlarmMember, type Permission, Role as RoleMessage, User as UserMessage } from '@orrery/proto/etcd';
import type { AuthSnapshot, Role, User } from '../auth/auth-state.ts';
import type { MemberInfo } from '../consensus/membership.ts';
import type { SnapshotExtra } from '../member.ts';
import type { Bucket, Item } from './bolt-writer.ts';

/** What a store holds at one moment, as the database of an etcd 3.5 has it: one bucket each. */
export interface Contents {
  readonly revision: number;
  /** 0 when nothing was compacted. */
  readonly compactRevision: number;
  readonly leases: readonly { readonly id: string; readonly ttl: number }[];
  readonly extra: SnapshotExtra;
}

/** Names of buckets and of what is in them, from etcd's `server/mvcc/buckets` and `server/etcdserver/api/membership`. */
export const names = {
  keys: 'key',
  meta: 'meta',
  leases: 'lease',
  alarms: 'alarm',
  auth: 'auth',
  users: 'authUsers',
  roles: 'authRoles',
  cluster: 'cluster',
  members: 'members',
  removed: 'members_removed',
  consistentIndex: 'consistent_index',
  term: 'term',
  confState: 'confState',
  scheduledCompact: 'scheduledCompactRev',
  finishedCompact: 'finishedCompactRev',
  authEnabled: 'authEnabled',
  authRevision: 'authRevision',
} as const;

const nothing = Buffer.alloc(0);

export function uint64(value: number | bigint | string): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt.asUintN(64, BigInt(value)));
  return bytes;
}

const item = (key: string | Uint8Array, value: string | Uint8Array): Item => ({ key: Buffer.from(key), value: Buffer.from(value) });
const sorted = (items: Item[]): Item[] => items.sort((a, b) => Buffer.compare(a.key, b.key));

/** `leasepb.Lease`. */
function leaseBytes(id: string, ttl: number, remaining: number): Uint8Array {
  const writer = new BinaryWriter().uint32(8).int64(id).uint32(16).int64(ttl);
  return (remaining > 0 ? writer.uint32(24).int64(remaining) : writer).finish();
}

export function readLease(bytes: Uint8Array): { id: string; ttl: number; remaining: number } {
  const reader = new BinaryReader(bytes);
  const lease = { id: '0', ttl: 0, remaining: 0 };
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === 1) lease.id = String(reader.int64());
    else if (field === 2) lease.ttl = Number(reader.int64());
    else if (field === 3) lease.remaining = Number(reader.int64());
    else reader.skip(type);
  }
  return lease;
}

function userBytes({ name, password, noPassword, roles }: User): Uint8Array {
  return UserMessage.encode({ name: Buffer.from(name), password: Buffer.from(password), roles: [...roles], options: { noPassword } }).finish();
}

export function readUser(bytes: Uint8Array): User {
  const { name = nothing, password = nothing, roles = [], options } = UserMessage.decode(bytes);
  return { name: name.toString(), password: password.toString(), noPassword: options?.noPassword ?? false, roles: [...roles].sort() };
}

function roleBytes({ name, permissions }: Role): Uint8Array {
  const keyPermission = permissions.map(({ type, key, rangeEnd }): Permission => ({ permType: type, key: Buffer.from(key, 'latin1'), rangeEnd: Buffer.from(rangeEnd, 'latin1') }));
  return RoleMessage.encode({ name: Buffer.from(name), keyPermission }).finish();
}

export function readRole(bytes: Uint8Array): Role {
  const { name = nothing, keyPermission = [] } = RoleMessage.decode(bytes);
  return { name: name.toString(), permissions: keyPermission.map(({ permType = 0, key = nothing, rangeEnd = nothing }) => ({ type: permType, key: key.toString('latin1'), rangeEnd: rangeEnd.toString('latin1') })) };
}

/** Go's JSON of a member: its id is a number beyond what a double holds. */
function memberJson({ id, name, peerURLs, clientURLs, isLearner }: MemberInfo): string {
  const rest = { peerURLs, ...(isLearner ? { isLearner } : {}), ...(name ? { name } : {}), ...(clientURLs.length ? { clientURLs } : {}) };
  return `{"id":${id},${JSON.stringify(rest).slice(1)}`;
}

const hex = (id: string): string => BigInt(id).toString(16);

function authBuckets(auth: AuthSnapshot | undefined): Bucket[] {
  const { enabled = false, revision = 1, users = [], roles = [] } = auth ?? {};
  return [
    { name: names.auth, items: [item(names.authEnabled, Buffer.from([enabled ? 1 : 0])), item(names.authRevision, uint64(revision))] },
    { name: names.users, items: sorted(users.map((user) => item(user.name, userBytes(user)))) },
    { name: names.roles, items: sorted(roles.map((role) => item(role.name, roleBytes(role)))) },
  ];
}

function metaItems({ compactRevision, extra }: Contents): Item[] {
  const { voters = [], learners = [] } = extra.membership?.configuration ?? {};
  const ids = (name: string, list: readonly string[]): string => (list.length ? `"${name}":[${list.join()}],` : '');
  const compacted = compactRevision > 0 ? [names.scheduledCompact, names.finishedCompact].map((name) => item(name, mainRevisionBytes(compactRevision))) : [];
  return sorted([
    item(names.consistentIndex, uint64(extra.index)),
    item(names.term, uint64(extra.term)),
    item(names.confState, `{${ids('voters', voters)}${ids('learners', learners)}"auto_leave":false}`),
    ...compacted,
  ]);
}

function* keyItems(versions: Iterable<StoredKv>): Generator<Item> {
  for (const kv of versions) yield { key: revisionBytes(kv), value: valueBytes(kv) };
}

/** The buckets of the database; `versions` in order of writing. */
export function databaseBuckets(contents: Contents, versions: Iterable<StoredKv>): Bucket[] {
  const { leases, extra } = contents;
  const remaining = new Map(extra.leaseSeconds);
  const { members = [], removed = [] } = extra.membership ?? {};
  return [
    { name: names.keys, items: keyItems(versions) },
    { name: names.meta, items: metaItems(contents) },
    { name: names.leases, items: sorted(leases.map(({ id, ttl }) => item(uint64(id), leaseBytes(id, ttl, remaining.get(id) ?? 0)))) },
    { name: names.alarms, items: sorted(extra.alarms.map((alarm) => item(AlarmMember.encode(alarm).finish(), nothing))) },
    ...authBuckets(extra.auth),
    { name: names.cluster, items: [] },
    { name: names.members, items: sorted(members.map((member) => item(hex(member.id), memberJson(member)))) },
    { name: names.removed, items: sorted(removed.map((id) => item(hex(id), 'removed'))) },
  ];
}
