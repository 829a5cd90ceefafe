import { FsError } from '../fs/fs-error.ts';
import { lines, openPath } from '../process/files.ts';
import type { OpenFile } from '../process/open-file.ts';
import type { Proc } from '../process/proc.ts';
import { type Applet, UsageError, parseInteger, parseOptions } from './applet.ts';
import { posixRegex } from './regex.ts';

interface Search {
  readonly proc: Proc;
  readonly regex: RegExp;
  readonly flags: ReadonlySet<string>;
  readonly withName: boolean;
  readonly max: number;
  readonly before: number;
  readonly after: number;
}

function compile(patterns: readonly string[], { extended, fixed, flags }: { extended: boolean; fixed: boolean; flags: ReadonlySet<string> }): RegExp {
  const sources = patterns.flatMap((pattern) => pattern.split('\n')).map((pattern) => (fixed ? pattern.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&') : posixRegex(pattern, extended)));
  let source = sources.map((s) => (flags.has('w') ? `(?<![A-Za-z0-9_])(?:${s})(?![A-Za-z0-9_])` : s)).map((s) => `(?:${s})`).join('|');
  if (flags.has('x')) source = `^(?:${source})$`;
  try {
    return new RegExp(source, flags.has('i') || flags.has('y') ? 'gi' : 'g');
  } catch {
    throw new UsageError(`bad regex '${patterns.join('|')}'`);
  }
}

async function searchFile(search: Search, file: OpenFile, label: string): Promise<number> {
  const { proc, regex, flags, max, before, after } = search;
  const quiet = flags.has('q') || flags.has('l') || flags.has('L') || flags.has('c');
  const prefix = (separator: string, n: number): string => (search.withName ? `${label}${separator}` : '') + (flags.has('n') ? `${n}${separator}` : '');
  let [found, number, showUntil, shown] = [0, 0, -1, 0];
  const held: { text: string; number: number }[] = [];
  for await (const { text } of lines(proc, file)) {
    number++;
    regex.lastIndex = 0;
    if (regex.test(text) !== flags.has('v')) {
      found++;
      if (flags.has('q') || flags.has('l')) break;
      regex.lastIndex = 0;
      if (!quiet && flags.has('o') && !flags.has('v')) for (const [match] of text.matchAll(regex)) await (match ? proc.out(`${prefix(':', number)}${match}\n`) : undefined);
      else if (!quiet) {
        const context = held.splice(0).filter((line) => line.number > shown);
        if ((before || after) && shown && (context[0]?.number ?? number) > shown + 1) await proc.out('--\n');
        await proc.out(context.map((line) => `${prefix('-', line.number)}${line.text}\n`).join('') + `${prefix(':', number)}${text}\n`);
        shown = number;
        showUntil = number + after;
      }
      if (found >= max) break;
    } else if (!quiet && number <= showUntil) {
      await proc.out(`${prefix('-', number)}${text}\n`);
      shown = number;
    } else if (before) {
      held.push({ text, number });
      if (held.length > before) held.shift();
    }
  }
  if (flags.has('c')) await proc.out(`${search.withName ? `${label}:` : ''}${found}\n`);
  if (flags.has('l') && found) await proc.out(`${label}\n`);
  if (flags.has('L') && !found) await proc.out(`${label}\n`);
  return found;
}

function filesBelow(proc: Proc, path: string, label: string): string[] {
  const stat = proc.fs.tryStat(path);
  if (stat?.kind !== 'directory') return [label];
  return proc.fs.list(path).flatMap((name) => filesBelow(proc, `${path === '/' ? '' : path}/${name}`, `${label.replace(/\/$/, '')}/${name}`));
}

/** grep, egrep, fgrep. */
export const grep: Applet = async (proc, args, name) => {
  const { flags, values, all, operands } = parseOptions(args, 'EFGHhiyclLnoqrRsvwxe:f:m:A:B:C:', {
    long: { 'ignore-case': 'i', 'invert-match': 'v', count: 'c', quiet: 'q', 'only-matching': 'o', 'extended-regexp': 'E', 'line-number': 'n', recursive: 'r', color: 's', 'line-buffered': 's', 'fixed-strings': 'F' },
  });
  const patterns = all.filter(([option]) => option === 'e').map(([, pattern]) => pattern);
  if (values.has('f')) patterns.push(...proc.fs.readText(proc.path(values.get('f') as string)).replace(/\n$/, '').split('\n'));
  const given = values.has('e') || values.has('f') ? operands : operands.slice(1);
  if (!values.has('e') && !values.has('f')) {
    if (operands[0] === undefined) throw new UsageError('no pattern');
    patterns.push(operands[0]);
  }
  const recursive = flags.has('r') || flags.has('R');
  const targets = recursive ? (given.length ? given : ['.']).flatMap((file) => filesBelow(proc, proc.path(file), file)) : given.length ? given : ['-'];
  const search: Search = {
    proc,
    regex: compile(patterns, { extended: flags.has('E') || name === 'egrep', fixed: flags.has('F') || name === 'fgrep', flags }),
    flags,
    withName: flags.has('H') || (!flags.has('h') && (targets.length > 1 || recursive)),
    max: parseInteger(values.get('m') ?? '1000000000'),
    before: parseInteger(values.get('B') ?? values.get('C') ?? '0'),
    after: parseInteger(values.get('A') ?? values.get('C') ?? '0'),
  };
  let [found, failed] = [0, false];
  for (const target of targets) {
    let file: OpenFile | undefined;
    try {
      file = target === '-' ? proc.fds.get(0)?.retain() : openPath(proc, target, { read: true });
      if (file) found += await searchFile(search, file, target === '-' ? '(standard input)' : target);
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
      failed = true;
      if (!flags.has('s')) await proc.err(`grep: ${target}: ${error.message}\n`);
    } finally {
      file?.release();
    }
    if (found && flags.has('q')) return 0;
  }
  if (failed) return 2;
  return found > 0 ? 0 : 1;
};
