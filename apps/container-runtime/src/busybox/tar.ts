import { FsError } from '../fs/fs-error.ts';
import { resolvePath } from '../fs/vfs.ts';
import { openPath } from '../process/files.ts';
import type { OpenFile } from '../process/open-file.ts';
import type { Proc } from '../process/proc.ts';
import { matchesPattern } from '../shell/pattern.ts';
import { type Applet, type Options, UsageError, parseOptions } from './applet.ts';
import { modeString } from './ls.ts';
import { type TarEntry, TarError, decodeEntries, encodeEntry, endOfArchive } from './tar-format.ts';

interface Archive {
  readonly proc: Proc;
  readonly options: Options;
  readonly file: OpenFile;
  readonly base: string;
  /** Where -v writes: stderr while the archive goes to stdout. */
  report(line: string): Promise<void>;
}

async function add(archive: Archive, path: string, name: string): Promise<void> {
  const { proc, options, file } = archive;
  const excluded = options.all.some(([option, pattern]) => option === 'X' && (matchesPattern(name, pattern) || matchesPattern(name.split('/').at(-1) ?? '', pattern)));
  if (excluded) return;
  const stat = options.flags.has('h') ? proc.fs.stat(path) : proc.fs.lstat(path);
  const directory = stat.kind === 'directory';
  if (stat.kind === 'device' || stat.kind === 'disk') return;
  const stored = name.replace(/^\/+/, '') || './';
  if (options.flags.has('v')) await archive.report(directory && !stored.endsWith('/') ? `${stored}/` : stored);
  const entry: TarEntry = {
    name: directory && !stored.endsWith('/') ? `${stored}/` : stored,
    kind: directory ? 'directory' : stat.kind === 'symlink' ? 'symlink' : 'file',
    mode: stat.mode,
    uid: stat.uid,
    gid: stat.gid,
    mtimeSeconds: stat.mtimeMs / 1000,
    link: stat.kind === 'symlink' ? proc.fs.readlink(path) : '',
    bytes: stat.kind === 'file' ? proc.fs.readFile(path) : new Uint8Array(0),
  };
  await file.write(encodeEntry(entry), proc.signal);
  if (directory) for (const child of proc.fs.list(path)) await add(archive, resolvePath(path, child), `${name.replace(/\/+$/, '')}/${child}`);
}

async function create(archive: Archive): Promise<number> {
  const { proc, options } = archive;
  const names = [...options.operands, ...(options.values.has('T') ? proc.fs.readText(proc.path(options.values.get('T') as string)).split('\n').filter(Boolean) : [])];
  if (!names.length) throw new UsageError('empty archive');
  let status = 0;
  if (names.some((name) => name.startsWith('/'))) await proc.err("tar: removing leading '/' from member names\n");
  for (const name of names) {
    try {
      await add(archive, resolvePath(archive.base, name), name);
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
      await proc.err(`tar: ${name}: ${error.message}\n`);
      status = 1;
    }
  }
  if (status) await proc.err('tar: error exit delayed from previous errors\n');
  await archive.file.write(endOfArchive, proc.signal);
  return status;
}

function place(archive: Archive, entry: TarEntry, path: string): void {
  const { proc, options } = archive;
  const { fs } = proc;
  const parent = path.slice(0, path.lastIndexOf('/')) || '/';
  fs.makeDirs(parent);
  const exists = fs.list(parent).includes(path.slice(path.lastIndexOf('/') + 1));
  if (entry.kind === 'directory') {
    if (!fs.isDirectory(path)) fs.mkdir(path, entry.mode & 0o7777);
    return;
  }
  if (exists && (options.flags.has('U') || fs.lstat(path).kind !== 'file')) fs.unlink(path);
  if (entry.kind === 'symlink') fs.symlink(entry.link, path);
  else if (entry.kind === 'link') fs.link(resolvePath(archive.base, entry.link), path);
  else {
    fs.writeFile(path, entry.bytes, entry.mode & 0o7777);
    if (!options.flags.has('m')) fs.setAttributes(path, { mtimeMs: entry.mtimeSeconds * 1000 });
    if (exists) fs.setAttributes(path, { mode: entry.mode & 0o7777 });
  }
}

async function* chunks(proc: Proc, file: OpenFile): AsyncGenerator<Uint8Array> {
  for (let chunk = await file.read(64 * 1024, proc.signal); chunk; chunk = await file.read(64 * 1024, proc.signal)) yield chunk;
}

async function read(archive: Archive, list: boolean): Promise<number> {
  const { proc, options, file } = archive;
  let status = 0;
  const strip = Number(options.values.get('P') ?? 0);
  for await (const entry of decodeEntries(chunks(proc, file))) {
    const name = entry.name.replace(/^\/+/, '');
    if (options.operands.length && !options.operands.some((wanted) => name === wanted || name.startsWith(`${wanted.replace(/\/$/, '')}/`) || matchesPattern(name, wanted))) continue;
    if (name.split('/').includes('..')) {
      await proc.err(`tar: name with '..' skipped: '${name}'\n`);
      status = 1;
      continue;
    }
    if (list) {
      const kind = entry.kind === 'link' ? 'file' : entry.kind;
      const when = new Date(entry.mtimeSeconds * 1000).toISOString();
      const details = options.flags.has('v') ? `${modeString({ kind, mode: entry.mode })} ${entry.uid}/${entry.gid} ${String(entry.bytes.length).padStart(9)} ${when.slice(0, 10)} ${when.slice(11, 19)} ` : '';
      await proc.out(`${details}${entry.name}${entry.kind === 'symlink' && details ? ` -> ${entry.link}` : ''}\n`);
      continue;
    }
    const target = name.split('/').slice(strip).join('/');
    if (target === '' || target === './' || target === '.') continue;
    if (options.flags.has('v')) await archive.report(entry.name);
    if (options.flags.has('O')) {
      await proc.out(entry.bytes);
      continue;
    }
    try {
      place(archive, entry, resolvePath(archive.base, target));
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
      await proc.err(`tar: can't open '${target}': ${error.message}\n`);
      status = 1;
    }
  }
  return status;
}

/** tar c|x|t: uncompressed archives; the first word may lack its dash. */
export const tar: Applet = async (proc, args) => {
  const words = args[0] && !args[0].startsWith('-') ? [`-${args[0]}`, ...args.slice(1)] : [...args];
  const options = parseOptions(words, 'cxtvmhOUopkzjaf:C:T:X:P:', { long: { exclude: 'X:', 'no-same-permissions': 'o', 'no-same-owner': 'o', 'no-recursion': 'o', overwrite: 'U', 'strip-components': 'P:', directory: 'C:', file: 'f:', create: 'c', extract: 'x', list: 't', verbose: 'v', touch: 'm', warning: 'W:' } });
  const { flags, values } = options;
  if (flags.has('z') || flags.has('j') || flags.has('a')) throw new UsageError('compressed archives are not supported');
  const mode = ['c', 'x', 't'].find((letter) => flags.has(letter));
  if (!mode) throw new UsageError('you must specify one of the options: c, x or t');
  const name = values.get('f') ?? '-';
  const base = proc.path(values.get('C') ?? '.');
  if (!proc.fs.isDirectory(base)) throw new UsageError(`can't change directory to '${values.get('C') ?? '.'}': No such file or directory`);
  const standard = proc.fds.get(mode === 'c' ? 1 : 0);
  const file = name === '-' ? standard?.retain() : openPath(proc, name, mode === 'c' ? { write: true, create: true, truncate: true } : { read: true });
  if (!file) return 1;
  const archive: Archive = { proc, options, file, base, report: (line) => (mode === 'c' && name === '-' ? proc.err(`${line}\n`) : proc.out(`${line}\n`)) };
  try {
    return mode === 'c' ? await create(archive) : await read(archive, mode === 't');
  } catch (error) {
    if (!(error instanceof TarError)) throw error;
    await proc.err(`tar: ${error.message}\n`);
    return 1;
  } finally {
    file.release();
  }
};
