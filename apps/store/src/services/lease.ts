import { type LeaseGrantRequest, LeaseDefinition } from '@orrery/proto/etcd';
import { type ServedService, service } from '@orrery/rpc';
import type { Random } from '@orrery/runtime';
import type { LeaseTime } from '@orrery/proto/raft';
import type { Replica } from '../consensus/replica.ts';
import type { Gate } from '../auth/gate.ts';
import { toEtcdError } from '../errors.ts';
import type { Member } from '../member.ts';

export interface LeaseOptions {
  readonly random: Random;
  /** Seconds; shorter leases are granted this much. */
  readonly minTtl: number;
}

/** A positive 63-bit id that no lease has. */
function freshId(member: Member, random: Random): string {
  for (;;) {
    const id = (BigInt(random.int(2 ** 31)) << 32n) | BigInt(random.int(2 ** 32));
    if (id > 0n && !member.state.leases.get(String(id))) return String(id);
  }
}

/** The Lease service. Keep-alives and remaining times are the leader's own affair and do not go through the log. */
export function leaseService(member: Member, gate: Gate, { random, minTtl }: LeaseOptions): ServedService {
  const checked = async <T>(work: () => T | Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw toEtcdError(error);
    }
  };
  const grant = ({ ID = '0', TTL = 0 }: LeaseGrantRequest) => {
    const request = { ID: ID === '0' ? freshId(member, random) : ID, TTL: Math.max(TTL, minTtl) };
    return member.propose({ kind: 'leaseGrant', request });
  };
  const leaseIds = (): string[] => (member.isLeader ? member.leaseClock.byExpiry() : [...member.state.leases.all()].map(({ id }) => id));
  /** The leader counts; it must be sure that it still is the leader. */
  const onLeader = async (here: () => number | Promise<number>, there: (replica: Replica) => Promise<LeaseTime>): Promise<number> => {
    const { replica } = member;
    if (!replica) return here();
    if (!replica.log.isLeader) return (await there(replica)).seconds ?? 0;
    await replica.requireLeadership();
    return here();
  };
  const renew = (id: string): Promise<number> => onLeader(() => member.renewLease(id), (replica) => replica.renewLease(id));
  const remaining = (id: string): Promise<number> => onLeader(() => member.leaseClock.remaining(id), (replica) => replica.leaseTime(id));
  return service(LeaseDefinition, {
    leaseGrant: (request, context) =>
      checked(() => {
        gate.requireUser(context);
        return grant(request);
      }),
    leaseRevoke: (request, context) => checked(() => member.propose({ kind: 'leaseRevoke', request, ...gate.signature(context) })),
    leaseKeepAlive: async function* (requests, context) {
      for await (const { ID = '0' } of requests) {
        await checked(() => gate.requireUser(context));
        const TTL = await renew(ID);
        yield { header: member.header(), ID, TTL };
      }
    },
    leaseTimeToLive: (request, context) =>
      checked(async () => {
        const ID = request.ID ?? '0';
        await member.readBarrier();
        if (request.keys) gate.requireLeaseKeys(context, ID);
        else gate.requireUser(context);
        const lease = member.state.leases.get(ID);
        if (!lease) return { header: member.header(), ID, TTL: -1, grantedTTL: 0, keys: [] };
        const keys = request.keys ? [...lease.keys].sort().map((key) => Buffer.from(key, 'latin1')) : [];
        return { header: member.header(), ID, TTL: await remaining(ID), grantedTTL: lease.ttl, keys };
      }),
    leaseLeases: (_request, context) =>
      checked(async () => {
        await member.readBarrier();
        gate.requireUser(context);
        return { header: member.header(), leases: leaseIds().map((ID) => ({ ID })) };
      }),
  });
}
