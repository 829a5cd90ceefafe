import type { NodeInfo } from '../cache/node-info.ts';
import type { PodInfo } from '../cache/pod-info.ts';
import type { NodeResourcesBalancedAllocationArgs } from '../configuration/types.ts';
import { skip } from '../framework/status.ts';
import { definePlugin, maxNodeScore } from '../framework/types.ts';
import { useOf } from './resource-scores.ts';

/** Half the difference of two shares; of more, their standard deviation. */
function deviation(shares: readonly number[]): number {
  if (shares.length < 2) return 0;
  if (shares.length === 2) return Math.abs(((shares[0] as number) - (shares[1] as number)) / 2);
  const mean = shares.reduce((a, b) => a + b, 0) / shares.length;
  return Math.sqrt(shares.reduce((sum, share) => sum + (share - mean) ** 2, 0) / shares.length);
}

/** Prefers nodes whose resources would be used in equal measure: 100 minus the deviation of the shares. */
export const nodeResourcesBalanced = definePlugin<NodeResourcesBalancedAllocationArgs>({
  name: 'NodeResourcesBalancedAllocation',
  create: (_handle, { resources }) => {
    const names = resources.map(({ name }) => name);
    const score = (pod: PodInfo, node: NodeInfo): number => {
      const shares: number[] = [];
      for (const name of names) {
        const use = useOf(name, pod, node, false);
        if (use && use.capacity > 0) shares.push(Math.min(1, use.wanted / use.capacity));
      }
      return Math.floor((1 - deviation(shares)) * maxNodeScore);
    };
    const asksNothing = ({ requests }: PodInfo): boolean => names.every((name) => (name === 'cpu' ? !requests.milliCpu : name === 'memory' ? !requests.memory : name === 'ephemeral-storage' ? !requests.ephemeralStorage : !requests.scalar?.get(name)));
    return {
      name: 'NodeResourcesBalancedAllocation',
      local: true,
      // A pod without requests would only balance what is there already.
      preScore: (_state, pod) => (asksNothing(pod) ? skip : undefined),
      score: (_state, pod, node) => score(pod, node),
    };
  },
});
