import { type Env, VirtualClock, createMetrics, seededRandom, silentLogger } from '@orrery/runtime';
import type { Disk } from '@orrery/runtime';
import { Member } from '../member.ts';
import { Snapshotter } from '../snapshotter.ts';
import { type Storage, openStorage } from '../storage/storage.ts';

/** Virtual time, in which giving way to other work takes none. */
export function testEnv(clock = new VirtualClock()): Env {
  const yielding = Object.assign(Object.create(clock) as VirtualClock, {
    sleep: (ms: number, signal?: AbortSignal) => (ms === 0 ? Promise.resolve() : clock.sleep(ms, signal)),
  });
  return { clock: yielding, random: seededRandom(1), log: silentLogger, metrics: createMetrics() };
}

export interface LocalMember {
  readonly member: Member;
  readonly storage: Storage;
  readonly snapshotter: Snapshotter;
  close(): Promise<void>;
}

/** A member over a directory of `disk`, without servers. */
export async function openMember(disk: Disk, options: { snapshotCount?: number; segmentBytes?: number; quotaBytes?: number; env?: Env } = {}): Promise<LocalMember> {
  const env = options.env ?? testEnv();
  const member = new Member(env, { quotaBytes: options.quotaBytes ?? 1e9 });
  const newIdentity = () => ({ clusterId: '1', memberId: '2' });
  const storage = await openStorage({ disk, dir: '/data', segmentBytes: options.segmentBytes ?? 1e6, newIdentity }, member.recovery);
  const snapshotter = new Snapshotter(env, { member, storage, snapshotCount: options.snapshotCount ?? 1e6 });
  await member.lead(storage.identity, storage);
  const close = async (): Promise<void> => {
    await member.stop();
    await snapshotter.stop();
    await storage.close();
  };
  return { member, storage, snapshotter, close };
}
