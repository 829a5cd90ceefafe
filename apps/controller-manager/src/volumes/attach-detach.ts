import { CSIDrivers, Nodes, PersistentVolumeClaims, PersistentVolumes, Pods, VolumeAttachments } from '@orrery/api';
import type { CSIDriver, PersistentVolume, PersistentVolumeClaim, Pod, VolumeAttachment } from '@orrery/api/types';
import { podClaims } from '@orrery/api/volumes';
import { defineController, watch } from '@orrery/controller';
import { isAlreadyExists, isNotFound } from '@orrery/errors';
import { isTerminal } from '../pods/pod-state.ts';

/** What pods on nodes need attached, by volume and node. */
export interface AttachWorld {
  readonly pods: Iterable<Pod>;
  readonly attachments: Iterable<VolumeAttachment>;
  /** By `namespace/name`. */
  claim(key: string): PersistentVolumeClaim | undefined;
  volume(name: string): PersistentVolume | undefined;
  driver(name: string): CSIDriver | undefined;
  hasNode(name: string): boolean;
}

export interface Attachment {
  readonly volume: string;
  readonly node: string;
  readonly driver: string;
  readonly handle: string;
}

export interface AttachPlan {
  readonly attach: readonly Attachment[];
  readonly detach: readonly VolumeAttachment[];
}

const pairOf = (volume: string, node: string): string => `${volume} ${node}`;
const attachedPair = ({ spec }: VolumeAttachment): string => pairOf(spec?.source.persistentVolumeName ?? '', spec?.nodeName ?? '');

function wantedBy(pod: Pod, world: AttachWorld): Attachment[] {
  const node = pod.spec?.nodeName;
  if (!node || isTerminal(pod) || !world.hasNode(node)) return [];
  return podClaims(pod).flatMap(({ claim }) => {
    const volume = world.claim(`${pod.metadata?.namespace ?? ''}/${claim}`)?.spec?.volumeName ?? '';
    const csi = volume ? world.volume(volume)?.spec?.csi : undefined;
    if (!csi || world.driver(csi.driver)?.spec?.attachRequired === false) return [];
    return [{ volume, node, driver: csi.driver, handle: csi.volumeHandle }];
  });
}

/** The attachments to make, one a volume and node that some pod needs, and those that no pod needs any more. */
export function planAttachments(world: AttachWorld): AttachPlan {
  const wanted = new Map<string, Attachment>();
  for (const pod of world.pods) for (const one of wantedBy(pod, world)) wanted.set(pairOf(one.volume, one.node), one);
  const there = new Set<string>();
  const detach: VolumeAttachment[] = [];
  for (const attachment of world.attachments) {
    // Inline volumes, and volumes that are not known, are others' business.
    if (!world.volume(attachment.spec?.source.persistentVolumeName ?? '')?.spec?.csi) continue;
    there.add(attachedPair(attachment));
    if (!wanted.has(attachedPair(attachment)) && !attachment.metadata?.deletionTimestamp) detach.push(attachment);
  }
  return { attach: [...wanted].flatMap(([pair, one]) => (there.has(pair) ? [] : [one])), detach };
}

/** The name upstream gives it: a hash of volume, driver and node. */
export async function attachmentName({ handle, driver, node }: Attachment): Promise<string> {
  const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(`${handle}${driver}${node}`));
  return `csi-${Buffer.from(hash).toString('hex')}`;
}

const key = 'attachments';
const usesClaims = (pod: Pod): boolean => podClaims(pod).length > 0;

/** Keeps a VolumeAttachment for every CSI volume and node where pods use it. Attaching is the external attacher's. */
export const attachDetachController = defineController({
  name: 'persistentvolume-attach-detach-controller',
  account: 'attachdetach-controller',
  eventSource: 'attachdetach-controller',
  concurrency: 1,
  coalesceMs: () => 100,
  watches: [
    watch(Pods, ({ object }) => (usesClaims(object) ? [key] : [])),
    watch(PersistentVolumes, ({ object }) => (object.spec?.csi ? [key] : [])),
    watch(PersistentVolumeClaims, ({ object }) => (object.spec?.volumeName ? [key] : [])),
    watch(VolumeAttachments, () => [key]),
    watch(Nodes, ({ gone, old }) => (gone || !old ? [key] : [])),
  ],
  setup(context) {
    context.store(CSIDrivers);
    context.store(PersistentVolumes).addIndexer('csi', ({ spec }) => (spec?.csi ? ['yes'] : []));
  },
  async reconcile(_key, { api, store }) {
    const attachments = store(VolumeAttachments);
    // Most clusters have no such volumes: then there is no need to look at the pods.
    if (store(PersistentVolumes).countByIndex('csi', 'yes') === 0 && attachments.size === 0) return;
    const plan = planAttachments({
      pods: store(Pods).list(),
      attachments: attachments.list(),
      claim: (name) => store(PersistentVolumeClaims).get(name),
      volume: (name) => store(PersistentVolumes).get(name),
      driver: (name) => store(CSIDrivers).get(name),
      hasNode: (name) => store(Nodes).has(name),
    });
    for (const one of plan.attach) {
      const spec = { attacher: one.driver, nodeName: one.node, source: { persistentVolumeName: one.volume } };
      const made = { apiVersion: 'storage.k8s.io/v1', kind: VolumeAttachments.kind, metadata: { name: await attachmentName(one) }, spec };
      await api.create(VolumeAttachments, made).catch((error: unknown) => {
        if (!isAlreadyExists(error)) throw error;
      });
    }
    for (const { metadata } of plan.detach) {
      await api.delete(VolumeAttachments, { name: metadata?.name ?? '' }).catch((error: unknown) => {
        if (!isNotFound(error)) throw error;
      });
    }
  },
});
