import { FsError } from '../fs/fs-error.ts';
import type { Proc } from '../process/proc.ts';
import { type Applet, UsageError, eachPath, parseOptions } from './applet.ts';
import { humanSize, ls, modeString, userName } from './ls.ts';
import { mount, mountpoint, umount } from './mount-tools.ts';

function basename(path: string): string {
  const trimmed = path.replace(/\/+$/, '');
  return trimmed === '' && path !== '' ? '/' : trimmed.slice(trimmed.lastIndexOf('/') + 1);
}

function dirname(path: string): string {
  const trimmed = path.replace(/\/+$/, '');
  const slash = trimmed.lastIndexOf('/');
  if (slash < 0) return trimmed === '' && path !== '' ? '/' : '.';
  return trimmed.slice(0, slash).replace(/\/+$/, '') || '/';
}

/** Where `cp`/`mv` put each source: into the directory, or at the one target. */
function destinations(proc: Proc, operands: readonly string[]): { from: string; to: string; label: string }[] {
  if (operands.length < 2) throw new UsageError(operands.length ? `missing destination file operand after '${operands[0]}'` : 'missing file operand');
  const target = operands.at(-1) as string;
  const into = proc.fs.isDirectory(proc.path(target));
  if (operands.length > 2 && !into) throw new UsageError(`target '${target}': Not a directory`);
  return operands.slice(0, -1).map((from) => ({ from: proc.path(from), to: proc.path(into ? `${target}/${basename(proc.path(from))}` : target), label: from }));
}

const cp: Applet = async (proc, args) => {
  const { flags, operands } = parseOptions(args, 'aRrfpPdLvinu', { long: { recursive: 'r', force: 'f', verbose: 'v', archive: 'a' } });
  const recursive = flags.has('r') || flags.has('R') || flags.has('a');
  let status = 0;
  for (const { from, to, label } of destinations(proc, operands)) {
    try {
      const stat = flags.has('d') || flags.has('P') || flags.has('a') ? proc.fs.lstat(from) : proc.fs.stat(from);
      if (stat.kind === 'directory' && !recursive) {
        await proc.err(`cp: omitting directory '${label}'\n`);
        status = 1;
        continue;
      }
      if (from === to) {
        await proc.err(`cp: '${label}' and '${operands.at(-1) ?? ''}' are the same file\n`);
        status = 1;
        continue;
      }
      if (flags.has('n') && proc.fs.exists(to)) continue;
      if (stat.kind === 'directory' || stat.kind === 'symlink') proc.fs.copyAll(from, to);
      else {
        proc.fs.writeFile(to, proc.fs.readFile(from), stat.mode);
        if (flags.has('p') || flags.has('a')) proc.fs.setAttributes(to, { mode: stat.mode, mtimeMs: stat.mtimeMs });
      }
      if (flags.has('v')) await proc.out(`'${label}' -> '${to}'\n`);
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
      await proc.err(error.path === from ? `cp: can't stat '${label}': ${error.message}\n` : `cp: can't create '${to}': ${error.message}\n`);
      status = 1;
    }
  }
  return status;
};

const mv: Applet = async (proc, args) => {
  const { flags, operands } = parseOptions(args, 'finvTt');
  let status = 0;
  for (const { from, to, label } of destinations(proc, operands)) {
    try {
      if (flags.has('n') && proc.fs.exists(to)) continue;
      proc.fs.rename(from, to);
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
      await proc.err(`mv: can't rename '${label}': ${error.message}\n`);
      status = 1;
    }
  }
  return status;
};

const rm: Applet = async (proc, args) => {
  const { flags, operands } = parseOptions(args, 'firRv', { long: { recursive: 'r', force: 'f' } });
  if (!operands.length && !flags.has('f')) throw new UsageError('missing operand');
  let status = 0;
  for (const operand of operands) {
    const path = proc.path(operand);
    try {
      if (path === '/' || /(?:^|\/)\.\.?\/?$/.test(operand)) throw new FsError('EBUSY', path);
      if (proc.fs.lstat(path).kind !== 'directory') proc.fs.unlink(path);
      else if (flags.has('r') || flags.has('R')) proc.fs.removeAll(path);
      else {
        await proc.err(`rm: '${operand}' is a directory\n`);
        status = 1;
      }
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
      if (flags.has('f') && error.code === 'ENOENT') continue;
      await proc.err(`rm: can't remove '${operand}': ${error.message}\n`);
      status = 1;
    }
  }
  return status;
};

const mkdir: Applet = (proc, args) => {
  const { flags, values, operands } = parseOptions(args, 'pm:v', { long: { parents: 'p', mode: 'm:' } });
  if (!operands.length) throw new UsageError('missing operand');
  const mode = values.has('m') ? newMode(values.get('m') as string, { old: 0o777, directory: true }) : 0o777 & ~proc.umask;
  return eachPath(proc, operands, {
    complaint: "mkdir: can't create directory",
    run: (path) => (flags.has('p') ? proc.fs.makeDirs(path, mode) : proc.fs.mkdir(path, mode)),
  });
};

/** Applies `755`, `u+x`, `go-w`, `a=r` to a mode. */
export function newMode(text: string, { old, directory }: { old: number; directory: boolean }): number {
  if (/^[0-7]+$/.test(text)) return Number.parseInt(text, 8) & 0o7777;
  let mode = old;
  for (const clause of text.split(',')) {
    const [, who = '', operator, permissions = ''] = /^([ugoa]*)([-+=])([rwxXst]*)$/.exec(clause) ?? [];
    if (!operator) throw new UsageError(`invalid mode '${text}'`);
    const people = who === '' || who.includes('a') ? 'ugo' : who;
    for (const person of people) {
      const shift = { u: 6, g: 3, o: 0 }[person] ?? 0;
      let bits = 0;
      if (permissions.includes('r')) bits |= 4;
      if (permissions.includes('w')) bits |= 2;
      if (permissions.includes('x') || (permissions.includes('X') && (directory || old & 0o111))) bits |= 1;
      const special = permissions.includes('s') ? (person === 'u' ? 0o4000 : person === 'g' ? 0o2000 : 0) : 0;
      const sticky = permissions.includes('t') ? 0o1000 : 0;
      const mask = (bits << shift) | special | sticky;
      if (operator === '+') mode |= mask;
      else if (operator === '-') mode &= ~mask;
      else mode = (mode & ~(7 << shift)) | mask;
    }
  }
  return mode;
}

async function recursively(proc: Proc, path: string, run: (path: string) => void): Promise<void> {
  run(path);
  if (proc.fs.lstat(path).kind === 'directory') for (const name of proc.fs.list(path)) await recursively(proc, `${path === '/' ? '' : path}/${name}`, run);
}

const chmod: Applet = (proc, args) => {
  const { flags, operands } = parseOptions(args.map((a) => (/^-[rwx]+$/.test(a) && a !== '-r' ? `a${a}` : a)), 'Rvcf');
  const [mode = '', ...paths] = operands;
  if (!paths.length) throw new UsageError('missing operand');
  const run = (path: string): void => {
    const stat = proc.fs.stat(path);
    proc.fs.setAttributes(path, { mode: newMode(mode, { old: stat.mode, directory: stat.kind === 'directory' }) });
  };
  return eachPath(proc, paths, { complaint: 'chmod:', run: (path) => (flags.has('R') ? recursively(proc, path, run) : run(path)) });
};

function idOf(proc: Proc, text: string, file: '/etc/passwd' | '/etc/group'): number {
  if (/^\d+$/.test(text)) return Number(text);
  const line = proc.fs.exists(file) ? proc.fs.readText(file).split('\n').find((l) => l.startsWith(`${text}:`)) : undefined;
  if (!line) throw new UsageError(`unknown ${file === '/etc/passwd' ? 'user' : 'group'} ${text}`);
  return Number(line.split(':')[2]);
}

const chown: Applet = (proc, args, name) => {
  const { flags, operands } = parseOptions(args, 'RhvfL');
  const [owner = '', ...paths] = operands;
  if (!paths.length) throw new UsageError('missing operand');
  const [user = '', group] = name === 'chgrp' ? ['', owner] : owner.split(/[:.]/);
  const change = { ...(user ? { uid: idOf(proc, user, '/etc/passwd') } : {}), ...(group ? { gid: idOf(proc, group, '/etc/group') } : {}) };
  const run = (path: string): void => proc.fs.setAttributes(path, change);
  return eachPath(proc, paths, { complaint: `${name}:`, run: (path) => (flags.has('R') ? recursively(proc, path, run) : run(path)) });
};

const touch: Applet = (proc, args) => {
  const { flags, values, operands } = parseOptions(args, 'cahmr:d:t:');
  const when = values.has('r') ? proc.fs.stat(proc.path(values.get('r') as string)).mtimeMs : values.has('d') ? Date.parse(`${values.get('d')?.replace(' ', 'T')}Z`) : proc.clock.now();
  if (!operands.length) throw new UsageError('missing file operand');
  return eachPath(proc, operands, {
    complaint: 'touch:',
    run(path) {
      if (!proc.fs.exists(path)) {
        if (flags.has('c')) return;
        proc.fs.writeFile(path, '', 0o666 & ~proc.umask);
      }
      proc.fs.setAttributes(path, { mtimeMs: when });
    },
  });
};

const ln: Applet = async (proc, args) => {
  const { flags, operands } = parseOptions(args, 'sfnvT');
  const [target, given = '.'] = operands;
  if (target === undefined) throw new UsageError('missing file operand');
  const into = !flags.has('n') && !flags.has('T') && proc.fs.isDirectory(proc.path(given));
  const at = proc.path(into ? `${given}/${basename(target)}` : given);
  try {
    if (flags.has('f') && proc.fs.exists(proc.path(dirname(at))) && proc.fs.list(dirname(at)).includes(basename(at))) proc.fs.unlink(at);
    if (flags.has('s')) proc.fs.symlink(target, at);
    else proc.fs.link(proc.path(target), at);
    return 0;
  } catch (error) {
    if (!(error instanceof FsError)) throw error;
    await proc.err(`ln: ${given}: ${error.message}\n`);
    return 1;
  }
};

const readlink: Applet = async (proc, args, name) => {
  const { flags, operands } = parseOptions(args, 'fenqsv');
  let status = 0;
  for (const operand of operands) {
    const path = proc.path(operand);
    try {
      const out = flags.has('f') || flags.has('e') || name === 'realpath' ? (proc.fs.exists(path) ? proc.fs.realpath(path) : canonicalParent(proc, path)) : proc.fs.readlink(path);
      await proc.out(flags.has('n') ? out : `${out}\n`);
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
      if (name === 'realpath') await proc.err(`realpath: ${operand}: ${error.message}\n`);
      status = 1;
    }
  }
  return status;
};

function canonicalParent(proc: Proc, path: string): string {
  return `${proc.fs.realpath(dirname(path)).replace(/^\/$/, '')}/${basename(path)}`;
}

const stat: Applet = (proc, args) => {
  const { flags, values, operands } = parseOptions(args, 'Lfc:t', { long: { format: 'c:' } });
  return eachPath(proc, operands, {
    complaint: "stat: can't stat",
    async run(path, operand) {
      const s = flags.has('L') ? proc.fs.stat(path) : proc.fs.lstat(path);
      const time = new Date(s.mtimeMs).toISOString();
      const stamp = `${time.slice(0, 10)} ${time.slice(11, 23)}000000 +0000`;
      const [user, group] = [userName(proc, s.uid, '/etc/passwd'), userName(proc, s.gid, '/etc/group')];
      const type = { file: s.size ? 'regular file' : 'regular empty file', directory: 'directory', symlink: 'symbolic link', device: 'character special file', disk: 'block special file' }[s.kind];
      const codes: Readonly<Record<string, string | number>> = { n: operand, N: `'${operand}'`, s: s.size, a: s.mode.toString(8), A: modeString(s), u: s.uid, U: user, g: s.gid, G: group, F: type, i: s.ino, h: s.nlink, Y: Math.floor(s.mtimeMs / 1000), X: Math.floor(s.mtimeMs / 1000), Z: Math.floor(s.mtimeMs / 1000), y: stamp, x: stamp, z: stamp, b: Math.ceil(s.size / 512), B: 512, '%': '%' };
      const format = values.get('c');
      if (format !== undefined) await proc.out(`${format.replace(/%([a-zA-Z%])/g, (all, c: string) => String(codes[c] ?? all))}\n`);
      else {
        await proc.out(`  File: ${operand}\n  Size: ${String(s.size).padEnd(10)}\tBlocks: ${String(Math.ceil(s.size / 512)).padEnd(10)} IO Block: 4096   ${type}\nDevice: 0,64\tInode: ${String(s.ino).padEnd(10)}  Links: ${s.nlink}\nAccess: (${s.mode.toString(8).padStart(4, '0')}/${modeString(s)})  Uid: (${String(s.uid).padStart(5)}/${user.padStart(8)})   Gid: (${String(s.gid).padStart(5)}/${group.padStart(8)})\nAccess: ${stamp}\nModify: ${stamp}\nChange: ${stamp}\n`);
      }
    },
  });
};

const mktemp: Applet = async (proc, args) => {
  const { flags, values, operands } = parseOptions(args, 'dqtup:');
  const template = operands[0] ?? 'tmp.XXXXXX';
  const directory = values.get('p') ?? (template.includes('/') && !flags.has('t') ? '' : (proc.env.get('TMPDIR') ?? '/tmp'));
  const name = template.replace(/X{6,}$/, (xs) => proc.random.name(xs.length));
  const path = directory ? `${directory}/${name}` : name;
  if (flags.has('d')) proc.fs.mkdir(proc.path(path), 0o700);
  else proc.fs.writeFile(proc.path(path), '', 0o600);
  await proc.out(`${path}\n`);
  return 0;
};

const diskBytes = 100 * 1024 ** 3;
const diskUsedBytes = 12 * 1024 ** 3;
/** What an empty directory counts. */
const emptyBytes = 4096;

function usedBytes(proc: Proc, path: string, seen = new Set<number>()): number {
  const s = proc.fs.lstat(path);
  if (seen.has(s.ino)) return 0;
  if (s.kind !== 'directory') return s.size;
  let sum = 4096;
  for (const name of proc.fs.list(path)) sum += usedBytes(proc, `${path === '/' ? '' : path}/${name}`, seen);
  return sum;
}

const df: Applet = async (proc, args) => {
  const { flags, operands } = parseOptions(args, 'hkmPiTa');
  const shown = proc.fs.mounts.filter(({ at, tree }) => tree.type !== 'proc' && tree.type !== 'sysfs' && !at.startsWith('/etc/'));
  const wanted = operands.map((operand) => proc.fs.realpath(proc.path(operand)));
  const rows = wanted.length ? wanted.map((path) => proc.fs.mountOf(path)) : shown;
  const size = (bytes: number): string => (flags.has('h') ? humanSize(bytes) : String(Math.floor(bytes / (flags.has('m') ? 1024 ** 2 : 1024))));
  const head = flags.has('h') ? 'Filesystem                Size      Used Available Use% Mounted on\n' : 'Filesystem           1K-blocks      Used Available Use% Mounted on\n';
  const row = (m: (typeof shown)[number]): string => {
    const total = m.tree.sizeBytes ?? diskBytes;
    // What has a size of its own is measured; the machine's disk is not.
    const used = m.tree.type === 'tmpfs' || m.tree.sizeBytes !== undefined ? usedBytes(proc, m.at) - emptyBytes : diskUsedBytes;
    return `${m.tree.source.padEnd(20)} ${size(total).padStart(9)} ${size(used).padStart(9)} ${size(Math.max(0, total - used)).padStart(9)} ${String(Math.ceil((100 * used) / total)).padStart(3)}% ${m.at}\n`;
  };
  await proc.out(head + rows.map(row).join(''));
  return 0;
};

const du: Applet = (proc, args) => {
  const { flags, operands } = parseOptions(args, 'shkma');
  const size = (bytes: number): string => (flags.has('h') ? humanSize(bytes) : String(Math.ceil(bytes / 1024)));
  return eachPath(proc, operands.length ? operands : ['.'], {
    complaint: 'du:',
    async run(path, operand) {
      const walk = async (at: string, label: string): Promise<void> => {
        if (!flags.has('s')) for (const name of proc.fs.list(at)) if (proc.fs.lstat(`${at === '/' ? '' : at}/${name}`).kind === 'directory') await walk(`${at === '/' ? '' : at}/${name}`, `${label}/${name}`);
        await proc.out(`${size(usedBytes(proc, at))}\t${label}\n`);
      };
      if (proc.fs.isDirectory(path)) await walk(path, operand);
      else await proc.out(`${size(usedBytes(proc, path))}\t${operand}\n`);
    },
  });
};

export const fileTools: Readonly<Record<string, Applet>> = {
  ls, cp, mv, rm, mkdir, chmod, chown, touch, ln, readlink, stat, mktemp, mount, umount, mountpoint, df, du,
  chgrp: chown,
  realpath: readlink,
  rmdir: (proc, args) => {
    const { operands } = parseOptions(args, 'p');
    return eachPath(proc, operands, { complaint: 'rmdir:', run: (path) => proc.fs.rmdir(path) });
  },
  basename: async (proc, [path = '', suffix = '']) => {
    const name = basename(path);
    await proc.out(`${suffix && name !== suffix && name.endsWith(suffix) ? name.slice(0, -suffix.length) : name}\n`);
    return 0;
  },
  dirname: async (proc, paths) => {
    await proc.out(paths.map((path) => `${dirname(path)}\n`).join(''));
    return 0;
  },
  pwd: async (proc) => {
    await proc.out(`${proc.cwd}\n`);
    return 0;
  },
  sync: () => Promise.resolve(0),
  which: async (proc, args) => {
    let status = 0;
    for (const name of args.filter((arg) => arg !== '-a')) {
      const found = proc.which(name);
      if (found && found !== 'denied') await proc.out(`${found}\n`);
      else status = 1;
    }
    return status;
  },
};
