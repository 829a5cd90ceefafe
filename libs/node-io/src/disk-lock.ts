import { randomUUID } from 'node:crypto';
import { link, readFile, rm, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { type DiskLock, DiskLockedError } from '@orrery/runtime';

/** Locks held by this process, or about to be: a lock file with our pid that is not here is left from a process before us. */
const held = new Set<string>();

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
  /** The whole content, which no other holder ever has. */
  readonly text: string;
}

function code(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}

async function holderOf(path: string): Promise<Holder | undefined> {
  try {
    const text = await readFile(path, 'utf8');
    const [pid = '', start = ''] = text.split(' ');
    return { pid: Number(pid), start, text };
  } catch (error) {
    if (code(error) === 'ENOENT') return undefined;
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

/** Creates `path` with our content in one step, so that nobody reads a half-written one. False when it is there already. */
async function claim(path: string): Promise<boolean> {
  const own = `${path}.${randomUUID()}`;
  await writeFile(own, `${process.pid} ${await startOf(process.pid)} ${randomUUID()}\n`, { mode: 0o600 });
  try {
    await link(own, path);
    return true;
  } catch (error) {
    if (code(error) === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(own, { force: true });
  }
}

/**
 * Makes `path` ours; returns undefined, or the living holder. A dead holder's file is replaced under a guard, which is
 * itself such a file: only who has the guard may remove that very file, so nobody removes the lock of a quicker successor.
 */
async function acquire(path: string): Promise<Holder | undefined> {
  for (;;) {
    if (await claim(path)) return undefined;
    const holder = await holderOf(path);
    if (!holder) continue;
    if (await lives(holder)) return holder;
    const guard = `${path}.guard`;
    if (await acquire(guard)) {
      await setTimeout(2);
      continue;
    }
    try {
      if ((await holderOf(path))?.text === holder.text) await rm(path, { force: true });
    } finally {
      await rm(guard, { force: true });
    }
  }
}

/** A lock file with the holder's pid and start time. */
export async function lockFile(path: string): Promise<DiskLock> {
  const absolute = resolve(path);
  if (held.has(absolute)) throw new DiskLockedError(path, process.pid);
  held.add(absolute);
  try {
    const holder = await acquire(absolute);
    if (holder) throw new DiskLockedError(path, holder.pid);
  } catch (error) {
    held.delete(absolute);
    throw error;
  }
  return {
    release: async () => {
      if (held.delete(absolute)) await rm(absolute, { force: true });
    },
  };
}
