import type { NodeInfo } from '../../cache/node-info.ts';
import { type PodInfo, shapeOf } from '../../cache/pod-info.ts';
import type { Status } from '../../framework/status.ts';
import type { Candidate, PluginHandle } from '../../framework/types.ts';
import { selectVictims } from './victims.ts';

type DryRun = (node: NodeInfo) => Candidate | Status;

interface Kept {
  readonly budgets: string;
  /** By slot. */
  readonly at: number[];
  readonly results: (Candidate | Status | undefined)[];
}

const maxShapes = 16;

/**
 * What preemption for a pod would come to on a node. Where only local plugins judge the pod, answers are kept for all pods of its
 * shape, until the node or a budget changes.
 */
export function createDryRuns(handle: PluginHandle): (pod: PodInfo) => DryRun {
  const shapes = new Map<string, Kept>();
  const keptFor = (pod: PodInfo, budgets: string): Kept => {
    const shape = shapeOf(pod);
    const before = shapes.get(shape);
    const found = before?.budgets === budgets ? before : { budgets, at: [], results: [] };
    shapes.delete(shape);
    shapes.set(shape, found);
    if (shapes.size > maxShapes) shapes.delete(shapes.keys().next().value as string);
    return found;
  };
  return (pod) => {
    const budgets = handle.budgets();
    const local = handle.localFits(pod);
    const run: DryRun = (node) => selectVictims({ pod, node, budgets, fits: local ? (_pod, at) => local(at) : handle.fits });
    if (!local) return run;
    // Its own nomination counts for others and not for itself.
    const mine = handle.nominations.of(pod.uid);
    const { at, results } = keptFor(pod, budgets.map(({ metadata }) => `${metadata?.uid ?? ''}@${metadata?.resourceVersion ?? ''}`).join());
    return (node) => {
      const { slot, generation } = node;
      if (node.name === mine) return run(node);
      if (at[slot] === generation) return results[slot] as Candidate | Status;
      for (let i = at.length; i < slot; i++) at[i] = 0;
      const result = run(node);
      at[slot] = generation;
      results[slot] = result;
      return result;
    };
  };
}
