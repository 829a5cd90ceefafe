import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { type DiskLock, DiskLockedError } from '@orrery/runtime';

/** Locks held by this process: a lock file with our pid that is not here is left from a process before us. */
const held = new Set<string>();
let attempts = 0;

/** When the process began, in the kernel's ticks: tells a living holder from a later process that got its pid. */
async function startOf(pid: number): Promise<string> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    // The command in parentheses may hold spaces; the 20th field after it is the start time.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}

function runs(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Not ours to signal, but there.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

interface Holder {
  readonly pid: number;
  readonly start: string;
}

async function holderOf(path: string): Promise<Holder | undefined> {
  try {
    const [pid = '', start = ''] = (await readFile(path, 'utf8')).trim().split(' ');
    return { pid: Number(pid), start };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function lives({ pid, start }: Holder): Promise<boolean> {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  if (!runs(pid)) return false;
  const now = await startOf(pid);
  // Without start times our own pid can only be left over: what we hold is in `held`.
  if (start === '' || now === '') return pid !== process.pid;
  return start === now;
}

/** Moves a dead holder's file away. If someone else took the lock over meanwhile, what was moved is theirs: it is put back. */
async function clear(path: string, dead: Holder): Promise<void> {
  const aside = `${path}.stale.${process.pid}.${attempts++}`;
  try {
    await rename(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  const moved = await holderOf(aside);
  if (moved && (moved.pid !== dead.pid || moved.start !== dead.start)) await link(aside, path).catch(() => undefined);
  await rm(aside, { force: true });
}

/** A lock file with the holder's pid and start time. Created whole, by a hard link, so nobody reads a half-written one. */
export async function lockFile(path: string): Promise<DiskLock> {
  const absolute = resolve(path);
  const own = `${absolute}.${process.pid}.${attempts++}`;
  await writeFile(own, `${process.pid} ${await startOf(process.pid)}\n`, { mode: 0o600 });
  try {
    for (;;) {
      if (held.has(absolute)) throw new DiskLockedError(path, process.pid);
      try {
        await link(own, absolute);
        break;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      const holder = await holderOf(absolute);
      if (!holder) continue;
      if (await lives(holder)) throw new DiskLockedError(path, holder.pid);
      await clear(absolute, holder);
    }
    held.add(absolute);
  } finally {
    await rm(own, { force: true });
  }
  return {
    release: async () => {
      if (held.delete(absolute)) await rm(absolute, { force: true });
    },
  };
}
