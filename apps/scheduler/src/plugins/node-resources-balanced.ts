import { definePlugin, maxNodeScore } from '../framework/types.ts';

function share(wanted: number, capacity: number): number {
  return capacity === 0 ? 1 : Math.min(1, wanted / capacity);
}

/** Prefers nodes whose CPU and memory would be used in equal measure: 100 minus the deviation of the two shares. */
export const nodeResourcesBalanced = definePlugin({
  name: 'NodeResourcesBalancedAllocation',
  create: () => ({
    name: 'NodeResourcesBalancedAllocation',
    score(_state, pod, node) {
      const cpu = share(node.requested.milliCpu + pod.requests.milliCpu, node.allocatable.milliCpu);
      const memory = share(node.requested.memory + pod.requests.memory, node.allocatable.memory);
      return Math.floor((1 - Math.abs(cpu - memory) / 2) * maxNodeScore);
    },
  }),
});
