import type { Vfs } from '../fs/vfs.ts';
import { resolvePath } from '../fs/vfs.ts';
import type { Program } from './proc.ts';

/** Executables of emulated images are small files that name their program, so they can be listed, copied and linked. */
const magic = '\x7fELF\x02\x01\x01\0orrery:';

export function executableFile(program: string): { content: string; mode: number } {
  return { content: `${magic}${program}\n`, mode: 0o755 };
}

export interface Executable {
  readonly program: Program;
  readonly argv: readonly string[];
  readonly path?: string;
  /** The owner of a program with the setuid bit: who it runs as. */
  readonly setuid?: number;
}

interface Context {
  readonly fs: Vfs;
  readonly env: ReadonlyMap<string, string>;
  readonly cwd: string;
  readonly programs: ReadonlyMap<string, Program>;
}

const defaultPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

function load(path: string, argv: readonly string[], context: Context): Executable | 'denied' | 'bad format' | 'not found' {
  const { fs, programs } = context;
  const stat = fs.tryStat(path);
  if (!stat) return 'not found';
  if (stat.kind !== 'file' || !fs.access(path, 'x')) return 'denied';
  const head = Buffer.from(fs.readFile(path).subarray(0, 256)).toString();
  if (head.startsWith(magic)) {
    const program = programs.get(head.slice(magic.length).split('\n')[0] ?? '');
    return program ? { program, argv, path, ...(stat.mode & 0o4000 ? { setuid: stat.uid } : {}) } : 'bad format';
  }
  if (head.startsWith('#!')) {
    const [interpreter = '', ...rest] = (head.slice(2).split('\n')[0] ?? '').trim().split(/\s+/);
    const options = rest.length ? [rest.join(' ')] : [];
    const found = load(resolvePath('/', interpreter), [interpreter, ...options, path, ...argv.slice(1)], context);
    return typeof found === 'string' ? found : { ...found, path };
  }
  return 'bad format';
}

/** As execvp: a path is taken as it is, a bare name is searched in PATH. Scripts run by their `#!` interpreter. */
export function findExecutable(argv: readonly string[], context: Context): Executable | 'denied' | 'bad format' | 'not found' {
  const name = argv[0] ?? '';
  if (name === '') return 'not found';
  if (name.includes('/')) return load(resolvePath(context.cwd, name), argv, context);
  let worst: 'denied' | 'bad format' | 'not found' = 'not found';
  for (const directory of (context.env.get('PATH') ?? defaultPath).split(':')) {
    const found = load(resolvePath(resolvePath(context.cwd, directory || '.'), name), argv, context);
    if (typeof found !== 'string') return found;
    if (found !== 'not found') worst = found;
  }
  return worst;
}
