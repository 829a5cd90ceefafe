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

/** The volumes of the pods on a node, and how many it takes by driver. */
interface NodeVolumes {
  readonly generation: number;
  readonly csiNodes: number;
  readonly limits: ReadonlyMap<string, number>;
  readonly handles: ReadonlySet<string>;
  readonly byDriver: ReadonlyMap<string, number>;
}

const noLimits: ReadonlyMap<string, number> = new Map();

function limitsOf(node: CSINode | undefined): ReadonlyMap<string, number> {
  const limited = (node?.spec?.drivers ?? []).flatMap(({ name: driver, allocatable }) => (allocatable?.count === undefined ? [] : [[driver, allocatable.count] as const]));
  return limited.length ? new Map(limited) : noLimits;
}

/** What is known of pods and nodes is kept until it can change: the filter is called for thousands of nodes a pod. */
function createUsage(volumes: ClusterVolumes): { ofPod: (pod: PodInfo) => CsiVolumes; ofNode: (node: NodeInfo) => NodeVolumes } {
  const pods = new WeakMap<PodInfo, CsiVolumes>();
  /** By the slot of the node. */
  const nodes: (NodeVolumes | undefined)[] = [];
  const ofPod = (pod: PodInfo): CsiVolumes => {
    const known = pods.get(pod);
    if (known) return known;
    const found = csiVolumes(pod, volumes);
    if (found.final) pods.set(pod, found);
    return found;
  };
  const ofNode = (node: NodeInfo): NodeVolumes => {
    const { generation, slot } = node;
    const csiNodes = volumes.csiNodesVersion();
    const known = nodes[slot];
    if (known && known.generation === generation && known.csiNodes === csiNodes) return known;
    const limits = limitsOf(volumes.csiNode(node.name));
    const handles = new Set<string>();
    const byDriver = new Map<string, number>();
    let final = true;
    for (const pod of limits.size ? node.pods.values() : []) {
      const found = ofPod(pod);
      final &&= found.final;
      for (const [handle, driver] of found.byHandle) {
        if (handles.has(handle)) continue;
        handles.add(handle);
        byDriver.set(driver, (byDriver.get(driver) ?? 0) + 1);
      }
    }
    const result = { generation, csiNodes, limits, handles, byDriver };
    for (let i = nodes.length; i < slot; i++) nodes[i] = undefined;
    nodes[slot] = final ? result : undefined;
    return result;
  };
  return { ofPod, ofNode };
}

/** A pod's volumes of one driver. */
type Wanted = readonly (readonly [driver: string, handles: readonly string[]])[];

function wantedOf(byHandle: ReadonlyMap<string, string>): Wanted {
  const byDriver = new Map<string, string[]>();
  for (const [handle, driver] of byHandle) {
    const handles = byDriver.get(driver);
    if (handles) handles.push(handle);
    else byDriver.set(driver, [handle]);
  }
  return [...byDriver];
}

/** A node takes as many volumes of a CSI driver as its CSINode says. */
export const nodeVolumeLimits = definePlugin({
  name,
  create: ({ volumes }) => {
    const usage = createUsage(volumes);
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
        state.set(name, wantedOf(byHandle));
        return undefined;
      },
      filter(state, _pod, node) {
        const { limits, handles, byDriver } = usage.ofNode(node);
        if (limits.size === 0) return undefined;
        for (const [driver, wanted] of state.get(name) as Wanted) {
          const limit = limits.get(driver);
          const left = limit === undefined ? Number.POSITIVE_INFINITY : limit - (byDriver.get(driver) ?? 0);
          // Volumes that are there already count once.
          if (wanted.length > left && wanted.filter((handle) => !handles.has(handle)).length > Math.max(0, left)) return refused;
        }
        return undefined;
      },
    };
  },
});
