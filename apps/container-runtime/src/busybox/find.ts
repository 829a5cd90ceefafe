import { FsError } from '../fs/fs-error.ts';
import type { Proc } from '../process/proc.ts';
import { ExecError } from '../process/process-table.ts';
import { matchesPattern } from '../shell/pattern.ts';
import { type Applet, UsageError } from './applet.ts';

interface Visit {
  readonly path: string;
  readonly absolute: string;
  readonly depth: number;
}

type Predicate = (visit: Visit) => Promise<boolean> | boolean;

interface Plan {
  readonly test: Predicate;
  readonly minDepth: number;
  readonly maxDepth: number;
  readonly depthFirst: boolean;
  pruned: boolean;
}

function compare(text: string, value: number): boolean {
  const n = Number(text.replace(/^[-+]/, ''));
  if (text.startsWith('+')) return value > n;
  return text.startsWith('-') ? value < n : value === n;
}

class Compiler {
  private readonly proc: Proc;
  private readonly words: readonly string[];
  private at = 0;
  private acts = false;
  private pendingRuns: { argv: string[]; paths: string[] }[] = [];
  readonly plan = { minDepth: 0, maxDepth: Number.POSITIVE_INFINITY, depthFirst: false, pruned: false };

  constructor(proc: Proc, words: readonly string[]) {
    this.proc = proc;
    this.words = words;
  }

  compile(): Predicate {
    const test = this.words.length ? this.or() : () => true;
    if (this.at < this.words.length) throw new UsageError(`unrecognized: ${this.words[this.at]}`);
    if (this.acts) return test;
    return async (visit) => {
      if (await test(visit)) await this.proc.out(`${visit.path}\n`);
      return true;
    };
  }

  async finish(): Promise<void> {
    for (const { argv, paths } of this.pendingRuns) if (paths.length) await this.run([...argv, ...paths]);
  }

  private next(): string {
    const word = this.words[this.at++];
    if (word === undefined) throw new UsageError(`${this.words.at(-1) ?? ''} requires an argument`);
    return word;
  }

  private or(): Predicate {
    let left = this.and();
    while (this.words[this.at] === '-o' || this.words[this.at] === '-or') {
      this.at++;
      const [a, b] = [left, this.and()];
      left = async (visit) => (await a(visit)) || (await b(visit));
    }
    return left;
  }

  private and(): Predicate {
    let left = this.primary();
    for (;;) {
      const word = this.words[this.at];
      if (word === undefined || word === '-o' || word === '-or' || word === ')') return left;
      if (word === '-a' || word === '-and') this.at++;
      const [a, b] = [left, this.primary()];
      left = async (visit) => (await a(visit)) && (await b(visit));
    }
  }

  private primary(): Predicate {
    const { proc } = this;
    const word = this.next();
    switch (word) {
      case '!':
      case '-not': {
        const inner = this.primary();
        return async (visit) => !(await inner(visit));
      }
      case '(': {
        const inner = this.or();
        if (this.next() !== ')') throw new UsageError('unmatched (');
        return inner;
      }
      case '-name':
      case '-iname': {
        const pattern = this.next();
        const fold = (text: string): string => (word === '-iname' ? text.toLowerCase() : text);
        return ({ path }) => matchesPattern(fold(path.replace(/\/+$/, '').split('/').at(-1) ?? path), fold(pattern));
      }
      case '-path': {
        const pattern = this.next();
        return ({ path }) => matchesPattern(path, pattern);
      }
      case '-type': {
        const kind = ({ f: 'file', d: 'directory', l: 'symlink', c: 'device', b: 'disk' } as Record<string, string>)[this.next()];
        return ({ absolute }) => proc.fs.lstat(absolute).kind === kind;
      }
      case '-size': {
        const [, sign = '', n = '0', unit = 'b'] = /^([-+]?)(\d+)([bckM]?)$/.exec(this.next()) ?? [];
        const scale = { b: 512, c: 1, k: 1024, M: 1024 ** 2 }[unit || 'b'] ?? 512;
        return ({ absolute }) => compare(sign + n, Math.ceil(proc.fs.lstat(absolute).size / scale));
      }
      case '-mtime':
      case '-mmin': {
        const [text, unit] = [this.next(), word === '-mtime' ? 86_400_000 : 60_000];
        return ({ absolute }) => compare(text, Math.floor((proc.clock.now() - proc.fs.lstat(absolute).mtimeMs) / unit));
      }
      case '-newer': {
        const than = proc.fs.stat(proc.path(this.next())).mtimeMs;
        return ({ absolute }) => proc.fs.lstat(absolute).mtimeMs > than;
      }
      case '-perm': {
        const text = this.next();
        const wanted = Number.parseInt(text.replace(/^[-/+]/, ''), 8);
        return ({ absolute }) => {
          const mode = proc.fs.lstat(absolute).mode & 0o7777;
          return text.startsWith('-') ? (mode & wanted) === wanted : /^[/+]/.test(text) ? (mode & wanted) !== 0 : mode === wanted;
        };
      }
      case '-empty':
        return ({ absolute }) => {
          const stat = proc.fs.lstat(absolute);
          return stat.kind === 'directory' ? proc.fs.list(absolute).length === 0 : stat.kind === 'file' && stat.size === 0;
        };
      default:
        return this.action(word);
    }
  }

  private action(word: string): Predicate {
    const { proc } = this;
    switch (word) {
      case '-maxdepth':
        this.plan.maxDepth = Number(this.next());
        return () => true;
      case '-mindepth':
        this.plan.minDepth = Number(this.next());
        return () => true;
      case '-depth':
      case '-xdev':
      case '-follow':
        this.plan.depthFirst ||= word === '-depth';
        return () => true;
      case '-prune':
        return () => {
          this.plan.pruned = true;
          return true;
        };
      case '-print':
      case '-print0':
        this.acts = true;
        return async ({ path }) => {
          await proc.out(path + (word === '-print' ? '\n' : '\0'));
          return true;
        };
      case '-delete':
        this.acts = true;
        this.plan.depthFirst = true;
        return ({ absolute }) => {
          if (proc.fs.lstat(absolute).kind === 'directory') proc.fs.rmdir(absolute);
          else proc.fs.unlink(absolute);
          return true;
        };
      case '-quit':
        this.acts = true;
        return () => proc.exit(0);
      case '-exec':
        return this.exec();
      default:
        throw new UsageError(`unrecognized: ${word}`);
    }
  }

  private exec(): Predicate {
    this.acts = true;
    const argv: string[] = [];
    for (let word = this.next(); ; word = this.next()) {
      if (word === ';') return async ({ path }) => (await this.run(argv.map((arg) => arg.replaceAll('{}', path)))) === 0;
      if (word === '+' && argv.at(-1) === '{}') break;
      argv.push(word);
    }
    const batch = { argv: argv.slice(0, -1), paths: [] as string[] };
    this.pendingRuns.push(batch);
    return ({ path }) => {
      batch.paths.push(path);
      return true;
    };
  }

  private async run(argv: readonly string[]): Promise<number> {
    try {
      return await this.proc.until(this.proc.spawn({ argv }).exited);
    } catch (error) {
      if (!(error instanceof ExecError)) throw error;
      await this.proc.err(`find: ${argv[0]}: ${error.message}\n`);
      return 1;
    }
  }
}

async function walk(proc: Proc, visit: Visit, plan: Plan): Promise<void> {
  const stat = proc.fs.lstat(visit.absolute);
  const here = async (): Promise<void> => void (visit.depth >= plan.minDepth && (await plan.test(visit)));
  plan.pruned = false;
  if (!plan.depthFirst) await here();
  if (stat.kind === 'directory' && visit.depth < plan.maxDepth && !plan.pruned) {
    for (const name of proc.fs.list(visit.absolute)) {
      const join = (base: string): string => (base.endsWith('/') ? base + name : `${base}/${name}`);
      await walk(proc, { path: join(visit.path), absolute: join(visit.absolute), depth: visit.depth + 1 }, plan);
    }
  }
  if (plan.depthFirst) await here();
}

export const find: Applet = async (proc, args) => {
  const first = args.findIndex((arg) => /^[-(!]/.test(arg));
  const roots = first < 0 ? args : args.slice(0, first);
  const compiler = new Compiler(proc, first < 0 ? [] : args.slice(first));
  const test = compiler.compile();
  const plan: Plan = Object.assign(compiler.plan, { test });
  let status = 0;
  for (const root of roots.length ? roots : ['.']) {
    try {
      await walk(proc, { path: root, absolute: proc.path(root), depth: 0 }, plan);
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
      await proc.err(`find: ${root}: ${error.message}\n`);
      status = 1;
    }
  }
  await compiler.finish();
  return status;
};
