import type { ScoringStrategy, UtilizationShapePoint } from '../../configuration/types.ts';
import { type PluginDefinition, definePlugin } from '../../framework/types.ts';
import { strategyScore } from '../resource-scores.ts';

const cpuAndMemory = [
  { name: 'cpu', weight: 1 },
  { name: 'memory', weight: 1 },
] as const;

function policy(name: string, strategyOf: (args: RatioArgs) => ScoringStrategy): PluginDefinition<RatioArgs> {
  return definePlugin<RatioArgs>({
    name,
    create(_handle, args) {
      const score = strategyScore(strategyOf(args));
      return { name, local: true, score: (_state, pod, node) => score(pod, node) };
    },
  });
}

export interface RatioArgs {
  readonly shape?: readonly UtilizationShapePoint[];
  readonly resources?: readonly { readonly name: string; readonly weight: number }[];
}

/** The policies LeastRequestedPriority, MostRequestedPriority and RequestedToCapacityRatioPriority, which became strategies of NodeResourcesFit. */
export const resourcePolicies: readonly PluginDefinition<RatioArgs>[] = [
  policy('NodeResourcesLeastAllocated', ({ resources = cpuAndMemory }) => ({ type: 'LeastAllocated', resources })),
  policy('NodeResourcesMostAllocated', ({ resources = cpuAndMemory }) => ({ type: 'MostAllocated', resources })),
  policy('RequestedToCapacityRatio', ({ shape = [], resources = cpuAndMemory }) => ({ type: 'RequestedToCapacityRatio', resources, requestedToCapacityRatio: { shape } })),
];
