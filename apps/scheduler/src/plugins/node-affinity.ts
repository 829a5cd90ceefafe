import type { NodeSelectorTerm, PreferredSchedulingTerm } from '@orrery/api/types';
import { skip, unresolvable } from '../framework/status.ts';
import { definePlugin, maxNodeScore } from '../framework/types.ts';
import { matchesRequiredAffinity, matchesTerm, namedNodes } from './node-selector.ts';
import { defaultNormalize } from './normalize.ts';

const refused = unresolvable("node(s) didn't match Pod's node affinity/selector");

function isEmpty(term: NodeSelectorTerm): boolean {
  return !term.matchExpressions?.length && !term.matchFields?.length;
}

/** `nodeSelector` and node affinity, required and preferred. */
export const nodeAffinity = definePlugin({
  name: 'NodeAffinity',
  create: () => ({
    name: 'NodeAffinity',
    events: [{ resource: 'Node', actions: ['Add', 'Update'] }],
    preFilter(_state, { pod }) {
      const spec = pod.spec;
      if (!spec?.nodeSelector && !spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution) return skip;
      const nodeNames = namedNodes(pod);
      return nodeNames ? { nodeNames } : undefined;
    },
    filter: (_state, { pod }, node) => (matchesRequiredAffinity(pod, node) ? undefined : refused),
    preScore: (_state, { pod }) => (pod.spec?.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution?.length ? undefined : skip),
    score(_state, { pod }, node) {
      const preferred: readonly PreferredSchedulingTerm[] = pod.spec?.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
      let total = 0;
      for (const { weight, preference } of preferred) if (isEmpty(preference) || matchesTerm(preference, node)) total += weight;
      return total;
    },
    normalize: (_state, _pod, scores) => defaultNormalize(scores, { max: maxNodeScore, reverse: false }),
  }),
});
