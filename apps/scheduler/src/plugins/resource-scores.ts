import type { NodeInfo } from '../cache/node-info.ts';
import type { PodInfo } from '../cache/pod-info.ts';
import type { ResourceSpec, ScoringStrategy } from '../configuration/types.ts';
import { maxNodeScore } from '../framework/types.ts';
import { shapeFunction } from './capacity-shape.ts';

/** What a pod and those on a node would use of a resource, and what there is of it. */
interface Use {
  readonly wanted: number;
  readonly capacity: number;
}

/** Undefined when the resource has no part in the score: an extended one that the pod does not ask for, or the node does not have. */
export function useOf(name: string, pod: PodInfo, node: NodeInfo, nonZero: boolean): Use | undefined {
  const there = nonZero ? node.nonZeroRequested : node.requested;
  const asked = nonZero ? pod.nonZero : pod.requests;
  switch (name) {
    case 'cpu':
      return { wanted: there.milliCpu + asked.milliCpu, capacity: node.allocatable.milliCpu };
    case 'memory':
      return { wanted: there.memory + asked.memory, capacity: node.allocatable.memory };
    case 'ephemeral-storage':
      return { wanted: node.requested.ephemeralStorage + pod.requests.ephemeralStorage, capacity: node.allocatable.ephemeralStorage };
    default: {
      const wanted = pod.requests.scalar?.get(name) ?? 0;
      return wanted === 0 ? undefined : { wanted: (node.requested.scalar?.get(name) ?? 0) + wanted, capacity: node.allocatable.scalar?.get(name) ?? 0 };
    }
  }
}

type ResourceScore = (use: Use) => number;

const least: ResourceScore = ({ wanted, capacity }) => (wanted > capacity ? 0 : Math.floor(((capacity - wanted) * maxNodeScore) / capacity));
const most: ResourceScore = ({ wanted, capacity }) => Math.floor((Math.min(wanted, capacity) * maxNodeScore) / capacity);

/** Upstream takes a node that would be overfull for one that is full. */
function byRatio({ requestedToCapacityRatio }: ScoringStrategy): ResourceScore {
  const score = shapeFunction(requestedToCapacityRatio?.shape ?? []);
  return ({ wanted, capacity }) => score(wanted > capacity ? 100 : Math.trunc((wanted * 100) / capacity));
}

/** The score of a node by a strategy: the weighted mean over the resources. */
export function strategyScore(strategy: ScoringStrategy): (pod: PodInfo, node: NodeInfo) => number {
  const ratio = strategy.type === 'RequestedToCapacityRatio';
  const one = ratio ? byRatio(strategy) : strategy.type === 'MostAllocated' ? most : least;
  const { resources } = strategy;
  return (pod, node) => {
    let total = 0;
    let weights = 0;
    for (let i = 0; i < resources.length; i++) {
      const { name, weight } = resources[i] as ResourceSpec;
      const use = useOf(name, pod, node, true);
      if (!use || use.capacity === 0) continue;
      const score = one(use);
      // A resource that scores nothing by its shape has no say.
      if (ratio && score <= 0) continue;
      total += score * weight;
      weights += weight;
    }
    if (weights === 0) return 0;
    return ratio ? Math.round(total / weights) : Math.floor(total / weights);
  };
}
