import { FsError } from '../fs/fs-error.ts';
import { resolvePath } from '../fs/vfs.ts';
import { ExecError } from '../process/process-table.ts';
import type { Proc } from '../process/proc.ts';
import { type Applet, UsageError } from './applet.ts';

const notPermitted = 'Operation not permitted';

/** Runs a command to whom `directory` is the root. Programs are those of the container, wherever its files are. */
async function runBelow(proc: Proc, { directory, argv, name }: { directory: string; argv: readonly string[]; name: string }): Promise<number> {
  try {
    return await proc.until(proc.spawn({ argv, root: proc.fs.below(directory), cwd: '/' }).exited);
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
    return await runBelow(proc, { directory: resolvePath(proc.cwd, to), argv: argv.length ? argv : shell(proc), name: 'chroot' });
  } catch (error) {
    if (!(error instanceof FsError)) throw error;
    return fail(error.code === 'ENOTDIR' ? 'Not a directory' : 'No such file or directory');
  }
};

const namespaceFile = /^(.*)\/proc\/\d+\/ns\/mnt$/;
/** Options that take a word of their own. */
const withValue = new Set(['-t', '--target', '-S', '--setuid', '-G', '--setgid']);

/** Enters the mounts of the machine whose `/` is mounted here: `--mount=/rootfs/proc/1/ns/mnt`. The other namespaces are the pod's. */
export const nsenter: Applet = async (proc, args) => {
  let file: string | undefined;
  let asked = false;
  let i = 0;
  for (; i < args.length && args[i]?.startsWith('-'); i++) {
    const arg = args[i] as string;
    if (arg === '--') {
      i++;
      break;
    }
    if (withValue.has(arg)) i++;
    else if (arg.startsWith('--mount=') || /^-m./.test(arg)) file = arg.replace(/^--mount=|^-m/, '');
    else if (['-m', '--mount', '-a', '--all'].includes(arg)) asked = true;
  }
  const argv = args.slice(i);
  const directory = file === undefined ? undefined : namespaceFile.exec(file)?.[1];
  if (file !== undefined && directory === undefined) {
    await proc.err(`nsenter: cannot open ${file}: No such file or directory\n`);
    return 1;
  }
  // Without a mount of the machine's root there is no way to its files.
  if (!proc.host.privileged || proc.cred.uid !== 0 || (asked && !directory)) {
    await proc.err(`nsenter: reassociate to namespace 'ns/mnt' failed: ${notPermitted}\n`);
    return 1;
  }
  return runBelow(proc, { directory: directory || '/', argv: argv.length ? argv : shell(proc), name: 'nsenter' });
};
