import type { LeaseKeepAliveRequest } from '@orrery/proto/etcd';
import type { EtcdClients } from './cluster.ts';
import type { LeaseRecord } from './history.ts';
import { record } from './kv-client.ts';
import type { Lab } from './lab.ts';
import type { Host } from './network.ts';

const callTimeoutMs = 4000;
const leastTtlSeconds = 2;

/** Renews once; the seconds granted, 0 when the lease is gone. */
async function renew({ lease }: EtcdClients, ID: string): Promise<number> {
  const one = async function* (): AsyncIterable<LeaseKeepAliveRequest> {
    yield { ID };
  };
  for await (const { TTL = 0 } of lease.leaseKeepAlive(one(), { timeoutMs: callTimeoutMs })) return TTL;
  throw new Error('no answer to a keep-alive');
}

/** Takes leases, one after the other: puts a key under each, keeps it alive for a while, and lets it go or revokes it. */
export async function runLeaseClient(lab: Lab, name: string): Promise<void> {
  const host = lab.host(name);
  while (!lab.isEnding) {
    await lab.time.sleep(100 + lab.random.int(800));
    try {
      await oneLease(lab, host);
    } catch (error) {
      lab.trace(`${name}: ${(error as Error).message}`);
    }
  }
}

async function oneLease(lab: Lab, host: Host): Promise<void> {
  const askedMs = lab.nowMs;
  const granted = await lab.connect(host).clients.lease.leaseGrant({ TTL: leastTtlSeconds + lab.random.int(2) }, { timeoutMs: callTimeoutMs });
  const { ID: id = '0', TTL = 0 } = granted;
  const lease: LeaseRecord = { id, ttlMs: TTL * 1000, renewals: [{ askedMs }] };
  lab.history.leases.push(lease);
  lab.trace(`${host.name} has lease ${id} for ${TTL} s`);
  for (let i = lab.random.int(3); i >= 0; i--) {
    const { machine, clients } = lab.connect(host);
    const operation = { kind: 'put', key: `l${lab.random.int(3)}/${id}`, value: lab.freshValue(host.name), lease: id } as const;
    // A put that fails may still come to pass, or the lease be gone by then.
    await record(lab, { client: host.name, member: machine.name, clients }, operation).catch(() => undefined);
  }
  if (!(await keepAlive(lab, host, lease)) || lab.chance(50)) return;
  lease.revokedMs = lab.nowMs;
  lab.trace(`${host.name} revokes lease ${id}`);
  await lab.connect(host).clients.lease.leaseRevoke({ ID: id }, { timeoutMs: callTimeoutMs });
}

/** Renews a few times. Says whether the lease was still there at the end. */
async function keepAlive(lab: Lab, host: Host, lease: LeaseRecord): Promise<boolean> {
  for (let i = lab.random.int(8); i > 0 && !lab.isEnding; i--) {
    await lab.time.sleep(lease.ttlMs / 3);
    const askedMs = lab.nowMs;
    try {
      const seconds = await renew(lab.connect(host).clients, lease.id);
      lab.trace(`${host.name} renewed lease ${lease.id}: ${seconds} s`);
      if (seconds === 0) return false;
      lease.renewals.push({ askedMs });
    } catch (error) {
      lab.trace(`${host.name} could not renew lease ${lease.id}: ${(error as Error).message}`);
    }
  }
  return true;
}
