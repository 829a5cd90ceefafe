import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';

/** A file system in memory of a few MiB, in a mount namespace of its own: processes that run inside see it, nobody else does. */
export interface SmallDisk {
  /** What a command line begins with to run inside. */
  readonly inside: readonly string[];
  resize(mebibytes: number): void;
  remove(): void;
}

/** Why this machine has no such thing; undefined: it has. */
export function whyNoSmallDisk(): string | undefined {
  const probe = spawnSync('unshare', ['-Urm', 'sh', '-c', 'mount -t tmpfs none /tmp'], { encoding: 'utf8' });
  return probe.status === 0 ? undefined : `no mount namespaces here: ${probe.error?.message ?? probe.stderr.trim()}`;
}

export async function smallDisk(path: string, mebibytes: number): Promise<SmallDisk> {
  // Holds the namespace until its standard input ends, which it does with this process at the latest.
  const script = `mount -t tmpfs -o size=${mebibytes}m none '${path}' && echo mounted && exec cat`;
  const holder: ChildProcess = spawn('unshare', ['-Urm', 'sh', '-c', script], { stdio: ['pipe', 'pipe', 'inherit'] });
  await Promise.race([once(holder.stdout as NodeJS.ReadableStream, 'data'), once(holder, 'exit').then(() => Promise.reject(new Error('no small disk')))]);
  const inside = ['nsenter', '--preserve-credentials', '-U', '-m', '-t', String(holder.pid)];
  return {
    inside,
    resize(to) {
      const [program = '', ...args] = [...inside, 'mount', '-o', `remount,size=${to}m`, path];
      const { status, stderr } = spawnSync(program, args, { encoding: 'utf8' });
      if (status !== 0) throw new Error(`cannot resize: ${stderr}`);
    },
    remove: () => void holder.kill('SIGKILL'),
  };
}
