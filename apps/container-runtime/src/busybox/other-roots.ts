import { FsError } from '../fs/fs-error.ts';
import { type Vfs, resolvePath } from '../fs/vfs.ts';
import { ExecError } from '../process/process-table.ts';
import type { Proc } from '../process/proc.ts';
import { type Applet, UsageError, parseInteger } from './applet.ts';

const notPermitted = 'Operation not permitted';

/** Runs a command to whom these are all files. Programs are those of the container, wherever its files are. */
async function runIn(proc: Proc, { root, argv, name }: { root: Vfs; argv: readonly string[]; name: string }): Promise<number> {
  try {
    return await proc.until(proc.spawn({ argv, root, cwd: '/' }).exited);
  } catch (error) {
    if (!(error instanceof ExecError)) throw error;
    await proc.err(`${name}: can't execute '${argv[0] ?? ''}': ${error.exitCode === 127 ? 'No such file or directory' : error.message}\n`);
    return error.exitCode;
  }
}

const shell = (proc: Proc): string[] => [proc.env.get('SHELL') ?? '/bin/sh', ...(proc.fds.get(0)?.isTty ? ['-i'] : [])];

export const chroot: Applet = async (proc, [to, ...argv]) => {
  if (to === undefined) throw new UsageError('missing operand');
  const fail = async (why: string): Promise<number> => {
    await proc.err(`chroot: can't change root directory to '${to}': ${why}\n`);
    return 1;
  };
  if (proc.cred.uid !== 0) return fail(notPermitted);
  try {
    return await runIn(proc, { root: proc.fs.below(resolvePath(proc.cwd, to)), argv: argv.length ? argv : shell(proc), name: 'chroot' });
  } catch (error) {
    if (!(error instanceof FsError)) throw error;
    return fail(error.code === 'ENOTDIR' ? 'Not a directory' : 'No such file or directory');
  }
};

/** Options of nsenter that name a file, those that take a word, and those that may. */
const withFile = /^(?:-([miupnUCT])|--(?:mount|ipc|uts|pid|net|user|cgroup|time)=)(.+)$/;
const withValue = new Set(['-t', '--target', '-S', '--setuid', '-G', '--setgid']);

interface Entry {
  /** Whose namespaces, by number. */
  readonly target: number | undefined;
  /** File that stands for the mounts; '': those of the target. */
  readonly mounts: string | undefined;
  readonly argv: readonly string[];
}

function readEntry(args: readonly string[]): Entry {
  let target: number | undefined;
  let mounts: string | undefined;
  let i = 0;
  for (; i < args.length && args[i]?.startsWith('-'); i++) {
    const arg = args[i] as string;
    if (arg === '--') {
      i++;
      break;
    }
    if (withValue.has(arg)) {
      const value = args[++i] ?? '';
      if (arg === '-t' || arg === '--target') target = parseInteger(value);
    } else if (/^-t\d+$|^--target=/.test(arg)) target = parseInteger(arg.replace(/^-t|^--target=/, ''));
    else if (['-m', '--mount', '-a', '--all'].includes(arg)) mounts ??= '';
    else {
      const [, letter, file] = withFile.exec(arg) ?? [];
      if (arg.startsWith('--mount=') || letter === 'm') mounts = file;
    }
  }
  return { target, mounts, argv: args.slice(i) };
}

const namespaceFile = /^(.*)\/proc\/(\d+)\/ns\/mnt$/;

/** The files of those whose mounts are entered; undefined where nobody is there. */
function filesOf(proc: Proc, { target, mounts }: Entry): Vfs | undefined {
  if (mounts === undefined) return proc.fs;
  const [, at, number] = mounts === '' ? ['', '', String(target ?? proc.pid)] : (namespaceFile.exec(resolvePath(proc.cwd, mounts)) ?? []);
  const [pid, directory] = [Number(number), `${at ?? ''}/proc`];
  // Numbers are those of the /proc that is asked.
  const seen = at !== undefined && proc.fs.isDirectory(directory) ? proc.fs.mountOf(directory).tree.processes?.() : undefined;
  if (!seen?.some((one) => one.pid === pid)) return undefined;
  const isOfNode = proc.host.hasNodePids || proc.fs.nodePath(directory) === '/proc';
  return isOfNode ? proc.host.machine.filesOf(pid) : proc.fs;
}

/** Enters the mounts of the node (`--mount=/rootfs/proc/1/ns/mnt`, or `-t 1 -m` with its process numbers) or of a process of the container. The other namespaces are the pod's. */
export const nsenter: Applet = async (proc, args) => {
  const entry = readEntry(args);
  const root = filesOf(proc, entry);
  if (!root) {
    await proc.err(`nsenter: cannot open ${entry.mounts || `/proc/${entry.target ?? ''}/ns/mnt`}: No such file or directory\n`);
    return 1;
  }
  if (!proc.host.privileged || proc.cred.uid !== 0) {
    await proc.err(`nsenter: reassociate to namespace 'ns/mnt' failed: ${notPermitted}\n`);
    return 1;
  }
  return runIn(proc, { root, argv: entry.argv.length ? entry.argv : shell(proc), name: 'nsenter' });
};
