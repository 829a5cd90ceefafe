import type { HPAScalingRules } from '@orrery/api/types';
import { type History, changedWithin } from './history.ts';

export interface Condition {
  readonly type: 'AbleToScale' | 'ScalingActive' | 'ScalingLimited';
  readonly status: 'True' | 'False';
  readonly reason: string;
  readonly message: string;
}

export interface Rules {
  readonly scaleUp: HPAScalingRules;
  readonly scaleDown: HPAScalingRules;
}

export interface RuleInput {
  readonly current: number;
  /** What the metrics ask for. */
  readonly wanted: number;
  readonly min: number;
  readonly max: number;
  /** Without: upstream's old rules, twice the size or 4 at a time. */
  readonly rules: Rules | undefined;
  /** For scaling down, where the rules do not say. */
  readonly stabilizationMs: number;
  readonly history: History;
}

export interface RuleResult {
  readonly replicas: number;
  readonly conditions: readonly Condition[];
  readonly history: History;
}

interface Bounded {
  readonly replicas: number;
  readonly reason: string;
  readonly message: string;
}

const tooFew = { reason: 'TooFewReplicas', message: 'the desired replica count is less than the minimum replica count' };
const tooMany = { reason: 'TooManyReplicas', message: 'the desired replica count is more than the maximum replica count' };
const tooFast = { reason: 'ScaleUpLimit', message: 'the desired replica count is increasing faster than the maximum scale rate' };
const tooFastDown = { reason: 'ScaleDownLimit', message: 'the desired replica count is decreasing faster than the maximum scale rate' };
const within = { reason: 'DesiredWithinRange', message: 'the desired count is within the acceptable range' };
const upStabilized = { reason: 'ScaleUpStabilized', message: 'recent recommendations were lower than current one, applying the lowest recent recommendation' };
const downStabilized = { reason: 'ScaleDownStabilized', message: 'recent recommendations were higher than current one, applying the highest recent recommendation' };
const ready = { reason: 'ReadyForNewScale', message: 'recommended size matches current size' };

const upFactor = 2;
const upMinimum = 4;

/** The farthest that the policies allow, from where the period began. */
function furthest(rules: HPAScalingRules, current: number, options: { up: boolean; history: History; nowMs: number }): number {
  const { up, history, nowMs } = options;
  if (rules.selectPolicy === 'Disabled') return current;
  const reached = (rules.policies ?? []).map(({ type, value, periodSeconds }) => {
    const began = current - changedWithin(history.ups, periodSeconds, nowMs) + changedWithin(history.downs, periodSeconds, nowMs);
    if (type === 'Pods') return up ? began + value : began - value;
    // Up is rounded up, so that some percent of few is not nothing.
    return up ? Math.ceil(began * (1 + value / 100)) : Math.trunc(began * (1 - value / 100));
  });
  // The least change is the lowest number on the way up, and the highest on the way down.
  return up === (rules.selectPolicy === 'Min') ? Math.min(...reached) : Math.max(...reached);
}

function withRules(wanted: number, input: RuleInput & { readonly rules: Rules }, nowMs: number): Bounded {
  const { current, min, max, rules, history } = input;
  if (wanted > current) {
    const limit = Math.max(current, furthest(rules.scaleUp, current, { up: true, history, nowMs }));
    if (wanted > Math.min(max, limit)) return max > limit ? { replicas: limit, ...tooFast } : { replicas: max, ...tooMany };
  } else if (wanted < current) {
    const limit = Math.min(current, furthest(rules.scaleDown, current, { up: false, history, nowMs }));
    if (wanted < Math.max(min, limit)) return min < limit ? { replicas: limit, ...tooFastDown } : { replicas: min, ...tooFew };
  }
  return { replicas: wanted, ...within };
}

function withoutRules(wanted: number, { current, min, max }: RuleInput): Bounded {
  const limit = Math.max(upFactor * current, upMinimum);
  if (wanted < min) return { replicas: min, ...tooFew };
  if (wanted > Math.min(max, limit)) return max > limit ? { replicas: limit, ...tooFast } : { replicas: max, ...tooMany };
  return { replicas: wanted, ...within };
}

/** Windows within which recommendations count, in milliseconds. */
function windows({ rules, stabilizationMs }: RuleInput): { upMs: number; downMs: number } {
  const ms = (rule: HPAScalingRules | undefined, otherwise: number): number => (rule?.stabilizationWindowSeconds === undefined ? otherwise : rule.stabilizationWindowSeconds * 1000);
  return { upMs: ms(rules?.scaleUp, 0), downMs: ms(rules?.scaleDown, stabilizationMs) };
}

/** Neither above the least that was wanted lately nor below the most. */
function stabilized(input: RuleInput, nowMs: number): number {
  const { current, wanted, history, rules } = input;
  const { upMs, downMs } = windows(input);
  let low = wanted;
  let high = wanted;
  for (const { replicas, atMs } of history.recommendations) {
    if (rules && atMs > nowMs - upMs) low = Math.min(low, replicas);
    if (rules ? atMs > nowMs - downMs : atMs >= nowMs - downMs) high = Math.max(high, replicas);
  }
  if (!rules) return high;
  return Math.min(Math.max(current, low), high);
}

function remember(input: RuleInput, nowMs: number): History {
  const { upMs, downMs } = windows(input);
  const oldest = nowMs - Math.max(upMs, downMs);
  return { ...input.history, recommendations: [...input.history.recommendations.filter(({ atMs }) => atMs >= oldest), { replicas: input.wanted, atMs: nowMs }] };
}

/** What becomes of what the metrics ask for, by the autoscaler's bounds, windows and policies. */
export function applyRules(input: RuleInput, nowMs: number): RuleResult {
  const { rules, wanted, current } = input;
  const steady = stabilized(input, nowMs);
  const held = rules && wanted >= current ? upStabilized : downStabilized;
  const { replicas, reason, message } = rules ? withRules(steady, { ...input, rules }, nowMs) : withoutRules(steady, input);
  return {
    replicas,
    conditions: [
      { type: 'AbleToScale', status: 'True', ...(steady === wanted ? ready : held) },
      { type: 'ScalingLimited', status: replicas === steady ? 'False' : 'True', reason, message },
    ],
    history: remember(input, nowMs),
  };
}

/** The longest period of a rule's policies, in milliseconds. */
const longestPeriodMs = ({ policies }: HPAScalingRules): number => Math.max(0, ...(policies ?? []).map(({ periodSeconds }) => periodSeconds)) * 1000;

/** Remembers a change of size that was made; without rules nobody asks. */
export function rememberChange(history: History, change: { readonly from: number; readonly to: number; readonly rules: Rules | undefined }, nowMs: number): History {
  const { from, to, rules } = change;
  if (!rules || from === to) return history;
  const entry = { replicas: Math.abs(to - from), atMs: nowMs };
  // Both directions look at both lists, each by its own periods.
  const oldest = nowMs - Math.max(longestPeriodMs(rules.scaleUp), longestPeriodMs(rules.scaleDown));
  const kept = (list: History['ups']): History['ups'] => list.filter(({ atMs }) => atMs >= oldest);
  return to > from ? { ...history, ups: [...kept(history.ups), entry], downs: kept(history.downs) } : { ...history, ups: kept(history.ups), downs: [...kept(history.downs), entry] };
}
