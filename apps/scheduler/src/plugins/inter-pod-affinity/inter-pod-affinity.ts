import { createFold } from '../../cache/fold.ts';
import { groupOf } from '../../cache/pod-info.ts';
import type { InterPodAffinityArgs } from '../../configuration/types.ts';
import { skip, unresolvable } from '../../framework/status.ts';
import { definePlugin } from '../../framework/types.ts';
import { type FilterFacts, cannotMatter, folding, isIdle, judge } from './filtering.ts';
import { nodeHelps, podHelps } from './hints.ts';
import { cannotScore, scoreFolding, scoreOf, stretch } from './scoring.ts';
import type { TopologyCounts } from './topology-counts.ts';

const name = 'InterPodAffinity';
const scoreKey = `${name}/score`;

/** Pod affinity and anti-affinity: required terms, those of pods already there included, refuse; preferred ones score. */
export const interPodAffinity = definePlugin<Partial<InterPodAffinityArgs>>({
  name,
  create: (handle, { hardPodAffinityWeight = 1, ignorePreferredTermsOfExistingPods = false }) => {
    const labelsOf = (namespace: string): Readonly<Record<string, string>> | undefined => handle.namespaceLabels?.(namespace);
    const foldFacts = createFold<FilterFacts>();
    const foldCounts = createFold<TopologyCounts>();
    return {
      name,
      events: [
        { resource: 'AssignedPod', actions: ['Add', 'Update', 'Delete'], hint: (pod, event) => (podHelps(pod, event, labelsOf) ? 'Queue' : 'Skip') },
        { resource: 'Node', actions: ['Add', 'Update', 'Delete'], hint: (pod, event) => (nodeHelps(pod, event) ? 'Queue' : 'Skip') },
      ],
      preFilter(state, pod, snapshot) {
        if (pod.affinity?.error !== undefined) return unresolvable(`parsing pod: ${pod.affinity.error}`);
        if (cannotMatter(pod, snapshot)) return skip;
        const facts = foldFacts(groupOf(pod), snapshot, folding(pod, snapshot, labelsOf));
        if (isIdle(facts)) return skip;
        state.set(name, facts);
        return undefined;
      },
      filter: (state, _pod, node) => judge(state.get(name) as FilterFacts, node),
      preScore(state, pod) {
        const options = { snapshot: handle.snapshot(), labelsOf, hardPodAffinityWeight, ignoreTheirs: ignorePreferredTermsOfExistingPods };
        if (cannotScore(pod, options)) return skip;
        const counts = foldCounts(groupOf(pod), options.snapshot, scoreFolding(pod, options));
        if (counts.size === 0) return skip;
        state.set(scoreKey, counts);
        return undefined;
      },
      score: (state, _pod, node) => scoreOf(state.get(scoreKey) as TopologyCounts, node),
      normalize: (_state, _pod, scores) => stretch(scores),
    };
  },
});
