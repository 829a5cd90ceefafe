import { type Selector, SelectorError } from '@orrery/apimachinery';
import type { Pod } from '@orrery/api/types';
import { type Fold, createFold } from '../../cache/fold.ts';
import { type PodInfo, groupOf } from '../../cache/pod-info.ts';
import type { PodTopologySpreadArgs } from '../../configuration/types.ts';
import { type Status, failed, skip } from '../../framework/status.ts';
import { definePlugin } from '../../framework/types.ts';
import { type Constraint, type WhenUnsatisfiable, constraintsOf } from './constraints.ts';
import { type DefaultConstraints, defaultConstraints } from './default-constraints.ts';
import { type DomainCounts, type Spread, countDelta, countDomains, judge, spreadsOf } from './filtering.ts';
import { nodeHelps, podHelps } from './hints.ts';
import { type ScoreCounts, type ScoreFacts, countForScore, countScoreDelta, reverse, scoreAll, scoreFacts } from './scoring.ts';

const name = 'PodTopologySpread';
const scoreKey = `${name}/score`;

function read(pod: Pod, when: WhenUnsatisfiable, byDefault: DefaultConstraints | undefined): readonly Constraint[] | Status {
  try {
    if (pod.spec?.topologySpreadConstraints?.length) return constraintsOf(pod, when);
    return byDefault?.of(pod, when) ?? [];
  } catch (error) {
    if (error instanceof SelectorError) return failed(error);
    throw error;
  }
}

/** What other pods and nodes do cannot help a pod whose constraints cannot be read. */
function hint(constraints: readonly Constraint[] | Status, helps: (constraints: readonly Constraint[]) => boolean): 'Queue' | 'Skip' {
  return !('code' in constraints) && helps(constraints) ? 'Queue' : 'Skip';
}

const selectorTexts = new WeakMap<Selector, string>();

function textOf(selector: Selector | undefined): string {
  if (!selector) return '';
  let text = selectorTexts.get(selector);
  if (text === undefined) selectorTexts.set(selector, (text = JSON.stringify(selector.requirements.map(({ key, operator, values }) => [key, operator, [...values]]))));
  return text;
}

/** What a group is counted by beside what `groupOf` names: services and workloads may have changed their selectors. */
function keyOf(pod: PodInfo, constraints: readonly Constraint[], byDefault: DefaultConstraints | undefined): string {
  if (!byDefault || pod.pod.spec?.topologySpreadConstraints?.length) return groupOf(pod);
  return `${groupOf(pod)}|${textOf(constraints[0]?.selector)}`;
}

/** Topology spread constraints: DoNotSchedule refuses nodes that would raise the skew too far, ScheduleAnyway scores. */
export const podTopologySpread = definePlugin<Partial<PodTopologySpreadArgs>>({
  name,
  create: (handle, args) => {
    const byDefault = defaultConstraints(handle.informers, args);
    const foldDomains: Fold<DomainCounts> = createFold();
    const foldScores: Fold<ScoreCounts> = createFold();
    const hard = (pod: Pod): readonly Constraint[] | Status => read(pod, 'DoNotSchedule', byDefault);
    return {
      name,
      events: [
        { resource: 'AssignedPod', actions: ['Add', 'Update', 'Delete'], hint: ({ pod }, event) => hint(hard(pod), (constraints) => podHelps(pod, constraints, event)) },
        { resource: 'Node', actions: ['Add', 'Update', 'Delete'], hint: ({ pod }, event) => hint(hard(pod), (constraints) => nodeHelps(constraints, event)) },
      ],
      preFilter(state, info, snapshot) {
        const { pod } = info;
        const constraints = hard(pod);
        if ('code' in constraints) return constraints;
        if (constraints.length === 0) return skip;
        const domains = foldDomains(keyOf(info, constraints, byDefault), snapshot, {
          make: () => countDomains(pod, constraints, snapshot),
          apply: (sums, delta) => countDelta(pod, constraints, sums, delta),
        });
        state.set(name, spreadsOf(pod, constraints, domains));
        return undefined;
      },
      filter: (state, _pod, node) => judge(state.get(name) as readonly Spread[], node),
      preScore(state, info, nodes) {
        const { pod } = info;
        const constraints = read(pod, 'ScheduleAnyway', byDefault);
        if ('code' in constraints) return constraints;
        if (constraints.length === 0) return skip;
        const needsAllKeys = Boolean(pod.spec?.topologySpreadConstraints?.length) || !byDefault?.bySystem;
        const snapshot = handle.snapshot();
        const wish = { pod, constraints, needsAllKeys };
        const sums = foldScores(keyOf(info, constraints, byDefault), snapshot, {
          make: () => countForScore(wish, snapshot),
          apply: (facts, delta) => countScoreDelta(wish, facts, delta),
        });
        state.set(scoreKey, scoreFacts(sums, nodes, needsAllKeys));
        return undefined;
      },
      score(state, _pod, node) {
        const scores = [0];
        scoreAll(state.get(scoreKey) as ScoreFacts, [node], scores);
        return scores[0] ?? 0;
      },
      scoreAll: (state, _pod, nodes, scores) => scoreAll(state.get(scoreKey) as ScoreFacts, nodes, scores),
      normalize: (_state, _pod, scores) => reverse(scores),
    };
  },
});
