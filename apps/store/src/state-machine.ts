import { type Applied, MvccError, MvccState, WatchHub, applyTxn, deleteRange, put, revokeLease } from '@orrery/mvcc';
import {
  type AlarmMember,
  type AlarmRequest,
  type AlarmResponse,
  type LeaseCheckpointRequest,
  type LeaseGrantRequest,
  type LeaseGrantResponse,
  type PutRequest,
  type RequestOp,
  type TxnRequest,
  AlarmRequest_AlarmAction as AlarmAction,
  AlarmType,
} from '@orrery/proto/etcd';
import { administer } from './auth/administration.ts';
import { AuthState } from './auth/auth-state.ts';
import { permitEntry } from './auth/permits.ts';
import type { Entry, Results } from './entry.ts';

function opCost({ request }: RequestOp): number {
  if (request?.$case === 'requestPut') return putCost(request.value);
  return request?.$case === 'requestTxn' ? txnCost(request.value) : 0;
}

function putCost(request: PutRequest): number {
  return (request.key?.length ?? 0) + (request.value?.length ?? 0) + 96;
}

function txnCost({ success = [], failure = [] }: TxnRequest): number {
  const sum = (ops: readonly RequestOp[]): number => ops.reduce((total, op) => total + opCost(op), 0);
  return Math.max(sum(success), sum(failure));
}

/** Bytes an entry may add to the data; 0 for those that are let through when there is no space. */
export function needsSpace(entry: Entry): number {
  if (entry.kind === 'put') return putCost(entry.request);
  if (entry.kind === 'txn') return txnCost(entry.request);
  return entry.kind === 'leaseGrant' ? 64 : 0;
}

/** The replicated state: applies committed entries in order. Deterministic; every failure leaves the state as it was. */
export class StateMachine {
  readonly state = new MvccState();
  readonly hub = new WatchHub(this.state);
  readonly auth = new AuthState();
  /** Seconds that leases had left when it was last written down. */
  readonly leaseSeconds = new Map<string, number>();
  /** Alarms that are on, by type, then member. */
  private readonly alarms = new Map<string, Required<AlarmMember>>();

  /** Answers without the fields of the header that only the server knows. Throws MvccError and AuthError. */
  apply(entry: Entry): Results[keyof Results] {
    if (this.auth.enabled) permitEntry({ auth: this.auth, leases: this.state.leases }, entry);
    switch (entry.kind) {
      case 'term':
        return undefined;
      case 'put':
        this.requireSpace();
        return this.publish(put(this.state, entry.request));
      case 'deleteRange':
        return this.publish(deleteRange(this.state, entry.request));
      case 'txn':
        if (this.alarms.size && txnCost(entry.request) > 0) this.requireSpace();
        return this.publish(applyTxn(this.state, entry.request));
      case 'compact':
        this.state.compact(entry.request.revision ?? 0);
        return { header: { revision: this.state.revision } };
      case 'leaseGrant':
        this.requireSpace();
        return this.grant(entry.request);
      case 'leaseRevoke':
        this.publish(revokeLease(this.state, entry.request.ID ?? '0'));
        this.leaseSeconds.delete(entry.request.ID ?? '0');
        return { header: { revision: this.state.revision } };
      case 'leaseCheckpoint':
        return this.noteLeaseTimes(entry.request);
      case 'alarm':
        return this.alarm(entry.request);
      default:
        return { header: { revision: this.state.revision }, ...administer(this.auth, entry) };
    }
  }

  private publish<T>({ response, written }: Applied<T>): T {
    if (written.length) this.hub.publish(written);
    return response;
  }

  private grant({ ID = '0', TTL = 0 }: LeaseGrantRequest): LeaseGrantResponse {
    const lease = this.state.leases.grant(ID, TTL);
    return { header: { revision: this.state.revision }, ID: lease.id, TTL: lease.ttl, error: '' };
  }

  private noteLeaseTimes({ checkpoints = [] }: LeaseCheckpointRequest): { header: { revision: number } } {
    for (const { ID = '0', remainingTTL = 0 } of checkpoints) {
      // It may be over by now.
      if (remainingTTL > 0 && this.state.leases.get(ID)) this.leaseSeconds.set(ID, remainingTTL);
      else this.leaseSeconds.delete(ID);
    }
    return { header: { revision: this.state.revision } };
  }

  private alarm({ action, memberID = '0', alarm = AlarmType.NONE }: AlarmRequest): AlarmResponse {
    const header = { revision: this.state.revision };
    const key = `${alarm}/${memberID}`;
    if (action === AlarmAction.ACTIVATE) {
      const on = { memberID, alarm };
      this.alarms.set(key, on);
      return { header, alarms: [on] };
    }
    if (action === AlarmAction.DEACTIVATE) {
      const off = this.alarms.get(key);
      this.alarms.delete(key);
      return { header, alarms: off ? [off] : [] };
    }
    return { header, alarms: this.listAlarms(alarm) };
  }

  listAlarms(alarm: AlarmType = AlarmType.NONE): Required<AlarmMember>[] {
    return [...this.alarms.values()].filter((on) => alarm === AlarmType.NONE || on.alarm === alarm);
  }

  /** Puts alarms back from a snapshot, or on without the log when the disk cannot take an entry. */
  raise(alarm: Required<AlarmMember>): void {
    this.alarms.set(`${alarm.alarm}/${alarm.memberID}`, alarm);
  }

  get outOfSpace(): boolean {
    return this.alarms.size > 0 && this.listAlarms(AlarmType.NOSPACE).length > 0;
  }

  private requireSpace(): void {
    if (this.outOfSpace) throw new MvccError('noSpace');
  }
}
