import type { CSINode } from '@orrery/api/types';
import { claimClass, noProvisioner, podClaims } from '@orrery/api/volumes';
import type { NodeInfo } from '../cache/node-info.ts';
import type { PodInfo } from '../cache/pod-info.ts';
import { skip, unschedulable } from '../framework/status.ts';
import { definePlugin } from '../framework/types.ts';
import type { ClusterVolumes } from '../volumes/cluster-volumes.ts';
import { namesChangedClaim } from '../volumes/events.ts';

const name = 'NodeVolumeLimits';
const refused = unschedulable('node(s) exceed max volume count');

/** CSI volumes by handle, each with its driver. */
interface CsiVolumes {
  readonly byHandle: ReadonlyMap<string, string>;
  /** All claims have their volumes: this will not change any more. */
  readonly final: boolean;
}

const nothing: CsiVolumes = { byHandle: new Map(), final: true };

/** A pod's CSI volumes. A claim without volume counts for the driver that will make it one. */
function csiVolumes({ pod }: PodInfo, volumes: ClusterVolumes): CsiVolumes {
  if (!pod.spec?.volumes?.length) return nothing;
  const byHandle = new Map<string, string>();
  let final = true;
  for (const { claim: claimName } of podClaims(pod)) {
    const key = `${pod.metadata?.namespace ?? ''}/${claimName}`;
    const claim = volumes.claim(key);
    const volume = claim && volumes.volume(claim.spec?.volumeName ?? '');
    if (volume) {
      if (volume.spec?.csi) byHandle.set(`${volume.spec.csi.driver}/${volume.spec.csi.volumeHandle}`, volume.spec.csi.driver);
      continue;
    }
    final = false;
    const provisioner = claim && volumes.storageClass(claimClass(claim) ?? '')?.provisioner;
    if (provisioner && provisioner !== noProvisioner) byHandle.set(`${provisioner}/claim:${key}`, provisioner);
  }
  return { byHandle, final };
}

/** The volumes of the pods on a node. */
interface NodeVolumes {
  readonly generation: number;
  readonly handles: ReadonlySet<string>;
  readonly byDriver: ReadonlyMap<string, number>;
}

/** What is known of pods and nodes is kept until it can change. */
function createUsage(volumes: ClusterVolumes): { ofPod: (pod: PodInfo) => CsiVolumes; ofNode: (node: NodeInfo) => NodeVolumes } {
  const pods = new WeakMap<PodInfo, CsiVolumes>();
  const nodes = new WeakMap<NodeInfo, NodeVolumes>();
  const ofPod = (pod: PodInfo): CsiVolumes => {
    const known = pods.get(pod);
    if (known) return known;
    const found = csiVolumes(pod, volumes);
    if (found.final) pods.set(pod, found);
    return found;
  };
  const ofNode = (node: NodeInfo): NodeVolumes => {
    const known = nodes.get(node);
    if (known?.generation === node.generation) return known;
    const handles = new Set<string>();
    const byDriver = new Map<string, number>();
    let final = true;
    for (const pod of node.pods.values()) {
      const found = ofPod(pod);
      final &&= found.final;
      for (const [handle, driver] of found.byHandle) {
        if (handles.has(handle)) continue;
        handles.add(handle);
        byDriver.set(driver, (byDriver.get(driver) ?? 0) + 1);
      }
    }
    const result = { generation: node.generation, handles, byDriver };
    if (final) nodes.set(node, result);
    return result;
  };
  return { ofPod, ofNode };
}

function createLimits(): (node: CSINode) => ReadonlyMap<string, number> {
  const known = new WeakMap<CSINode, ReadonlyMap<string, number>>();
  return (node) => {
    let limits = known.get(node);
    if (!limits) {
      limits = new Map((node.spec?.drivers ?? []).flatMap(({ name: driver, allocatable }) => (allocatable?.count === undefined ? [] : [[driver, allocatable.count] as const])));
      known.set(node, limits);
    }
    return limits;
  };
}

/** A node takes as many volumes of a CSI driver as its CSINode says. */
export const nodeVolumeLimits = definePlugin({
  name,
  create: ({ volumes }) => {
    const usage = createUsage(volumes);
    const limitsOf = createLimits();
    return {
      name,
      events: [
        { resource: 'AssignedPod', actions: ['Delete'] },
        { resource: 'PersistentVolumeClaim', actions: ['Add', 'Update'], hint: namesChangedClaim },
        { resource: 'PersistentVolume', actions: ['Add', 'Update'] },
        { resource: 'CSINode', actions: ['Add', 'Update'] },
        { resource: 'Node', actions: ['Add'] },
      ],
      preFilter(state, pod) {
        const { byHandle } = usage.ofPod(pod);
        if (byHandle.size === 0) return skip;
        state.set(name, byHandle);
        return undefined;
      },
      filter(state, _pod, node) {
        const csiNode = volumes.csiNode(node.name);
        if (!csiNode) return undefined;
        const limits = limitsOf(csiNode);
        if (limits.size === 0) return undefined;
        const { handles, byDriver } = usage.ofNode(node);
        const adds = new Map<string, number>();
        for (const [handle, driver] of state.get(name) as ReadonlyMap<string, string>) if (!handles.has(handle)) adds.set(driver, (adds.get(driver) ?? 0) + 1);
        for (const [driver, count] of adds) {
          const limit = limits.get(driver);
          if (limit !== undefined && (byDriver.get(driver) ?? 0) + count > limit) return refused;
        }
        return undefined;
      },
    };
  },
});
