import type { Proc } from '../../process/proc.ts';

/** Flags in pflag's manner: `--name=value`, `--name value`, `--name` for true. */
export interface Flags {
  get(name: string): string | undefined;
  all(name: string): readonly string[];
  number(name: string, fallback: number): number;
  boolean(name: string, fallback: boolean): boolean;
  readonly operands: readonly string[];
}

export type Command = (proc: Proc, flags: Flags) => Promise<number> | number;

const booleans = new Set(['http', 'tcp', 'udp', 'close', 'tls', 'udp-only', 'http-only', 'json-response', 'break_on_expected_content']);

export function flags(args: readonly string[]): Flags {
  const values: [string, string][] = [];
  const operands: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] as string;
    if (!arg.startsWith('-')) {
      operands.push(arg);
      continue;
    }
    const [name = '', inline] = arg.replace(/^--?/, '').split(/=(.*)/s);
    const next = args[i + 1];
    if (inline !== undefined) values.push([name, inline]);
    else if (booleans.has(name) || next === undefined || (next.startsWith('-') && !/^-\d/.test(next))) values.push([name, 'true']);
    else {
      values.push([name, next]);
      i++;
    }
  }
  const get = (name: string): string | undefined => values.findLast(([key]) => key === name)?.[1];
  return {
    get,
    all: (name) => values.filter(([key]) => key === name).map(([, value]) => value),
    number: (name, fallback) => Number(get(name) ?? fallback),
    boolean: (name, fallback) => (get(name) === undefined ? fallback : get(name) !== 'false'),
    operands,
  };
}

/** Milliseconds of a Go duration (`1h2m3.5s`, `300ms`). */
export function goDuration(text: string): number {
  let ms = 0;
  for (const [, n, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|us|µs|ns|h|m|s)/g)) ms += Number(n) * ({ h: 3_600_000, m: 60_000, s: 1000, ms: 1, us: 0.001, 'µs': 0.001, ns: 0.000001 }[unit ?? ''] ?? 0);
  return ms;
}
