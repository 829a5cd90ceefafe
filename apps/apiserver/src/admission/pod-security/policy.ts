import { type FieldError, fieldError } from '@orrery/errors';
import { type Check, type CheckedPod, baselineChecks } from './baseline.ts';
import { restrictedChecks } from './restricted.ts';

export type Level = 'privileged' | 'baseline' | 'restricted';
export type Mode = 'enforce' | 'audit' | 'warn';

export interface LevelVersion {
  readonly level: Level;
  readonly version: string;
}

const prefix = 'pod-security.kubernetes.io/';
const levels: readonly string[] = ['privileged', 'baseline', 'restricted'];
export const modes: readonly Mode[] = ['enforce', 'audit', 'warn'];

/** `restricted:latest`. */
export const describe = ({ level, version }: LevelVersion): string => `${level}:${version}`;

const applies = ({ since = 0 }: Check, minor: number): boolean => since <= minor;

/** Which checks a level runs at a version of the standards: later checks replace earlier ones only where they exist. */
function checksOf(level: Level, minor: number): readonly Check[] {
  if (level === 'privileged') return [];
  const more = level === 'restricted' ? restrictedChecks.filter((check) => applies(check, minor)) : [];
  return [...baselineChecks.filter((check) => applies(check, minor) && !more.some(({ replaces }) => replaces === check.id)), ...more];
}

/** `latest`, and versions that are still to come, are the newest there is. */
const minorOf = (version: string): number => (version === 'latest' ? Number.MAX_SAFE_INTEGER : Number(version.slice('v1.'.length)));

export const levelRank = ({ level }: LevelVersion): number => levels.indexOf(level);

/** What holds where labels say nothing. */
export type Defaults = Readonly<Record<Mode, LevelVersion>>;
const privileged: LevelVersion = { level: 'privileged', version: 'latest' };
export const noDefaults: Defaults = { enforce: privileged, audit: privileged, warn: privileged };

export const isLevel = (text: string): text is Level => levels.includes(text);
export const isVersion = (text: string): boolean => /^(latest|v1\.(0|[1-9]\d*))$/.test(text);

/** The policy of a namespace by its labels. A bad level counts as `restricted` for enforcing, else as `privileged`, and is reported. */
export function policyOf(labels: Readonly<Record<string, string>> = {}, defaults = noDefaults): { readonly policy: Readonly<Record<Mode, LevelVersion>>; readonly errors: readonly FieldError[] } {
  const errors: FieldError[] = [];
  const one = (mode: Mode): LevelVersion => {
    const [level = defaults[mode].level, version] = [labels[prefix + mode], labels[`${prefix}${mode}-version`]];
    if (!isLevel(level)) errors.push(fieldError.invalid(`metadata.labels[${prefix}${mode}]`, level, 'must be one of privileged, baseline, restricted'));
    if (version !== undefined && !isVersion(version)) errors.push(fieldError.invalid(`metadata.labels[${prefix}${mode}-version]`, version, 'must be "latest" or "v1.x"'));
    const fallback: Level = mode === 'enforce' ? 'restricted' : 'privileged';
    return { level: isLevel(level) ? level : fallback, version: version === undefined ? defaults[mode].version : isVersion(version) ? version : 'latest' };
  };
  return { policy: { enforce: one('enforce'), audit: one('audit'), warn: one('warn') }, errors };
}

/** Why a pod does not meet a level at a version of the standards, in upstream's words; empty when it does. */
export function violations(pod: CheckedPod, { level, version }: LevelVersion): string[] {
  const minor = minorOf(version);
  return checksOf(level, minor).flatMap(({ check }) => check(pod, minor) ?? []);
}
