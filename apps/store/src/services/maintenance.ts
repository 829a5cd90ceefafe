import { hashKv } from '@orrery/mvcc';
import {
  type AlarmRequest,
  type StatusResponse,
  AlarmRequest_AlarmAction as AlarmAction,
  AlarmType,
  DowngradeRequest_DowngradeAction as DowngradeAction,
  MaintenanceDefinition,
} from '@orrery/proto/etcd';
import { type CallContext, Code, RpcError, type ServedService, service } from '@orrery/rpc';
import type { Clock } from '@orrery/runtime';
import type { Gate } from '../auth/gate.ts';
import { createBackup } from '../backup/backup.ts';
import { etcdError, toEtcdError, translated } from '../errors.ts';
import type { Member } from '../member.ts';

/** The etcd whose protocol and behaviour this store follows; clients choose features by it. */
export const etcdVersion = '3.6.0';
const chunkBytes = 64 * 1024;

export interface MaintenanceOptions {
  readonly quotaBytes: number;
  /** Bytes on disk; in memory, those of the data. */
  readonly diskBytes: () => number;
  readonly clock: Clock;
  /** Rewrites what is on disk without what is no longer needed. */
  readonly defragment: () => Promise<void>;
}

function status(member: Member, options: MaintenanceOptions): StatusResponse {
  const alarms = member.machine.listAlarms();
  const word = (alarm: AlarmType): string => (alarm === AlarmType.NOSPACE ? 'NOSPACE' : 'CORRUPT');
  const { replica } = member;
  const leader = replica ? replica.log.leaderId : member.identity.memberId;
  const failures = leader ? [] : [etcdError('noLeader').message];
  return {
    header: member.header(),
    version: etcdVersion,
    storageVersion: etcdVersion,
    dbSize: options.diskBytes(),
    dbSizeInUse: member.state.sizeBytes,
    dbSizeQuota: options.quotaBytes,
    leader: leader || '0',
    raftIndex: replica?.log.status.commit ?? member.appliedIndex,
    raftAppliedIndex: member.appliedIndex,
    raftTerm: member.term,
    errors: [...failures, ...alarms.map(({ memberID, alarm }) => `memberID:${memberID} alarm:${word(alarm)} `)],
    isLearner: replica?.isLearner ?? false,
    downgradeInfo: { enabled: false, targetVersion: '' },
  };
}

async function alarm(member: Member, request: AlarmRequest) {
  const action = request.action ?? AlarmAction.GET;
  if (action === AlarmAction.GET) return { header: member.header(), alarms: member.machine.listAlarms(request.alarm) };
  const turnOff = action === AlarmAction.DEACTIVATE;
  // etcdctl's `alarm disarm` names neither member nor type: all that are on.
  const meant = turnOff && (request.alarm ?? AlarmType.NONE) === AlarmType.NONE ? member.machine.listAlarms() : [request];
  let last = { header: member.header(), alarms: [] as { memberID?: string; alarm?: AlarmType }[] };
  for (const { memberID = '0', alarm: type = AlarmType.NONE } of meant) {
    const id = memberID === '0' ? member.identity.memberId : memberID;
    const answer = await member.propose({ kind: 'alarm', request: { action, memberID: id, alarm: type } });
    last = { header: answer.header ?? last.header, alarms: [...last.alarms, ...((answer.alarms ?? []) as typeof last.alarms)] };
  }
  return last;
}

/** The Maintenance service. */
export function maintenanceService(member: Member, gate: Gate, options: MaintenanceOptions): ServedService {
  const admin = (context: CallContext): void => translated(() => gate.requireAdmin(context));
  const user = (context: CallContext): unknown => translated(() => gate.requireUser(context));
  return service(MaintenanceDefinition, {
    alarm: async (request, context) => {
      if ((request.action ?? AlarmAction.GET) === AlarmAction.GET) user(context);
      else admin(context);
      return alarm(member, request);
    },
    status: async (_request, context) => {
      user(context);
      return status(member, options);
    },
    defragment: async (_request, context) => {
      admin(context);
      await options.defragment();
      return { header: member.header() };
    },
    hash: async (_request, context) => {
      admin(context);
      return { header: member.header(), hash: hashKv(member.state, 0).hash };
    },
    hashKV: async ({ revision = 0 }, context) => {
      admin(context);
      try {
        const found = hashKv(member.state, revision);
        return { header: member.header(), hash: found.hash, compactRevision: found.compactRevision, hashRevision: found.revision };
      } catch (error) {
        throw toEtcdError(error);
      }
    },
    snapshot: async function* (_request, context) {
      admin(context);
      const backup = await createBackup(member, options.clock);
      for (let at = 0; at < backup.length; at += chunkBytes) {
        const blob = Buffer.from(backup.buffer, at, Math.min(chunkBytes, backup.length - at));
        yield { header: member.header(), remainingBytes: backup.length - at - blob.length, blob, version: etcdVersion };
      }
    },
    moveLeader: async ({ targetID = '0' }, context) => {
      admin(context);
      if (member.replica) await member.replica.moveLeader(targetID);
      else if (targetID !== member.identity.memberId) throw etcdError('badTransferee');
      return { header: member.header() };
    },
    downgrade: async ({ action }, context) => {
      admin(context);
      if (action === DowngradeAction.CANCEL) throw new RpcError(Code.FAILED_PRECONDITION, 'etcdserver: no inflight downgrade');
      throw new RpcError(Code.INVALID_ARGUMENT, 'etcdserver: invalid downgrade target version');
    },
  });
}
