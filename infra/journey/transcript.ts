import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Kubectl } from '@orrery/testkit';
import { expect } from 'vitest';

/**
 * One command and what a user sees of it: a command line as typed after `kubectl`, what its output (both streams) contains
 * or matches, and its exit code (0 unless said). Single quotes group, `NS` is the namespace, the last word after `edit` is the
 * editor; as in a shell, `NAME=value` before the command is of its environment and `< file` after it its input.
 */
export type Line = readonly [command: string, sees: string | RegExp, code?: number];

export interface Transcript {
  readonly kubectl: Kubectl;
  readonly namespace: string;
  /** Where files named by commands lie. */
  readonly cwd: string;
}

/** Splits a command line at spaces outside single quotes. */
export function words(command: string): string[] {
  return [...command.matchAll(/(?:[^\s']|'[^']*')+/g)].map(([word]) => word.replaceAll("'", ''));
}

interface Call {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly input?: string;
}

function parse(command: string, cwd: string): Call {
  const args = words(command);
  const env: Record<string, string> = {};
  for (let set; (set = /^([A-Z_]+)=(.*)$/s.exec(args[0] ?? '')); args.shift()) env[set[1] ?? ''] = set[2] ?? '';
  if (args[0] === 'edit') env['KUBE_EDITOR'] = args.pop() ?? '';
  if (args.at(-2) !== '<') return { args, env };
  const [, file = ''] = args.splice(-2);
  return { args, env, input: readFileSync(join(cwd, file), 'utf8') };
}

/** Runs one command; what differs from the line is told as text. */
export async function differs({ kubectl, namespace, cwd }: Transcript, [typed, sees, code = 0]: Line): Promise<string | undefined> {
  const command = typed.replaceAll('NS', namespace);
  const { args, env, input } = parse(command, cwd);
  // Completion takes the rest of the line as it is.
  const where = args[0] === '__complete' ? [] : ['-n', namespace];
  const result = await kubectl.run([...where, ...args], { cwd, env, timeoutMs: 60_000, ...(input === undefined ? {} : { input }) });
  const seen = `${result.stdout}${result.stderr}`;
  const wanted = typeof sees === 'string' ? sees.replaceAll('NS', namespace) : new RegExp(sees.source.replaceAll(/(?<![A-Z])NS(?![A-Z])/g, namespace), sees.flags);
  const matches = typeof wanted === 'string' ? seen.includes(wanted) : wanted.test(seen);
  return result.code === code && matches ? undefined : `kubectl ${command}\nexited with ${result.code} (wanted ${code}), wanted to see ${String(wanted)}, saw:\n${seen}`;
}

/** Runs commands one after another in the namespace; the first that shows something else fails with the command named. */
export async function play(at: Transcript, lines: readonly Line[]): Promise<void> {
  for (const line of lines) {
    const difference = await differs(at, line);
    if (difference !== undefined) expect.fail(difference);
  }
}
