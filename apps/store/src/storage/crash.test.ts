import { hashKv } from '@orrery/mvcc';
import { describe, expect, it } from 'vitest';
import { openMember } from '../testing/local-member.ts';
import { type Loss, MemoryDisk } from '../testing/memory-disk.ts';

const b = (text: string): Buffer => Buffer.from(text);
const losses: Loss[] = ['all lost', 'all kept', 'garbled'];
/** Small limits, so that a short run rolls segments and takes snapshots. */
const small = { snapshotCount: 6, segmentBytes: 300 };

/**
 * Puts `total` keys, two at a time, until something fails. Returns how many were acknowledged. Before each put the
 * key's number is what the revision must be, so a state with a hole or a doubled write cannot look right.
 */
async function work(disk: MemoryDisk, total = 16): Promise<number> {
  let acknowledged = 0;
  try {
    const { member, close } = await openMember(disk, small);
    for (let i = 0; i < total; i += 2) {
      const write = async (n: number): Promise<void> => {
        await member.propose({ kind: 'put', request: { key: b(`k${n % 5}`), value: b(String(n)) } });
        acknowledged += 1;
      };
      await Promise.all([write(i), write(i + 1)]);
    }
    await close();
  } catch {
    // The power is off.
  }
  return acknowledged;
}

/** How many of the puts of `work` the recovered state holds; fails unless they are a prefix. */
async function recover(disk: MemoryDisk): Promise<number> {
  const { member, close } = await openMember(disk, small);
  const found = member.state.revision - 1 - (member.state.get('after')?.version ?? 0);
  for (let key = 0; key < Math.min(found, 5); key++) {
    let last = found - 1;
    while (last % 5 !== key) last -= 1;
    expect(String(member.state.get(`k${key}`)?.value)).toBe(String(last));
  }
  await member.propose({ kind: 'put', request: { key: b('after'), value: b('x') } });
  await close();
  return found;
}

describe('power failure', () => {
  it('at any byte and any operation: no acknowledged put is lost, none is invented', async () => {
    const whole = new MemoryDisk();
    expect(await work(whole)).toBe(16);
    expect(whole.files().some((file) => file.includes('snap-'))).toBe(true);
    const { steps } = whole;
    for (let budget = 0; budget <= steps; budget++) {
      const disk = new MemoryDisk();
      disk.budget = budget;
      const acknowledged = await work(disk);
      for (const loss of losses) {
        const found = await recover(disk.reboot(loss));
        expect(found, `after ${budget} of ${steps} steps, unsynced writes ${loss}`).toBeGreaterThanOrEqual(acknowledged);
        expect(found).toBeLessThanOrEqual(Math.min(acknowledged + 2, 16));
      }
    }
  }, 60_000);

  it('during recovery from a power failure', async () => {
    const disk = new MemoryDisk();
    disk.budget = 1500;
    const acknowledged = await work(disk);
    const again = disk.reboot('garbled');
    const trial = disk.reboot('garbled');
    await recover(trial);
    for (let budget = 0; budget <= trial.steps; budget += 3) {
      const interrupted = again.reboot('all kept');
      interrupted.budget = budget;
      await recover(interrupted).catch(() => undefined);
      for (const loss of losses) expect(await recover(interrupted.reboot(loss))).toBeGreaterThanOrEqual(acknowledged);
    }
  });
});

describe('damage', () => {
  async function written(): Promise<MemoryDisk> {
    const disk = new MemoryDisk();
    const { member, close } = await openMember(disk);
    for (let i = 0; i < 20; i++) await member.propose({ kind: 'put', request: { key: b(`key-${i}`), value: b('value') } });
    await close();
    return disk;
  }

  it('before the end of the log is refused, with file and offset', async () => {
    const disk = await written();
    disk.damage('/data/wal-00000000000001.log', 200);
    await expect(openMember(disk)).rejects.toThrow(/\/data\/wal-00000000000001\.log is corrupt at offset 1\d\d: checksum mismatch/);
    // The lock was given back.
    await expect(openMember(disk)).rejects.toThrow('is corrupt');
  });

  it('of a snapshot is refused, with file and offset', async () => {
    const disk = await written();
    const { snapshotter, close } = await openMember(disk);
    await snapshotter.demand();
    await close();
    const [snapshot = ''] = disk.files().filter((file) => file.includes('snap-'));
    disk.damage(snapshot, 150);
    await expect(openMember(disk)).rejects.toThrow(/snapshot \/data\/snap-\w+\.db cannot be used: badSnapshot: checksum mismatch at offset \d+/);
  });

  it('by a missing segment is refused', async () => {
    const disk = new MemoryDisk();
    const { member, close } = await openMember(disk, { segmentBytes: 200 });
    for (let i = 0; i < 20; i++) await member.propose({ kind: 'put', request: { key: b(`key-${i}`), value: b('value') } });
    await close();
    const segments = disk.files().filter((file) => file.includes('wal-'));
    expect(segments.length).toBeGreaterThan(3);
    // Zeros at the end of a segment are room that was made ahead, but not where an entry was.
    const second = disk.files().indexOf(segments[1] as string);
    const blanked = disk.reboot('all kept');
    blanked.blank(blanked.files()[second] as string, 0);
    await expect(openMember(blanked)).rejects.toThrow(/entry \d+ is missing/);
    await disk.remove(segments[1] as string);
    await expect(openMember(disk)).rejects.toThrow(/entry \d+ is missing/);
    await disk.remove(segments[0] as string);
    await expect(openMember(disk)).rejects.toThrow(/entries 1 to \d+ before it are missing/);
  });
});

describe('restart', () => {
  it('brings everything back: values, history, leases, alarms, terms', async () => {
    const disk = new MemoryDisk();
    const first = await openMember(disk, small);
    await first.member.propose({ kind: 'leaseGrant', request: { ID: '77', TTL: 30 } });
    for (let i = 0; i < 30; i++) await first.member.propose({ kind: 'put', request: { key: b(`k${i % 4}`), value: b(`${i}`), lease: i % 4 ? '0' : '77' } });
    await first.member.propose({ kind: 'deleteRange', request: { key: b('k1') } });
    await first.member.compact({ revision: 20, physical: true });
    await expect(first.member.propose({ kind: 'compact', request: { revision: 3 } })).rejects.toThrow('compacted');
    await first.member.propose({ kind: 'alarm', request: { action: 1, memberID: '2', alarm: 1 } });
    await first.close();
    const { member, close } = await openMember(disk, small);
    expect(hashKv(member.state, 0)).toEqual(hashKv(first.member.state, 0));
    expect(hashKv(member.state, 25)).toEqual(hashKv(first.member.state, 25));
    expect([...(member.state.leases.get('77')?.keys ?? [])]).toEqual(['k0']);
    expect(member.leaseClock.remaining('77')).toBe(30);
    expect(member.machine.outOfSpace).toBe(true);
    expect(member.term).toBe(first.member.term + 1);
    await close();
  });

  it('needs the lock', async () => {
    const disk = new MemoryDisk();
    const { close } = await openMember(disk);
    await expect(openMember(disk)).rejects.toThrow('/data/LOCK is in use by process 1');
    await close();
    await (await openMember(disk)).close();
  });
});

describe('full disk', () => {
  it('refuses writes with the NOSPACE alarm, goes on reading, loses and half-applies nothing', async () => {
    const disk = new MemoryDisk();
    const { member, close } = await openMember(disk);
    const put = (n: number) => member.propose({ kind: 'put', request: { key: b(`k${n}`), value: b('x'.repeat(50)) } });
    await put(0);
    disk.capacity = 1000;
    let kept = 1;
    for (let n = 1; n < 30; n++) {
      const outcome = await put(n).then(() => 'ok', (error: Error) => error.message);
      if (outcome === 'ok') kept += 1;
      else expect(outcome).toBe('etcdserver: mvcc: database space exceeded');
    }
    expect(kept).toBeLessThan(15);
    expect(member.machine.outOfSpace).toBe(true);
    expect(member.state.revision).toBe(kept + 1);
    const restarted = await openMember(disk.reboot('all kept'));
    expect(restarted.member.state.revision).toBe(kept + 1);
    // Room again: nothing is written until the alarm is taken off.
    disk.capacity = Infinity;
    await expect(put(40)).rejects.toThrow('space exceeded');
    await member.propose({ kind: 'alarm', request: { action: 2, memberID: '2', alarm: 1 } });
    await put(41);
    expect(member.state.revision).toBe(kept + 2);
    await close();
    expect((await openMember(disk)).member.state.revision).toBe(kept + 2);
  });

  it('raises the alarm when the quota is used up; deleting and compacting stay possible', async () => {
    const { member } = await openMember(new MemoryDisk(), { quotaBytes: 1000 });
    const put = (n: number) => member.propose({ kind: 'put', request: { key: b(`k${n}`), value: b('x'.repeat(100)) } });
    let n = 0;
    const refused = async (): Promise<string> => {
      for (;;) {
        const outcome = await put(n++).then(() => '', (error: Error) => error.message);
        if (outcome) return outcome;
      }
    };
    expect(await refused()).toBe('etcdserver: mvcc: database space exceeded');
    expect(member.state.sizeBytes).toBeLessThanOrEqual(1000);
    await member.propose({ kind: 'deleteRange', request: { key: b('k'), rangeEnd: b('l') } });
    await member.compact({ revision: member.state.revision, physical: true });
    await expect(put(50)).rejects.toThrow('space exceeded');
    await member.propose({ kind: 'alarm', request: { action: 2, memberID: '2', alarm: 1 } });
    await put(51);
  });

  it('keeps the log when a snapshot does not fit', async () => {
    const disk = new MemoryDisk();
    const { member, snapshotter, close } = await openMember(disk);
    for (let i = 0; i < 10; i++) await member.propose({ kind: 'put', request: { key: b(`k${i}`), value: b('x'.repeat(100)) } });
    disk.capacity = 2000;
    await expect(snapshotter.demand()).rejects.toThrow('ENOSPC');
    disk.capacity = Infinity;
    await member.propose({ kind: 'put', request: { key: b('last'), value: b('x') } });
    await close();
    expect((await openMember(disk)).member.state.revision).toBe(12);
  });
});

describe('a failing disk', () => {
  it('fails all writes until the restart, keeps reading', async () => {
    const disk = new MemoryDisk();
    const { member, storage } = await openMember(disk);
    await member.propose({ kind: 'put', request: { key: b('a'), value: b('1') } });
    disk.budget = disk.steps;
    const put = () => member.propose({ kind: 'put', request: { key: b('a'), value: b('2') } });
    await expect(put()).rejects.toMatchObject({ code: 14 });
    disk.budget = Infinity;
    await expect(put()).rejects.toThrow('restart needed');
    expect([storage.wal.failed, String(member.state.get('a')?.value)]).toEqual([true, '1']);
  });
});
