import type { InterPodAffinityArgs } from '../../configuration/types.ts';
import { skip, unresolvable } from '../../framework/status.ts';
import { definePlugin } from '../../framework/types.ts';
import { type FilterFacts, filterFacts, judge } from './filtering.ts';
import { nodeHelps, podHelps } from './hints.ts';
import { scoreFacts, scoreOf, stretch } from './scoring.ts';
import type { TopologyCounts } from './topology-counts.ts';

const name = 'InterPodAffinity';
const scoreKey = `${name}/score`;

/** Pod affinity and anti-affinity: required terms, those of pods already there included, refuse; preferred ones score. */
export const interPodAffinity = definePlugin<Partial<InterPodAffinityArgs>>({
  name,
  create: (handle, { hardPodAffinityWeight = 1, ignorePreferredTermsOfExistingPods = false }) => {
    const labelsOf = (namespace: string): Readonly<Record<string, string>> | undefined => handle.namespaceLabels?.(namespace);
    return {
      name,
      events: [
        { resource: 'AssignedPod', actions: ['Add', 'Update', 'Delete'], hint: (pod, event) => (podHelps(pod, event, labelsOf) ? 'Queue' : 'Skip') },
        { resource: 'Node', actions: ['Add', 'Update', 'Delete'], hint: (pod, event) => (nodeHelps(pod, event) ? 'Queue' : 'Skip') },
      ],
      preFilter(state, pod, snapshot) {
        if (pod.affinity?.error !== undefined) return unresolvable(`parsing pod: ${pod.affinity.error}`);
        const facts = filterFacts(pod, snapshot, labelsOf);
        if (!facts) return skip;
        state.set(name, facts);
        return undefined;
      },
      filter: (state, _pod, node) => judge(state.get(name) as FilterFacts, node),
      preScore(state, pod) {
        const counts = scoreFacts(pod, { snapshot: handle.snapshot(), labelsOf, hardPodAffinityWeight, ignoreTheirs: ignorePreferredTermsOfExistingPods });
        if (counts.size === 0) return skip;
        state.set(scoreKey, counts);
        return undefined;
      },
      score: (state, _pod, node) => scoreOf(state.get(scoreKey) as TopologyCounts, node),
      normalize: (_state, _pod, scores) => stretch(scores),
    };
  },
});
