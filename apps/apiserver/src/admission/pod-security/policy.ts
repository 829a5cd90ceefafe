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

/** Which checks a level runs. */
const checksOf: Readonly<Record<Level, readonly Check[]>> = {
  privileged: [],
  baseline: baselineChecks,
  restricted: [...baselineChecks.filter(({ id }) => !restrictedChecks.some(({ replaces }) => replaces === id)), ...restrictedChecks],
};

/** The policy of a namespace by its labels. A bad value counts as `restricted` for enforcing and is reported. */
export function policyOf(labels: Readonly<Record<string, string>> = {}): { readonly policy: Readonly<Record<Mode, LevelVersion>>; readonly errors: readonly FieldError[] } {
  const errors: FieldError[] = [];
  const one = (mode: Mode): LevelVersion => {
    const [level, version] = [labels[prefix + mode], labels[`${prefix}${mode}-version`]];
    if (level !== undefined && !levels.includes(level)) errors.push(fieldError.invalid(`metadata.labels[${prefix}${mode}]`, level, 'must be one of privileged, baseline, restricted'));
    if (version !== undefined && !/^(latest|v1\.(0|[1-9]\d*))$/.test(version)) {
      errors.push(fieldError.invalid(`metadata.labels[${prefix}${mode}-version]`, version, 'must be "latest" or "v1.x"'));
    }
    const known = level === undefined || levels.includes(level);
    const fallback: Level = mode === 'enforce' ? 'restricted' : 'privileged';
    return { level: known ? ((level ?? 'privileged') as Level) : fallback, version: version ?? 'latest' };
  };
  return { policy: { enforce: one('enforce'), audit: one('audit'), warn: one('warn') }, errors };
}

/** Why a pod does not meet a level, in upstream's words; empty when it does. */
export function violations(pod: CheckedPod, level: Level): string[] {
  return checksOf[level].flatMap(({ check }) => check(pod) ?? []);
}
