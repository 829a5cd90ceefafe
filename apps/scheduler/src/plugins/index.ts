import type { PluginDefinition } from '../framework/types.ts';
import { defaultBinder } from './default-binder.ts';
import { defaultPreemption } from './default-preemption/default-preemption.ts';
import { imageLocality } from './image-locality.ts';
import { interPodAffinity } from './inter-pod-affinity/inter-pod-affinity.ts';
import { nodeAffinity } from './node-affinity.ts';
import { nodeName } from './node-name.ts';
import { nodePorts } from './node-ports.ts';
import { nodeResourcesBalanced } from './node-resources-balanced.ts';
import { nodeResourcesFit } from './node-resources-fit.ts';
import { nodeUnschedulable } from './node-unschedulable.ts';
import { nodeVolumeLimits } from './node-volume-limits.ts';
import { podTopologySpread } from './pod-topology-spread/pod-topology-spread.ts';
import { prioritySort } from './priority-sort.ts';
import { schedulingGates } from './scheduling-gates.ts';
import { taintToleration } from './taint-toleration.ts';
import { volumeBinding } from './volume-binding/volume-binding.ts';
import { volumeRestrictions } from './volume-restrictions.ts';
import { volumeZone } from './volume-zone.ts';

/** Every plugin there is, in the order of the default profile, with the weight of its scores. To add one: one file, one line here. */
export const plugins: readonly { readonly definition: PluginDefinition<any>; readonly weight: number }[] = [
  { definition: prioritySort, weight: 0 },
  { definition: schedulingGates, weight: 0 },
  { definition: nodeUnschedulable, weight: 0 },
  { definition: nodeName, weight: 0 },
  { definition: taintToleration, weight: 3 },
  { definition: nodeAffinity, weight: 2 },
  { definition: nodePorts, weight: 0 },
  { definition: nodeResourcesFit, weight: 1 },
  { definition: volumeRestrictions, weight: 0 },
  { definition: nodeVolumeLimits, weight: 0 },
  { definition: volumeBinding, weight: 0 },
  { definition: volumeZone, weight: 0 },
  { definition: podTopologySpread, weight: 2 },
  { definition: interPodAffinity, weight: 2 },
  { definition: nodeResourcesBalanced, weight: 1 },
  { definition: imageLocality, weight: 1 },
  { definition: defaultPreemption, weight: 0 },
  { definition: defaultBinder, weight: 0 },
];
