import type { HPAScalingRules } from '@orrery/api/types';
import { describe, expect, it } from 'vitest';
import { type History, startHistory } from './history.ts';
import { type RuleInput, applyRules, rememberChange } from './scaling-rules.ts';

const nowMs = 10_000_000;
const before = (seconds: number): number => nowMs - seconds * 1000;
const empty: History = { recommendations: [], ups: [], downs: [] };
const percent = (value: number, periodSeconds: number) => ({ type: 'Percent', value, periodSeconds });
const pods = (value: number, periodSeconds: number) => ({ type: 'Pods', value, periodSeconds });
const up = (...policies: HPAScalingRules['policies'] & object): HPAScalingRules => ({ stabilizationWindowSeconds: 0, selectPolicy: 'Max', policies });
const down = up;
const defaults = { scaleUp: up(pods(4, 15), percent(100, 15)), scaleDown: down(percent(100, 15)) };

const run = (input: Partial<RuleInput>) => applyRules({ current: 10, wanted: 10, min: 1, max: 100, rules: defaults, stabilizationMs: 300_000, history: empty, ...input }, nowMs);
const reasons = (result: ReturnType<typeof run>): string[] => result.conditions.map(({ type, status, reason }) => `${type}=${status} ${reason}`);

describe('without behavior', () => {
  const old = (input: Partial<RuleInput>) => run({ rules: undefined, ...input });
  it.each<[string, Partial<RuleInput>, number, string]>([
    ['as wanted', { wanted: 15 }, 15, 'ScalingLimited=False DesiredWithinRange'],
    ['not more than twice', { wanted: 50 }, 20, 'ScalingLimited=True ScaleUpLimit'],
    ['four of few', { current: 1, wanted: 50 }, 4, 'ScalingLimited=True ScaleUpLimit'],
    ['not more than the maximum', { wanted: 50, max: 12 }, 12, 'ScalingLimited=True TooManyReplicas'],
    ['not fewer than the minimum', { wanted: 1, min: 3 }, 3, 'ScalingLimited=True TooFewReplicas'],
  ])('%s', (_, input, replicas, limited) => {
    const result = old(input);
    expect([result.replicas, reasons(result)[1]]).toEqual([replicas, limited]);
  });

  it('does not go below what was recommended lately', () => {
    const history = { ...empty, recommendations: [{ replicas: 9, atMs: before(301) }, { replicas: 6, atMs: before(200) }] };
    const result = old({ wanted: 2, history });
    expect([result.replicas, reasons(result)[0], result.history.recommendations.map(({ replicas }) => replicas)]).toEqual([6, 'AbleToScale=True ScaleDownStabilized', [6, 2]]);
  });
});

describe('with behavior', () => {
  it.each<[string, Partial<RuleInput>, number, string]>([
    ['the defaults double', { wanted: 50 }, 20, 'ScalingLimited=True ScaleUpLimit'],
    ['the defaults add four', { current: 2, wanted: 50 }, 6, 'ScalingLimited=True ScaleUpLimit'],
    ['the defaults go down to the minimum', { wanted: 0, min: 2, stabilizationMs: 0 }, 2, 'ScalingLimited=True TooFewReplicas'],
    ['the lesser step', { wanted: 50, rules: { ...defaults, scaleUp: { ...up(pods(3, 60), percent(100, 60)), selectPolicy: 'Min' } } }, 13, 'ScalingLimited=True ScaleUpLimit'],
    ['no step up', { wanted: 50, rules: { ...defaults, scaleUp: { ...up(pods(3, 60)), selectPolicy: 'Disabled' } } }, 10, 'ScalingLimited=True ScaleUpLimit'],
    ['no step down', { wanted: 1, rules: { ...defaults, scaleDown: { ...down(pods(3, 60)), selectPolicy: 'Disabled' } } }, 10, 'ScalingLimited=True ScaleDownLimit'],
    ['down by some', { wanted: 1, rules: { ...defaults, scaleDown: down(pods(3, 60), percent(10, 60)) } }, 7, 'ScalingLimited=True ScaleDownLimit'],
    ['down by the least', { wanted: 1, rules: { ...defaults, scaleDown: { ...down(pods(3, 60), percent(10, 60)), selectPolicy: 'Min' } } }, 9, 'ScalingLimited=True ScaleDownLimit'],
    ['some percent of few is one', { current: 1, wanted: 9, rules: { ...defaults, scaleUp: up(percent(10, 60)) } }, 2, 'ScalingLimited=True ScaleUpLimit'],
    ['what came within the period counts', { wanted: 50, rules: { ...defaults, scaleUp: up(pods(4, 60)) }, history: { ...empty, ups: [{ replicas: 3, atMs: before(30) }, { replicas: 9, atMs: before(61) }] } }, 11, 'ScalingLimited=True ScaleUpLimit'],
    ['what went within the period counts too', { wanted: 50, rules: { ...defaults, scaleUp: up(pods(4, 60)) }, history: { ...empty, downs: [{ replicas: 5, atMs: before(30) }] } }, 19, 'ScalingLimited=True ScaleUpLimit'],
    ['nothing is taken back because too much came', { wanted: 50, rules: { ...defaults, scaleUp: up(pods(1, 60)) }, history: { ...empty, ups: [{ replicas: 5, atMs: before(30) }] } }, 10, 'ScalingLimited=True ScaleUpLimit'],
  ])('%s', (_, input, replicas, limited) => {
    const result = run({ rules: { ...defaults, scaleDown: { ...defaults.scaleDown, stabilizationWindowSeconds: 0 } }, ...input });
    expect([result.replicas, reasons(result)[1]]).toEqual([replicas, limited]);
  });

  it('goes neither above the least nor below the most of late', () => {
    const rules = { scaleUp: { ...defaults.scaleUp, stabilizationWindowSeconds: 60 }, scaleDown: { ...defaults.scaleDown, stabilizationWindowSeconds: 120 } };
    const history = { ...empty, recommendations: [{ replicas: 30, atMs: before(200) }, { replicas: 15, atMs: before(100) }, { replicas: 12, atMs: before(30) }] };
    expect(run({ wanted: 20, rules, history })).toMatchObject({ replicas: 12, conditions: [{ reason: 'ScaleUpStabilized' }, {}] });
    expect(run({ current: 20, wanted: 5, rules, history })).toMatchObject({ replicas: 15, conditions: [{ reason: 'ScaleDownStabilized' }, {}] });
    expect(run({ wanted: 5, rules, history: empty }).replicas).toBe(5);
  });

  it("takes the flag's window where the rules say none", () => {
    const { stabilizationWindowSeconds: _, ...scaleDown } = defaults.scaleDown;
    const history = { ...empty, recommendations: [{ replicas: 8, atMs: before(299) }] };
    expect([run({ wanted: 2, rules: { ...defaults, scaleDown }, history }).replicas, run({ wanted: 2, rules: { ...defaults, scaleDown }, history, stabilizationMs: 60_000 }).replicas]).toEqual([8, 2]);
  });
});

it('remembers changes as long as some policy asks for them', () => {
  const rules = { scaleUp: up(pods(1, 60)), scaleDown: down(pods(1, 600)) };
  let history = startHistory(3, 0);
  history = rememberChange(history, { from: 3, to: 5, rules }, 1_000);
  history = rememberChange(history, { from: 5, to: 4, rules }, 500_000);
  expect(history).toMatchObject({ ups: [{ replicas: 2, atMs: 1_000 }], downs: [{ replicas: 1, atMs: 500_000 }] });
  expect(rememberChange(history, { from: 4, to: 5, rules }, 700_000)).toMatchObject({ ups: [{ replicas: 1, atMs: 700_000 }], downs: [{ replicas: 1 }] });
  expect(rememberChange(history, { from: 4, to: 5, rules: undefined }, 700_000)).toBe(history);
});
