import type { Node } from '@orrery/api/types';
import { unresolvable } from '../framework/status.ts';
import { definePlugin, maxNodeScore } from '../framework/types.ts';
import { defaultNormalize } from './normalize.ts';
import { isTolerated } from './tolerations.ts';

const refused = unresolvable('node(s) had untolerated taint(s)');

/** Nodes with NoSchedule or NoExecute taints that the pod does not tolerate are out; fewer PreferNoSchedule taints are better. */
export const taintToleration = definePlugin({
  name: 'TaintToleration',
  create: () => ({
    name: 'TaintToleration',
    local: true,
    events: [
      {
        resource: 'Node',
        actions: ['Add', 'Update'],
        hint: ({ pod }, event) => {
          const hard = ((event.object as Node).spec?.taints ?? []).filter((t) => t.effect !== 'PreferNoSchedule');
          return hard.every((taint) => isTolerated(pod.spec?.tolerations, taint)) ? 'Queue' : 'Skip';
        },
      },
      { resource: 'Pod', actions: ['Update'] },
    ],
    filter(_state, { pod }, node) {
      for (const taint of node.hardTaints) if (!isTolerated(pod.spec?.tolerations, taint)) return refused;
      return undefined;
    },
    score(_state, { pod }, node) {
      if (node.softTaints.length === 0) return 0;
      const tolerations = (pod.spec?.tolerations ?? []).filter((t) => !t.effect || t.effect === 'PreferNoSchedule');
      return node.softTaints.filter((taint) => !isTolerated(tolerations, taint)).length;
    },
    normalize: (_state, _pod, scores) => defaultNormalize(scores, { max: maxNodeScore, reverse: true }),
  }),
});
