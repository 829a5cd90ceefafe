import type { CSIDriver, Node, PersistentVolume, PersistentVolumeClaim, Pod, VolumeAttachment } from '@orrery/api/types';
import { podClaims } from '@orrery/api/volumes';
import { isTerminal } from '../pods/pod-state.ts';

/** What pods on nodes need attached, by volume and node. */
export interface AttachWorld {
  readonly pods: Iterable<Pod>;
  readonly attachments: Iterable<VolumeAttachment>;
  /** By `namespace/name`. */
  claim(key: string): PersistentVolumeClaim | undefined;
  volume(name: string): PersistentVolume | undefined;
  driver(name: string): CSIDriver | undefined;
  node(name: string): Node | undefined;
  /** Since when an attachment (by its name) has not been needed; undefined: since now. */
  unneededSince(attachment: string): number | undefined;
  /** Whether a node that is not well loses what it does not unmount in time; default true. */
  readonly mayForce?: boolean;
}

export interface Attachment {
  readonly volume: string;
  readonly node: string;
  readonly driver: string;
  readonly handle: string;
  /** The pods on the node that need it. */
  readonly pods: readonly Pod[];
}

/** An attachment that has to wait, because only one node at a time may have the volume. */
export interface Blocked {
  readonly wanted: Attachment;
  /** Pods on other nodes that need it, too. */
  readonly others: readonly Pod[];
}

export type ForcedBy = 'timeout' | 'out-of-service';

export interface AttachPlan {
  readonly attach: readonly Attachment[];
  readonly blocked: readonly Blocked[];
  readonly detach: readonly VolumeAttachment[];
  /** Why those of them that are still mounted are detached all the same, by the name of the attachment. */
  readonly forced: ReadonlyMap<string, ForcedBy>;
  /** Not needed, but still mounted. */
  readonly mounted: readonly VolumeAttachment[];
  /** What each node is to be told it has, by node: unique volume names in order. */
  readonly attached: ReadonlyMap<string, readonly string[]>;
}

/** Upstream's time that a node which is not well gets to unmount. */
export const maxWaitForUnmountMs = 6 * 60_000;
const outOfServiceTaint = 'node.kubernetes.io/out-of-service';

const pairOf = (volume: string, node: string): string => `${volume} ${node}`;
const volumeOf = ({ spec }: VolumeAttachment): string => spec?.source.persistentVolumeName ?? '';

/** How node statuses name a CSI volume. */
export const uniqueName = (driver: string, handle: string): string => `kubernetes.io/csi/${driver}^${handle}`;

function wantedBy(pod: Pod, world: AttachWorld): Omit<Attachment, 'pods'>[] {
  const node = pod.spec?.nodeName;
  if (!node || isTerminal(pod) || !world.node(node)) return [];
  return podClaims(pod).flatMap(({ claim }) => {
    const volume = world.claim(`${pod.metadata?.namespace ?? ''}/${claim}`)?.spec?.volumeName ?? '';
    const csi = volume ? world.volume(volume)?.spec?.csi : undefined;
    if (!csi || world.driver(csi.driver)?.spec?.attachRequired === false) return [];
    return [{ volume, node, driver: csi.driver, handle: csi.volumeHandle }];
  });
}

function allWanted(world: AttachWorld): Map<string, Attachment> {
  const wanted = new Map<string, Attachment>();
  for (const pod of world.pods) {
    for (const one of wantedBy(pod, world)) {
      const pair = pairOf(one.volume, one.node);
      wanted.set(pair, { ...one, pods: [...(wanted.get(pair)?.pods ?? []), pod] });
    }
  }
  return wanted;
}

/** Several nodes may have the volume. */
function isShared(volume: PersistentVolume | undefined): boolean {
  const modes = volume?.spec?.accessModes ?? [];
  return !modes.length || modes.includes('ReadWriteMany') || modes.includes('ReadOnlyMany');
}

const isReady = (node: Node): boolean => node.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;

/** A volume that its node still has mounted stays attached, unless the node is out of service or has not been well for long. */
function mayDetach(attachment: VolumeAttachment, name: string, { world, nowMs }: { world: AttachWorld; nowMs: number }): 'unmounted' | ForcedBy | undefined {
  const node = world.node(attachment.spec?.nodeName ?? '');
  if (!node?.status?.volumesInUse?.includes(name)) return 'unmounted';
  if (node.spec?.taints?.some(({ key }) => key === outOfServiceTaint)) return 'out-of-service';
  const sinceMs = world.unneededSince(attachment.metadata?.name ?? '') ?? nowMs;
  return world.mayForce !== false && !isReady(node) && nowMs - sinceMs >= maxWaitForUnmountMs ? 'timeout' : undefined;
}

/** The attachments to make, one a volume and node that some pod needs, and those that no pod needs any more. */
export function planAttachments(world: AttachWorld, nowMs: number): AttachPlan {
  const wanted = allWanted(world);
  const there = new Set<string>();
  const holders = new Map<string, string[]>();
  const leaving = new Set<string>();
  const attached = new Map<string, string[]>();
  const [detach, mounted]: [VolumeAttachment[], VolumeAttachment[]] = [[], []];
  const forced = new Map<string, ForcedBy>();
  for (const attachment of world.attachments) {
    const volume = volumeOf(attachment);
    const csi = world.volume(volume)?.spec?.csi;
    // Inline volumes, and volumes that are not known, are others' business.
    if (!csi) continue;
    const node = attachment.spec?.nodeName ?? '';
    const name = uniqueName(csi.driver, csi.volumeHandle);
    there.add(pairOf(volume, node));
    holders.set(volume, [...(holders.get(volume) ?? []), node]);
    const going = attachment.metadata?.deletionTimestamp !== undefined;
    if (going) leaving.add(pairOf(volume, node));
    if (wanted.has(pairOf(volume, node)) || going) {
      if (going || !attachment.status?.attached) continue;
    } else {
      const free = mayDetach(attachment, name, { world, nowMs });
      (free ? detach : mounted).push(attachment);
      if (free && free !== 'unmounted') forced.set(attachment.metadata?.name ?? '', free);
      if (free) {
        leaving.add(pairOf(volume, node));
        continue;
      }
    }
    attached.set(node, [...(attached.get(node) ?? []), name].sort());
  }
  const attach: Attachment[] = [];
  const blocked: Blocked[] = [];
  for (const [pair, one] of wanted) {
    if (there.has(pair)) continue;
    const elsewhere = (holders.get(one.volume) ?? []).filter((node) => node !== one.node);
    if (elsewhere.length && !isShared(world.volume(one.volume))) {
      // What is on its way off another node need not be told: it is waited for.
      const staying = elsewhere.filter((node) => !leaving.has(pairOf(one.volume, node)));
      if (staying.length) blocked.push({ wanted: one, others: staying.flatMap((node) => wanted.get(pairOf(one.volume, node))?.pods ?? []) });
    } else {
      attach.push(one);
      // The first of two that want it at once has it.
      holders.set(one.volume, [...(holders.get(one.volume) ?? []), one.node]);
    }
  }
  return { attach, blocked, detach, forced, mounted, attached };
}

/** What a pod is told whose volume another node has, as upstream words it. */
export function multiAttachMessage({ wanted, others }: Blocked, namespace: string): string {
  const head = `Multi-Attach error for volume "${wanted.volume}" `;
  if (!others.length) return `${head}Volume is already exclusively attached to one node and can't be attached to another`;
  const near = others.filter(({ metadata }) => metadata?.namespace === namespace).map(({ metadata }) => metadata?.name ?? '');
  const far = others.length - near.length;
  if (!near.length) return `${head}Volume is already used by ${far} pod(s) in different namespaces`;
  return `${head}Volume is already used by pod(s) ${near.join(', ')}${far ? ` and ${far} pod(s) in different namespaces` : ''}`;
}

/** The name upstream gives it: a hash of volume, driver and node. */
export async function attachmentName({ handle, driver, node }: Pick<Attachment, 'handle' | 'driver' | 'node'>): Promise<string> {
  const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(`${handle}${driver}${node}`));
  return `csi-${Buffer.from(hash).toString('hex')}`;
}
