import type { Pod } from '@orrery/api/types';
import type { NodeInfo } from '../../cache/node-info.ts';
import { skip } from '../../framework/status.ts';
import { type Scores, definePlugin, maxNodeScore } from '../../framework/types.ts';
import { defaultConstraints } from '../pod-topology-spread/default-constraints.ts';

const name = 'SelectorSpread';
/** Zones count for two thirds where there are any. */
const zoneWeight = 2 / 3;

function zoneOf({ labels }: NodeInfo): string {
  const [region, zone] = [labels['topology.kubernetes.io/region'] ?? '', labels['topology.kubernetes.io/zone'] ?? ''];
  return region || zone ? `${region}/${zone}` : '';
}

/** The policy SelectorSpreadPriority: fewer pods of the same services and workloads on a node and in its zone are better. */
export const selectorSpread = definePlugin({
  name,
  create({ informers }) {
    const selectors = defaultConstraints(informers, { defaultingType: 'System' });
    const turn = (scores: Scores, nodes: readonly NodeInfo[]): void => {
      const byZone = new Map<string, number>();
      let most = 0;
      nodes.forEach((node, i) => {
        const count = scores[i] ?? 0;
        most = Math.max(most, count);
        const zone = zoneOf(node);
        if (zone) byZone.set(zone, (byZone.get(zone) ?? 0) + count);
      });
      const mostInZone = Math.max(0, ...byZone.values());
      nodes.forEach((node, i) => {
        const own = most > 0 ? (maxNodeScore * (most - (scores[i] ?? 0))) / most : maxNodeScore;
        const zone = zoneOf(node);
        const ofZone = mostInZone > 0 ? (maxNodeScore * (mostInZone - (byZone.get(zone) ?? 0))) / mostInZone : maxNodeScore;
        scores[i] = Math.floor(zone ? own * (1 - zoneWeight) + zoneWeight * ofZone : own);
      });
    };
    return {
      name,
      preScore(state, { pod }) {
        const selector = pod.spec?.topologySpreadConstraints?.length ? undefined : selectors?.of(pod, 'ScheduleAnyway')[0]?.selector;
        if (!selector) return skip;
        state.set(name, (other: Pod) => other.metadata?.namespace === pod.metadata?.namespace && !other.metadata?.deletionTimestamp && selector.matches(other.metadata?.labels));
        return undefined;
      },
      score(state, _pod, node) {
        const isSibling = state.get(name) as (pod: Pod) => boolean;
        let count = 0;
        for (const { pod } of node.pods.values()) if (isSibling(pod)) count += 1;
        return count;
      },
      normalize: (_state, _pod, scores, nodes) => turn(scores, nodes),
    };
  },
});
