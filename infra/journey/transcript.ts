import type { Kubectl } from '@orrery/testkit';
import { expect } from 'vitest';

/**
 * One command and what a user sees of it: a command line as typed after `kubectl` (single quotes group, `NS` is the
 * namespace; the last word after `edit` is the editor), what its output (both streams) contains or matches, and its exit code (0 unless said).
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

/** Runs commands one after another in the namespace; the first that shows something else fails with the command named. */
export async function play({ kubectl, namespace, cwd }: Transcript, lines: readonly Line[]): Promise<void> {
  for (const [typed, sees, code = 0] of lines) {
    const command = typed.replaceAll('NS', namespace);
    const args = words(command);
    const editor: Record<string, string> = args[0] === 'edit' ? { KUBE_EDITOR: args.pop() ?? '' } : {};
    const result = await kubectl.run(['-n', namespace, ...args], { cwd, env: editor, timeoutMs: 60_000 });
    const seen = `${result.stdout}${result.stderr}`;
    const wanted = typeof sees === 'string' ? sees.replaceAll('NS', namespace) : sees;
    const matches = typeof wanted === 'string' ? seen.includes(wanted) : wanted.test(seen);
    if (result.code !== code || !matches) expect.fail(`kubectl ${command}\nexited with ${result.code} (wanted ${code}), wanted to see ${String(wanted)}, saw:\n${seen}`);
  }
}
