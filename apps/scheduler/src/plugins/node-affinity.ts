import type { NodeSelectorTerm, PreferredSchedulingTerm } from '@orrery/api/types';
import type { NodeInfo } from '../cache/node-info.ts';
import type { NodeAffinityArgs } from '../configuration/types.ts';
import { skip, unresolvable } from '../framework/status.ts';
import { definePlugin, maxNodeScore } from '../framework/types.ts';
import { matchesNodeSelector, matchesRequiredAffinity, matchesTerm, namedNodes } from './node-selector.ts';
import { defaultNormalize } from './normalize.ts';

const refused = unresolvable("node(s) didn't match Pod's node affinity/selector");
const refusedByProfile = unresolvable("node(s) didn't match scheduler-enforced node affinity");

function isEmpty(term: NodeSelectorTerm): boolean {
  return !term.matchExpressions?.length && !term.matchFields?.length;
}

function preference(terms: readonly PreferredSchedulingTerm[], node: NodeInfo): number {
  let total = 0;
  for (const { weight, preference: term } of terms) if (isEmpty(term) || matchesTerm(term, node)) total += weight;
  return total;
}

/** `nodeSelector` and node affinity, required and preferred; `addedAffinity` of the profile applies to every pod. */
export const nodeAffinity = definePlugin<NodeAffinityArgs>({
  name: 'NodeAffinity',
  create: (_handle, { addedAffinity }) => {
    const added = addedAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
    const alsoPreferred = addedAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
    return {
      name: 'NodeAffinity',
      local: true,
      events: [{ resource: 'Node', actions: ['Add', 'Update'] }],
      preFilter(_state, { pod }) {
        const spec = pod.spec;
        if (!spec?.nodeSelector && !spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution && !added) return skip;
        const nodeNames = namedNodes(pod);
        return nodeNames ? { nodeNames } : undefined;
      },
      filter(_state, { pod }, node) {
        if (added && !matchesNodeSelector(added, node)) return refusedByProfile;
        return matchesRequiredAffinity(pod, node) ? undefined : refused;
      },
      preScore: (_state, { pod }) => (alsoPreferred.length || pod.spec?.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution?.length ? undefined : skip),
      score: (_state, { pod }, node) => preference(alsoPreferred, node) + preference(pod.spec?.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [], node),
      normalize: (_state, _pod, scores) => defaultNormalize(scores, { max: maxNodeScore, reverse: false }),
    };
  },
});
