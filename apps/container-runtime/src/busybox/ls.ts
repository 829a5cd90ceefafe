import { FsError } from '../fs/fs-error.ts';
import type { Stat } from '../fs/tree.ts';
import type { Proc } from '../process/proc.ts';
import { type Applet, type Options, parseOptions } from './applet.ts';

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `-rwxr-xr-x`, `drwxrwxrwt`. */
export function modeString({ kind, mode }: Pick<Stat, 'kind' | 'mode'>): string {
  const type = { file: '-', directory: 'd', symlink: 'l', device: 'c', disk: 'b' }[kind];
  const triple = (shift: number, special: boolean, letter: string): string => {
    const bits = mode >> shift;
    const x = special ? (bits & 1 ? letter : letter.toUpperCase()) : bits & 1 ? 'x' : '-';
    return `${bits & 4 ? 'r' : '-'}${bits & 2 ? 'w' : '-'}${x}`;
  };
  return type + triple(6, (mode & 0o4000) !== 0, 's') + triple(3, (mode & 0o2000) !== 0, 's') + triple(0, (mode & 0o1000) !== 0, 't');
}

export function userName(proc: Proc, id: number, file: '/etc/passwd' | '/etc/group'): string {
  if (!proc.fs.exists(file)) return String(id);
  const line = proc.fs.readText(file).split('\n').find((l) => l.split(':')[2] === String(id));
  return line?.split(':')[0] ?? String(id);
}

function listDate(ms: number, nowMs: number): string {
  const date = new Date(ms);
  const day = `${months[date.getUTCMonth()]} ${String(date.getUTCDate()).padStart(2)}`;
  const recent = Math.abs(nowMs - ms) < 182 * 86_400_000;
  return recent ? `${day} ${String(date.getUTCHours()).padStart(2, '0')}:${String(date.getUTCMinutes()).padStart(2, '0')}` : `${day}  ${date.getUTCFullYear()}`;
}

export function humanSize(bytes: number): string {
  if (bytes < 1024) return String(bytes);
  let [value, unit] = [bytes, -1];
  while (value >= 1024 && unit < 4) {
    value /= 1024;
    unit++;
  }
  return `${value.toFixed(1)}${'KMGTP'[unit]}`;
}

interface Entry {
  readonly name: string;
  readonly path: string;
  readonly stat: Stat;
}

function sorted(entries: Entry[], { flags }: Options): Entry[] {
  const list = flags.has('f') ? entries : [...entries].sort((a, b) => (a.name < b.name ? -1 : 1));
  if (flags.has('S')) list.sort((a, b) => b.stat.size - a.stat.size);
  if (flags.has('t')) list.sort((a, b) => b.stat.mtimeMs - a.stat.mtimeMs);
  return flags.has('r') ? list.reverse() : list;
}

function suffix({ stat }: Entry, flags: ReadonlySet<string>): string {
  if (!flags.has('F') && !flags.has('p')) return '';
  if (stat.kind === 'directory') return '/';
  if (!flags.has('F')) return '';
  return stat.kind === 'symlink' ? '@' : stat.kind === 'file' && stat.mode & 0o111 ? '*' : '';
}

function format(proc: Proc, entries: readonly Entry[], { flags }: Options): string {
  if (!flags.has('l') && !flags.has('n')) {
    const ino = (e: Entry): string => (flags.has('i') ? `${String(e.stat.ino).padStart(7)} ` : '');
    return entries.map((e) => `${ino(e)}${e.name}${suffix(e, flags)}\n`).join('');
  }
  const rows = entries.map((e) => {
    const { stat } = e;
    const numeric = flags.has('n');
    const user = numeric ? String(stat.uid) : userName(proc, stat.uid, '/etc/passwd');
    const group = numeric ? String(stat.gid) : userName(proc, stat.gid, '/etc/group');
    const size = flags.has('h') ? humanSize(stat.size) : String(stat.size);
    const link = stat.kind === 'symlink' ? ` -> ${proc.fs.readlink(e.path)}` : suffix(e, flags);
    const ino = flags.has('i') ? `${String(stat.ino).padStart(7)} ` : '';
    return `${ino}${modeString(stat)} ${String(stat.nlink).padStart(4)} ${user.padEnd(8)} ${group.padEnd(8)} ${size.padStart(9)} ${listDate(stat.mtimeMs, proc.clock.now())} ${e.name}${link}\n`;
  });
  return rows.join('');
}

function entriesOf(proc: Proc, directory: string, flags: ReadonlySet<string>): Entry[] {
  const names = proc.fs.list(directory).filter((name) => flags.has('a') || flags.has('A') || !name.startsWith('.'));
  const dots = flags.has('a') ? ['.', '..'] : [];
  return [...dots, ...names].map((name) => {
    const path = directory === '/' ? `/${name}` : `${directory}/${name}`;
    return { name, path, stat: name.startsWith('.') && dots.includes(name) ? proc.fs.stat(path) : proc.fs.lstat(path) };
  });
}

async function listDirectory(proc: Proc, target: { label: string; path: string }, options: Options & { heading: boolean }): Promise<void> {
  const { flags } = options;
  const entries = sorted(entriesOf(proc, target.path, flags), options);
  const heading = options.heading ? `${target.label}:\n` : '';
  const total = flags.has('l') || flags.has('n') ? `total ${entries.reduce((sum, e) => sum + 4 * Math.ceil(e.stat.size / 4096), 0)}\n` : '';
  await proc.out(heading + total + format(proc, entries, options));
  if (!flags.has('R')) return;
  for (const entry of entries) {
    if (entry.stat.kind !== 'directory' || entry.name === '.' || entry.name === '..') continue;
    await proc.out('\n');
    await listDirectory(proc, { label: `${target.label}/${entry.name}`, path: entry.path }, { ...options, heading: true });
  }
}

export const ls: Applet = async (proc, args) => {
  const options = parseOptions(args, '1AaCdFfhiklLnprRsStuxX', { long: { color: 'C', 'color:': 'C', 'full-time': 'l', 'group-directories-first': 'x' } });
  const { flags, operands } = options;
  let status = 0;
  const files: Entry[] = [];
  const directories: { label: string; path: string }[] = [];
  for (const operand of operands.length ? operands : ['.']) {
    const path = proc.path(operand);
    try {
      const link = proc.fs.lstat(path);
      const followed = link.kind === 'symlink' && !flags.has('l') && !flags.has('d') ? (proc.fs.tryStat(path) ?? link) : link;
      if (followed.kind === 'directory' && !flags.has('d')) directories.push({ label: operand, path });
      else files.push({ name: operand, path, stat: flags.has('L') ? followed : link });
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
      await proc.err(`ls: ${operand}: ${error.message}\n`);
      status = 1;
    }
  }
  await proc.out(format(proc, sorted(files, options), options));
  for (const [i, directory] of directories.entries()) {
    if (i > 0 || files.length) await proc.out('\n');
    try {
      await listDirectory(proc, directory, { ...options, heading: operands.length > 1 || flags.has('R') });
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
      await proc.err(`ls: can't open '${directory.label}': ${error.message}\n`);
      status = 1;
    }
  }
  return status;
};
