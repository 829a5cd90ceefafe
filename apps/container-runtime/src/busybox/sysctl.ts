import { FsError } from '../fs/fs-error.ts';
import type { Proc } from '../process/proc.ts';
import { type Applet, parseOptions } from './applet.ts';

const base = '/proc/sys';

function* keys(proc: Proc, directory: string): Generator<string> {
  for (const name of proc.fs.list(directory)) {
    const path = `${directory}/${name}`;
    if (proc.fs.isDirectory(path)) yield* keys(proc, path);
    else yield path;
  }
}

/** Names have dots or slashes; the first separator decides which. */
function pathOf(name: string): string {
  const dots = !name.includes('/') || (name.includes('.') && name.indexOf('.') < name.indexOf('/'));
  return `${base}/${dots ? name.replace(/[./]/g, (c) => (c === '.' ? '/' : '.')) : name}`;
}

const nameOf = (path: string): string => path.slice(base.length + 1).replace(/[./]/g, (c) => (c === '/' ? '.' : '/'));

/** sysctl: shows, lists and sets what lies below /proc/sys. */
export const sysctl: Applet = async (proc, args) => {
  const { flags, operands } = parseOptions(args, 'aAneNqw');
  const show = (path: string): Promise<void> => {
    const value = proc.fs.readText(path).replace(/\n$/, '');
    return proc.out(flags.has('N') ? `${nameOf(path)}\n` : flags.has('n') ? `${value}\n` : `${nameOf(path)} = ${value}\n`);
  };
  if (flags.has('a') || flags.has('A')) for (const path of keys(proc, base)) await show(path);
  let status = 0;
  for (const operand of operands) {
    const [name = '', value] = operand.split(/=(.*)/s);
    const path = pathOf(name.trim());
    try {
      if (value !== undefined) proc.fs.writeFile(path, `${value.trim()}\n`);
      for (const one of proc.fs.isDirectory(path) ? keys(proc, path) : [path]) await show(one);
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
      if (flags.has('e') && error.code === 'ENOENT') continue;
      await proc.err(`sysctl: error ${value === undefined ? 'reading' : 'setting'} key '${name.trim()}': ${error.message}\n`);
      status = 1;
    }
  }
  return status;
};
