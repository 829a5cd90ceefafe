import { UserError } from '../user-error.ts';

/** Flags as Go's flag packages read them: `--name=value`, `--name value`, `-name`; a flag given again adds to its values. */
export type Flags = ReadonlyMap<string, readonly string[]>;

/** What a program knows of a flag: whether it takes a value, and whether it has an effect here. */
export interface KnownFlag {
  readonly name: string;
  readonly boolean?: boolean;
  readonly help: string;
}

/** Reads flags. Throws UserError in the program's own words for what it does not know. */
export function readFlags(words: readonly string[], known: readonly KnownFlag[], unknown: (word: string) => string): Flags {
  const byName = new Map(known.map((flag) => [flag.name, flag]));
  const values = new Map<string, string[]>();
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? '';
    const [, name = '', inline] = /^--?([^=]+)(?:=(.*))?$/s.exec(word) ?? [];
    const flag = byName.get(name);
    if (!flag) throw new UserError(unknown(word));
    const value = inline ?? (flag.boolean ? 'true' : words[++i]);
    if (value === undefined) throw new UserError(`flag needs an argument: --${name}`);
    values.set(name, [...(values.get(name) ?? []), value]);
  }
  return values;
}

/** Help of which each flag begins a line of its own: who starts a program looks there for the flags it knows. */
export function flagsHelp(title: string, known: readonly KnownFlag[]): string {
  return `${title}\n\nFlags:\n${[...known].sort((a, b) => a.name.localeCompare(b.name)).map(({ name, help }) => `  --${name}\n        ${help}`).join('\n')}\n`;
}

/** The last value of a flag, as of one that takes a single one. */
export function last(flags: Flags, name: string): string | undefined {
  return flags.get(name)?.at(-1);
}
