import { parseGoDuration } from './go-duration.ts';

/**
 * One schema of a component's settings gives its flags, its config file and its help. Flags are the kebab-case of the
 * key (`apiPort` is `--api-port`); a YAML or JSON file given by `--config` holds the same keys in camelCase; flags win.
 */
export type Field = (
  | { type: 'string'; default?: string; help: string; choices?: readonly string[] }
  /** As Go writes it: `1h30m`, `500ms`. */
  | { type: 'duration'; default?: string; help: string }
  | { type: 'number'; default?: number; help: string }
  | { type: 'boolean'; default?: boolean; help: string }
  | { type: 'list'; default?: readonly string[]; help: string }
) & {
  /** A flag of the original that is not supported: why any value but the default is refused. */
  refused?: string;
};

export type ConfigSchema = Readonly<Record<string, Field>>;

type Value<F extends Field> = F['type'] extends 'number'
  ? number
  : F['type'] extends 'boolean'
    ? boolean
    : F['type'] extends 'list'
      ? readonly string[]
      : string;

/** Fields without a default are optional. */
export type ConfigOf<S extends ConfigSchema> = {
  readonly [K in keyof S as S[K] extends { default: unknown } ? K : never]: Value<S[K]>;
} & { readonly [K in keyof S as S[K] extends { default: unknown } ? never : K]?: Value<S[K]> };

/** Bad usage: the message says which flag and what it takes. */
export class ConfigError extends Error {}

export function flagName(key: string): string {
  return `--${key.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`;
}

/** As Go reads them. */
const truths: ReadonlySet<unknown> = new Set([true, 'true', '1', 't', 'T', 'TRUE', 'True']);
const falsehoods: ReadonlySet<unknown> = new Set([false, 'false', '0', 'f', 'F', 'FALSE', 'False']);

function convert(key: string, field: Field, raw: unknown): unknown {
  const value = converted(key, field, raw);
  if (field.refused !== undefined && String(value) !== String(field.default ?? '')) throw new ConfigError(`${flagName(key)} is not supported: ${field.refused}`);
  return value;
}

function converted(key: string, field: Field, raw: unknown): unknown {
  const flag = flagName(key);
  switch (field.type) {
    case 'duration':
      try {
        parseGoDuration(String(raw));
        return String(raw);
      } catch (error) {
        throw new ConfigError(`${flag}: ${(error as Error).message}`);
      }
    case 'number': {
      const n = typeof raw === 'number' ? raw : Number(raw);
      if (raw === '' || Number.isNaN(n)) throw new ConfigError(`${flag} takes a number, not ${JSON.stringify(raw)}`);
      return n;
    }
    case 'boolean':
      if (truths.has(raw)) return true;
      if (falsehoods.has(raw)) return false;
      throw new ConfigError(`${flag} takes true or false, not ${JSON.stringify(raw)}`);
    case 'list':
      return (Array.isArray(raw) ? raw.map(String) : String(raw).split(',')).filter((part) => part !== '');
    case 'string':
      if (field.choices && !field.choices.includes(String(raw))) {
        throw new ConfigError(`${flag} takes one of ${field.choices.join(', ')}, not ${JSON.stringify(raw)}`);
      }
      return String(raw);
  }
}

/** Turns flag words into raw values. Unknown flags and stray words are errors. */
export function parseFlags(schema: ConfigSchema, argv: readonly string[]): Record<string, unknown> {
  const keys = new Map(Object.keys(schema).map((key) => [flagName(key), key]));
  const values: Record<string, unknown> = {};
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i] ?? '';
    const [name = '', inline] = word.includes('=') ? [word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1)] : [word, undefined];
    const negated = name.startsWith('--no-') ? keys.get(`--${name.slice(5)}`) : undefined;
    const key = keys.get(/^-[a-z]$/.test(name) ? `-${name}` : name) ?? negated;
    if (!key) throw new ConfigError(`unknown ${name.startsWith('-') ? 'flag' : 'argument'} ${name}; see --help`);
    const field = schema[key] as Field;
    if (field.type === 'boolean') values[key] = negated ? false : (inline ?? true);
    else if (inline === undefined && i + 1 >= argv.length) throw new ConfigError(`${name} needs a value`);
    else {
      const value = inline ?? argv[++i] ?? '';
      // A list may come in several flags, as upstream's repeatable flags do.
      values[key] = field.type === 'list' && values[key] !== undefined ? `${String(values[key])},${value}` : value;
    }
  }
  return values;
}

/** Defaults, then the file's values, then flags; each checked against the schema. */
export function resolveConfig<S extends ConfigSchema>(schema: S, layers: readonly Readonly<Record<string, unknown>>[]): ConfigOf<S> {
  const out: Record<string, unknown> = {};
  for (const [key, field] of Object.entries(schema)) if (field.default !== undefined) out[key] = field.default;
  for (const layer of layers) {
    for (const [key, raw] of Object.entries(layer)) {
      const field = schema[key];
      if (!field) throw new ConfigError(`unknown setting ${key}; known: ${Object.keys(schema).join(', ')}`);
      out[key] = convert(key, field, raw);
    }
  }
  return out as ConfigOf<S>;
}

/** The help text of a schema: one entry a flag, with its default. */
export function configHelp(schema: ConfigSchema): string {
  return Object.entries(schema)
    .map(([key, field]) => {
      const shape = field.type === 'boolean' ? '' : ` ${field.type === 'list' ? 'a,b,…' : field.type.toUpperCase()}`;
      const fallback = field.default === undefined || field.default === '' ? '' : ` (default ${String(field.default)})`;
      const refused = field.refused === undefined ? '' : ` (not supported: ${field.refused})`;
      return `  ${(flagName(key) + shape).padEnd(36)} ${field.help}${refused || fallback}`;
    })
    .join('\n');
}
