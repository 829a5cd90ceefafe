import type { PersistentVolume, PersistentVolumeClaim, Pod, StorageClass, TopologySelectorTerm } from '@orrery/api/types';
import { bestVolume, claimClass, namesClaim, noProvisioner, notOwnClaim, podClaims, volumeAnnotations, waitsForConsumer } from '@orrery/api/volumes';
import { compareQuantity, parseQuantity, selectorFromObject } from '@orrery/apimachinery';
import type { NodeInfo } from '../../cache/node-info.ts';
import type { ClusterVolumes } from '../../volumes/cluster-volumes.ts';
import { matchesNodeSelector } from '../node-selector.ts';

export const conflicts = {
  bind: "node(s) didn't find available persistent volumes to bind",
  node: "node(s) didn't match PersistentVolume's node affinity",
  space: 'node(s) did not have enough free storage',
  volumeGone: 'node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)',
} as const;

/** A claim that waits for its first consumer, with the volumes that may do. */
export interface WaitingClaim {
  readonly claim: PersistentVolumeClaim;
  readonly storageClass: StorageClass | undefined;
  readonly candidates: readonly PersistentVolume[];
  /** The node that was chosen for it already. */
  readonly selectedNode: string | undefined;
}

/** The claims of one pod. */
export interface PodVolumeClaims {
  readonly bound: readonly PersistentVolumeClaim[];
  /** Smallest first, so that small claims do not take large volumes from others. */
  readonly waiting: readonly WaitingClaim[];
  /** Claims that are to be bound without regard to pods, and are not. */
  readonly immediate: readonly PersistentVolumeClaim[];
}

/** What binding a pod's claims on a node takes. */
export interface NodeVolumes {
  readonly bindings: readonly { readonly claim: PersistentVolumeClaim; readonly volume: PersistentVolume }[];
  readonly provisions: readonly PersistentVolumeClaim[];
}

/** The volumes and claims that pods on their way have taken, before the API server shows it. */
export interface Assumed {
  /** Volume name to claim key. */
  readonly volumes: ReadonlyMap<string, string>;
  /** Claim key to node name. */
  readonly nodes: ReadonlyMap<string, string>;
}

const keyOf = ({ metadata }: PersistentVolumeClaim): string => `${metadata?.namespace ?? ''}/${metadata?.name ?? ''}`;

/** Why a pod's claims keep it from every node, in upstream's words. */
export function claimProblem(pod: Pod, volumes: ClusterVolumes): string | undefined {
  for (const { claim: name, ephemeral } of podClaims(pod)) {
    const claim = volumes.claim(`${pod.metadata?.namespace ?? ''}/${name}`);
    if (!claim) return ephemeral ? `waiting for ephemeral volume controller to create the persistentvolumeclaim "${name}"` : `persistentvolumeclaim "${name}" not found`;
    if (claim.status?.phase === 'Lost') return `persistentvolumeclaim "${name}" bound to non-existent persistentvolume "${claim.spec?.volumeName ?? ''}"`;
    if (claim.metadata?.deletionTimestamp) return `persistentvolumeclaim "${name}" is being deleted`;
    const foreign = ephemeral ? notOwnClaim(pod, claim) : undefined;
    if (foreign) return foreign;
  }
  return undefined;
}

const requested = ({ spec }: PersistentVolumeClaim) => parseQuantity(spec?.resources?.requests?.['storage'] ?? '0');

export function claimsOfPod(pod: Pod, volumes: ClusterVolumes, assumed: Assumed): PodVolumeClaims {
  const bound: PersistentVolumeClaim[] = [];
  const waiting: WaitingClaim[] = [];
  const immediate: PersistentVolumeClaim[] = [];
  for (const { claim: name } of podClaims(pod)) {
    const claim = volumes.claim(`${pod.metadata?.namespace ?? ''}/${name}`);
    if (!claim) continue;
    const annotations = claim.metadata?.annotations ?? {};
    const className = claimClass(claim) ?? '';
    const storageClass = volumes.storageClass(className);
    if (claim.spec?.volumeName && annotations[volumeAnnotations.bindCompleted] !== undefined) bound.push(claim);
    else if (claim.spec?.volumeName || !waitsForConsumer(storageClass)) immediate.push(claim);
    else {
      const candidates = [...volumes.ofClass(className)].filter((volume) => {
        const holder = assumed.volumes.get(volume.metadata?.name ?? '');
        return (holder === undefined || holder === keyOf(claim)) && (volume.spec?.claimRef ? namesClaim(volume, claim) : volume.status?.phase === 'Available');
      });
      waiting.push({ claim, storageClass, candidates, selectedNode: assumed.nodes.get(keyOf(claim)) ?? annotations[volumeAnnotations.selectedNode] });
    }
  }
  waiting.sort((a, b) => compareQuantity(requested(a.claim), requested(b.claim)));
  return { bound, waiting, immediate };
}

export function reaches(volume: PersistentVolume, node: NodeInfo): boolean {
  const required = volume.spec?.nodeAffinity?.required;
  return required === undefined || matchesNodeSelector(required, node);
}

function allows(terms: readonly TopologySelectorTerm[] | undefined, node: NodeInfo): boolean {
  if (!terms?.length) return true;
  return terms.some(({ matchLabelExpressions = [] }) => matchLabelExpressions.every(({ key, values }) => values.includes(node.labels[key] ?? '')));
}

/** Whether a volume for the claim can be made on the node. */
function canProvision({ storageClass }: WaitingClaim, node: NodeInfo): boolean {
  const provisioner = storageClass?.provisioner ?? '';
  return provisioner !== '' && provisioner !== noProvisioner && allows(storageClass?.allowedTopologies, node);
}

/** Whether the driver says that a volume of the size can be made on the node; one that says nothing of capacities is believed. */
function hasRoom({ claim, storageClass }: WaitingClaim, node: NodeInfo, volumes: NodeVolumesSource): boolean {
  if (claim.spec?.resources?.requests?.['storage'] === undefined || volumes.csiDriver(storageClass?.provisioner ?? '')?.spec?.storageCapacity !== true) return true;
  const size = requested(claim);
  for (const { capacity, maximumVolumeSize, nodeTopology } of volumes.capacitiesOf(storageClass?.metadata?.name ?? '')) {
    const limit = maximumVolumeSize ?? capacity;
    if (limit !== undefined && nodeTopology && compareQuantity(parseQuantity(limit), size) >= 0 && selectorFromObject(nodeTopology).matches(node.labels)) return true;
  }
  return false;
}

type NodeVolumesSource = Pick<ClusterVolumes, 'volume' | 'csiDriver' | 'capacitiesOf'>;

/** How a pod's claims are met on a node, or why they are not. */
export function volumesOnNode(claims: PodVolumeClaims, node: NodeInfo, volumes: NodeVolumesSource): NodeVolumes | readonly string[] {
  const reasons: string[] = [];
  for (const { spec } of claims.bound) {
    const volume = volumes.volume(spec?.volumeName ?? '');
    if (!volume) return [conflicts.volumeGone];
    if (!reaches(volume, node) && reasons.length === 0) reasons.push(conflicts.node);
  }
  const bindings: { claim: PersistentVolumeClaim; volume: PersistentVolume }[] = [];
  const provisions: PersistentVolumeClaim[] = [];
  const taken = new Set<string>();
  let satisfied = true;
  let roomy = true;
  for (const waiting of claims.waiting) {
    const { claim, candidates, selectedNode } = waiting;
    if (selectedNode !== undefined) {
      if (selectedNode === node.name) {
        provisions.push(claim);
        roomy &&= hasRoom(waiting, node, volumes);
      } else satisfied = false;
      continue;
    }
    const volume = bestVolume(claim, candidates, { taken, reaches: (one) => reaches(one, node) });
    if (volume) {
      bindings.push({ claim, volume });
      taken.add(volume.metadata?.name ?? '');
    } else if (canProvision(waiting, node)) {
      provisions.push(claim);
      roomy &&= hasRoom(waiting, node, volumes);
    } else satisfied = false;
  }
  if (!satisfied) reasons.push(conflicts.bind);
  if (!roomy) reasons.push(conflicts.space);
  return reasons.length ? reasons : { bindings, provisions };
}
