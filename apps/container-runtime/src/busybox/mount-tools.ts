import { FsError } from '../fs/fs-error.ts';
import { NodeTree } from '../fs/node-tree.ts';
import type { Tree } from '../fs/tree.ts';
import type { Proc } from '../process/proc.ts';
import { type Applet, UsageError, parseOptions } from './applet.ts';

const sysAdmin = 1n << 21n;
const mayMount = (proc: Proc): boolean => proc.cred.uid === 0 && (proc.host.capabilities & sysAdmin) !== 0n;

const units: Readonly<Record<string, number>> = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

/** Bytes of `10m`; of `50%` that part of the memory. */
function sizeOf(text: string, proc: Proc): number {
  const [, digits, unit = ''] = /^(\d+)([kmg%]?)$/i.exec(text) ?? [];
  if (digits === undefined) throw new FsError('EINVAL');
  return unit === '%' ? Math.floor((proc.host.memory().limitBytes * Number(digits)) / 100) : Number(digits) * (units[unit.toLowerCase()] ?? 1);
}

function tmpfs(proc: Proc, source: string, options: ReadonlyMap<string, string>): Tree {
  const mode = Number.parseInt(options.get('mode') ?? '1777', 8);
  const size = options.get('size');
  const root = { kind: 'directory' as const, entries: new Map(), mode, mtimeMs: proc.clock.now(), uid: Number(options.get('uid') ?? 0), gid: Number(options.get('gid') ?? 0) };
  return new NodeTree({ root, now: () => proc.clock.now(), source, type: 'tmpfs', sizeBytes: size === undefined ? Math.floor(proc.host.memory().limitBytes / 2) : sizeOf(size, proc) });
}

/** What a file system of a type is here. Throws FsError for a type that there is not. */
function fileSystem(proc: Proc, { type, source, options }: { type: string | undefined; source: string; options: ReadonlyMap<string, string> }): Tree {
  if (type === 'tmpfs' || type === 'ramfs') return tmpfs(proc, source, options);
  const kind = { proc: '/proc', sysfs: '/sys' }[type ?? ''];
  if (kind !== undefined) return proc.fs.mountOf(kind).tree;
  if (type === undefined || ['ext2', 'ext3', 'ext4', 'xfs'].includes(type)) {
    const stat = proc.fs.stat(proc.path(source));
    // No disk here has a file system of its own: nothing can be made to have one.
    throw new FsError(stat.kind === 'disk' ? 'EINVAL' : 'ENOTBLK');
  }
  throw new FsError('ENODEV');
}

/** Options of `-o`, later ones over earlier ones. */
function mountOptions(all: readonly (readonly [string, string])[]): Map<string, string> {
  const words = all.filter(([letter]) => letter === 'o').flatMap(([, text]) => text.split(',')).filter(Boolean);
  return new Map(words.map((word) => [word.split('=')[0] ?? '', word.slice(word.indexOf('=') + 1)]));
}

interface Wanted {
  readonly source: string;
  readonly target: string;
  readonly type: string | undefined;
  readonly options: ReadonlyMap<string, string>;
  readonly readOnly: boolean;
}

function carryOut(proc: Proc, { source, target, type, options, readOnly }: Wanted): void {
  const at = proc.path(target);
  if (options.has('remount')) proc.fs.remount(at, readOnly);
  else if (options.has('bind') || options.has('rbind')) proc.fs.bind(proc.path(source), at, { recursive: options.has('rbind'), readOnly });
  else proc.fs.mount(at, { tree: fileSystem(proc, { type, source, options }), readOnly });
}

/** Long options that say the same as one of `-o`. */
const spelled: Readonly<Record<string, string>> = { '--bind': 'bind', '-B': 'bind', '--rbind': 'rbind', '-R': 'rbind', '--read-only': 'ro' };

/** mount: without operands what is mounted; tmpfs, proc, sysfs and bind mounts for those who may. Mounts of volumes propagate as the volume does. */
export const mount: Applet = async (proc, args) => {
  const { flags, values, all, operands } = parseOptions(args.flatMap((arg) => (spelled[arg] ? ['-o', spelled[arg]] : [arg])), 't:o:rwanfv', { long: { types: 't:', options: 'o:' } });
  const type = values.get('t');
  if (operands.length === 0) {
    await proc.out(proc.fs.mounts.filter(({ tree }) => type === undefined || tree.type === type).map(({ at, tree, readOnly }) => `${tree.source} on ${at} type ${tree.type} (${readOnly ? 'ro' : 'rw'},relatime)\n`).join(''));
    return 0;
  }
  const options = mountOptions(all);
  const [source = '', target = options.has('remount') ? source : undefined] = operands;
  if (target === undefined) {
    await proc.err(`mount: can't find ${source} in /etc/fstab\n`);
    return 1;
  }
  if (!mayMount(proc)) {
    await proc.err('mount: permission denied (are you root?)\n');
    return 1;
  }
  try {
    carryOut(proc, { source, target, type, options, readOnly: flags.has('r') || options.has('ro') });
    return 0;
  } catch (error) {
    if (!(error instanceof FsError)) throw error;
    await proc.err(`mount: mounting ${source} on ${target} failed: ${error.message}\n`);
    // As busybox: the number of the error.
    return 255;
  }
};

/** Where what somebody names is mounted: a path, or the source of the latest mount of that name. */
function mountPoint(proc: Proc, operand: string): string {
  return proc.fs.mounts.findLast(({ tree }) => tree.source === operand)?.at ?? proc.path(operand);
}

/** umount */
export const umount: Applet = async (proc, args) => {
  const { flags, values, operands } = parseOptions(args, 'fldrnt:av');
  const of = flags.has('a') ? proc.fs.mounts.filter(({ at, tree }) => at !== '/' && (!values.has('t') || tree.type === values.get('t'))).map(({ at }) => at).reverse() : operands;
  if (of.length === 0) throw new UsageError('no mount point');
  let status = 0;
  for (const operand of of) {
    try {
      if (!mayMount(proc)) throw new FsError('EPERM');
      proc.fs.unmount(mountPoint(proc, operand));
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
      await proc.err(`umount: can't unmount ${operand}: ${error.message}\n`);
      status = 1;
    }
  }
  return status;
};

/** mountpoint: whether something is mounted at a directory. */
export const mountpoint: Applet = async (proc, args) => {
  const { flags, operands } = parseOptions(args, 'qdxn');
  const [operand] = operands;
  if (operand === undefined) throw new UsageError('missing operand');
  const at = proc.path(operand);
  const stat = proc.fs.tryStat(at);
  const say = (text: string): Promise<void> | undefined => (flags.has('q') ? undefined : proc.out(text));
  if (stat?.kind !== 'directory') {
    if (!flags.has('q')) await proc.err(`mountpoint: ${operand}: ${stat ? 'Not a directory' : 'No such file or directory'}\n`);
    return 1;
  }
  const is = proc.fs.mountOf(at).at === proc.fs.realpath(at);
  await say(`${operand} is ${is ? '' : 'not '}a mountpoint\n`);
  return is ? 0 : 1;
};
