import { FsError } from '../../fs/fs-error.ts';
import { type Vfs, resolvePath } from '../../fs/vfs.ts';
import { globPaths } from '../../shell/glob.ts';
import { ConfigError, type Directive, parseConfig } from './config-parser.ts';
import { type DirectiveRule, directiveRules } from './directives.ts';

/** A block of the configuration with its includes in place; what it does not say, the block around it says. */
export interface Scope {
  /** The context letter of directives.ts. */
  readonly kind: string;
  readonly directives: readonly Directive[];
  readonly byName: ReadonlyMap<string, readonly Directive[]>;
  readonly parent?: Scope;
}

export const configPrefix = '/etc/nginx';

const contextNames: Readonly<Record<string, string>> = { events: 'e', http: 'h', upstream: 'u', limit_except: 'x' };

/** Blocks whose content is data, not directives. */
const dataBlocks = new Set(['types', 'map', 'geo', 'split_clients', 'stream']);

const reasons: Readonly<Record<string, string>> = { ENOENT: '2: No such file or directory', EACCES: '13: Permission denied', EISDIR: '21: Is a directory', ENOTDIR: '20: Not a directory', EROFS: '30: Read-only file system', ELOOP: '40: Too many levels of symbolic links' };

/** `(2: No such file or directory)` without the parentheses. */
export function systemReason(error: FsError): string {
  return reasons[error.code] ?? `5: ${error.message}`;
}

/** Reads a configuration file. Throws ConfigError. */
export function readConfigFile(fs: Vfs, path: string, at?: Directive): Directive[] {
  try {
    return parseConfig(fs.readText(path), path);
  } catch (error) {
    if (!(error instanceof FsError)) throw error;
    throw new ConfigError(`open() "${path}" failed (${systemReason(error)})`, at);
  }
}

/** The directives with every `include` replaced by what it names. */
export function withIncludes(fs: Vfs, directives: readonly Directive[]): Directive[] {
  return directives.flatMap((directive) => {
    if (directive.name !== 'include') return [directive];
    if (directive.args.length !== 1) throw new ConfigError('invalid number of arguments in "include" directive', directive);
    const path = resolvePath(configPrefix, directive.args[0] ?? '');
    const files = /[*?[]/.test(path) ? globPaths(fs, path, (absolute) => absolute) : [path];
    return files.flatMap((file) => withIncludes(fs, readConfigFile(fs, file, directive)));
  });
}

function ruleFor(directive: Directive, context: string): DirectiveRule {
  const { name, args } = directive;
  const rules = directiveRules.get(name);
  if (!rules) throw new ConfigError(`unknown directive "${name}"`, directive);
  const rule = rules.find(({ contexts }) => contexts.includes(context));
  if (!rule) throw new ConfigError(`"${name}" directive is not allowed here`, directive);
  if (!directive.block && rule.block) throw new ConfigError(`directive "${name}" has no opening "{"`, directive);
  if (directive.block && !rule.block) throw new ConfigError(`directive "${name}" is not terminated by ";"`, directive);
  if (args.length < rule.min || args.length > rule.max) throw new ConfigError(`invalid number of arguments in "${name}" directive`, directive);
  if (rule.flag && !/^(?:on|off)$/i.test(args[0] ?? '')) throw new ConfigError(`invalid value "${args[0]}" in "${name}" directive, it must be "on" or "off"`, directive);
  return rule;
}

function contextOf(directive: Directive, outer: string): string {
  if (directive.name === 'server') return 's';
  if (directive.name === 'location') return 'l';
  if (directive.name === 'if') return outer === 's' ? 'j' : 'i';
  return contextNames[directive.name] ?? outer;
}

/** Builds a scope, checking every directive in it and below. Directives without effect are handed to `warn`. */
export function buildScope(fs: Vfs, options: { kind: string; directives: readonly Directive[]; parent?: Scope; warn: (message: string) => void }): Scope {
  const { kind, warn, parent } = options;
  const directives = withIncludes(fs, options.directives).map((directive) => {
    const rule = ruleFor(directive, kind);
    if (rule.withoutEffect) warn(`"${directive.name}" directive has no effect in this emulation in ${directive.file}:${directive.line}`);
    if (!directive.block) return directive;
    const block = withIncludes(fs, directive.block);
    if (!dataBlocks.has(directive.name)) buildScope(fs, { kind: contextOf(directive, kind), directives: block, warn: () => undefined });
    return { ...directive, block };
  });
  const byName = new Map<string, Directive[]>();
  for (const directive of directives) byName.set(directive.name, [...(byName.get(directive.name) ?? []), directive]);
  return { kind, directives, byName, ...(parent ? { parent } : {}) };
}

/** What the nearest block that says it says. */
export function setting(scope: Scope, name: string): readonly Directive[] {
  for (let at: Scope | undefined = scope; at; at = at.parent) {
    const found = at.byName.get(name);
    if (found) return found;
  }
  return [];
}

/** The first argument of the nearest such directive. */
export function settingValue(scope: Scope, name: string): string | undefined {
  return setting(scope, name)[0]?.args[0];
}

export function settingFlag(scope: Scope, name: string, fallback: boolean): boolean {
  const value = settingValue(scope, name);
  return value === undefined ? fallback : value.toLowerCase() === 'on';
}

/** Bytes of `10m`, `512k`, `1g`; throws ConfigError. */
export function sizeOf(directive: Directive | undefined, fallback: number): number {
  if (!directive) return fallback;
  const match = /^(\d+)([kmg]?)$/i.exec(directive.args[0] ?? '');
  if (!match) throw new ConfigError(`"${directive.name}" directive invalid value`, directive);
  return Number(match[1]) * ({ k: 1024, m: 1024 ** 2, g: 1024 ** 3 }[(match[2] ?? '').toLowerCase()] ?? 1);
}

/** Milliseconds of `60`, `60s`, `1m`, `500ms`; throws ConfigError. */
export function timeOf(directive: Directive | undefined, fallbackMs: number): number {
  if (!directive) return fallbackMs;
  const text = directive.args[0] ?? '';
  const parts = [...text.matchAll(/(\d+)(ms|[smhdwMy]?)/g)];
  if (!parts.length || parts.map(([part]) => part).join('') !== text) throw new ConfigError(`"${directive.name}" directive invalid value`, directive);
  const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000, M: 2_592_000_000, y: 31_536_000_000 };
  return parts.reduce((sum, [, count, unit]) => sum + Number(count) * (units[unit || 's'] ?? 1000), 0);
}
