import { SelectorError } from '@orrery/apimachinery';
import type { Pod } from '@orrery/api/types';
import { type Status, failed, skip } from '../../framework/status.ts';
import { definePlugin } from '../../framework/types.ts';
import { type Constraint, type WhenUnsatisfiable, constraintsOf } from './constraints.ts';
import { type Spread, judge, spreadsOf } from './filtering.ts';
import { nodeHelps, podHelps } from './hints.ts';
import { type ScoreFacts, reverse, scoreFacts, scoreOf } from './scoring.ts';

const name = 'PodTopologySpread';
const scoreKey = `${name}/score`;

function read(pod: Pod, when: WhenUnsatisfiable): Constraint[] | Status {
  try {
    return constraintsOf(pod, when);
  } catch (error) {
    if (error instanceof SelectorError) return failed(error);
    throw error;
  }
}

/** What other pods and nodes do cannot help a pod whose constraints cannot be read. */
function hint(pod: Pod, helps: (constraints: readonly Constraint[]) => boolean): 'Queue' | 'Skip' {
  const constraints = read(pod, 'DoNotSchedule');
  return !('code' in constraints) && helps(constraints) ? 'Queue' : 'Skip';
}

/** Topology spread constraints: DoNotSchedule refuses nodes that would raise the skew too far, ScheduleAnyway scores. */
export const podTopologySpread = definePlugin({
  name,
  create: (handle) => ({
    name,
    events: [
      { resource: 'AssignedPod', actions: ['Add', 'Update', 'Delete'], hint: ({ pod }, event) => hint(pod, (constraints) => podHelps(pod, constraints, event)) },
      { resource: 'Node', actions: ['Add', 'Update', 'Delete'], hint: ({ pod }, event) => hint(pod, (constraints) => nodeHelps(constraints, event)) },
    ],
    preFilter(state, { pod }, snapshot) {
      if (!pod.spec?.topologySpreadConstraints?.length) return skip;
      const constraints = read(pod, 'DoNotSchedule');
      if ('code' in constraints) return constraints;
      if (constraints.length === 0) return skip;
      state.set(name, spreadsOf(pod, constraints, snapshot));
      return undefined;
    },
    filter: (state, _pod, node) => judge(state.get(name) as readonly Spread[], node),
    preScore(state, { pod }, nodes) {
      if (!pod.spec?.topologySpreadConstraints?.length) return skip;
      const constraints = read(pod, 'ScheduleAnyway');
      if ('code' in constraints) return constraints;
      if (constraints.length === 0) return skip;
      state.set(scoreKey, scoreFacts(pod, constraints, { nodes, snapshot: handle.snapshot() }));
      return undefined;
    },
    score: (state, { pod }, node) => scoreOf(state.get(scoreKey) as ScoreFacts, pod, node),
    normalize: (_state, _pod, scores) => reverse(scores),
  }),
});
