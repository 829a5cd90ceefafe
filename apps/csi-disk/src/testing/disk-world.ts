import { CSINodes, CustomResourceDefinitions, Nodes, PersistentVolumeClaims, PersistentVolumes, StorageClasses, VolumeAttachments } from '@orrery/api';
import type { CSINode, PersistentVolume, PersistentVolumeClaim, StorageClass, VolumeAttachment } from '@orrery/api/types';
import { volumeAnnotations } from '@orrery/api/volumes';
import { type FakeApi, createFakeApi } from '@orrery/client/testing';
import { type Channel, Code, RpcError } from '@orrery/rpc';
import { type Random, VirtualClock, createMetrics, seededRandom, silentLogger } from '@orrery/runtime';
import { startCloud } from '../../../cloud/src/testing/cloud-harness.ts';
import { type Link, createLink } from '../../../controller-manager/src/testing/simulation/link.ts';
import { createCsiDisk } from '../component.ts';
import { driverName, zoneKey } from '../names.ts';
import { snapshotDefinitions } from '../snapshots/definitions.ts';
import { type VolumeSnapshot, VolumeSnapshots } from '../snapshots/kinds.ts';

export const namespace = 'd';
export const nodes: readonly string[] = ['n1', 'n2'];
const className = 'disks';
const type = 'application/merge-patch+json';

/** A cloud that refuses, does what it is asked and does not say so, or is asked twice. */
function flaky(channel: Channel, { dead, random, trouble }: { dead: () => boolean; random: Random; trouble: () => number }): Channel {
  return {
    ...channel,
    async call(definition, method, input, options) {
      if (dead()) return new Promise(() => undefined);
      const ask = (): unknown => channel.call(definition, method, input, options);
      if (random.next() >= trouble()) return ask();
      const fate = random.int(3);
      if (fate > 0) await ask();
      if (fate > 1) return ask();
      throw new RpcError(Code.UNAVAILABLE, 'the cloud is busy');
    },
  };
}

interface Replica {
  readonly link: Link;
  dead: boolean;
}

export interface WorldOptions {
  readonly seed: number;
  /** Share of requests that something befalls, of the cloud and of the API server. */
  readonly trouble: () => number;
  /** The cloud as the driver has it. */
  readonly sabotage?: (channel: Channel) => Channel;
}

/** Replicas of csi-disk between an API server and a cloud that both fail them, with what other controllers do of a claim's and a volume's life. */
export async function diskWorld({ seed, trouble, sabotage = (channel) => channel }: WorldOptions) {
  const clock = new VirtualClock({ drain: () => new Promise<void>((resolve) => void setImmediate(resolve)) });
  const api: FakeApi = createFakeApi({ clock, random: seededRandom(seed + 1) });
  /** Of removed disks: those whose claim was still there. */
  const lost: string[] = [];
  const contents = {
    path: (id: string) => `/disks/${id}`,
    create: () => Promise.resolve(),
    async remove(id: string) {
      const volume = api.objects<PersistentVolume>(PersistentVolumes).find(({ spec }) => spec?.csi?.volumeHandle === id);
      if (volume && api.find(PersistentVolumeClaims, volume.spec?.claimRef?.name ?? '', namespace)?.metadata?.uid === volume.spec?.claimRef?.uid) lost.push(id);
    },
  };
  const cloud = await startCloud({ clock, contents });
  const replicas: Replica[] = [];
  let born = 0;
  const established = { conditions: [{ type: 'Established', status: 'True' as const }] };
  api.seed(CustomResourceDefinitions, ...snapshotDefinitions.map((definition) => ({ ...definition, status: established }) as typeof definition));
  api.seed(StorageClasses, { metadata: { name: className }, provisioner: driverName, parameters: { type: 'fast' }, reclaimPolicy: 'Delete', volumeBindingMode: 'Immediate', allowVolumeExpansion: true } as StorageClass);
  for (const name of nodes) {
    const { zone = '' } = await cloud.instances.create({ name, zone: 'orrery-1a' });
    api.seed(Nodes, { metadata: { name, labels: { [zoneKey]: zone } } });
    api.seed(CSINodes, { metadata: { name }, spec: { drivers: [{ name: driverName, nodeID: name, topologyKeys: [zoneKey] }] } } as CSINode);
  }
  /** The volume binder: claims and the volumes made for them know each other, volumes of claims that are gone are released. */
  const bind = async (): Promise<void> => {
    for (const volume of api.objects<PersistentVolume>(PersistentVolumes)) {
      const name = volume.metadata?.name ?? '';
      const claim = api.find<PersistentVolumeClaim>(PersistentVolumeClaims, volume.spec?.claimRef?.name ?? '', namespace);
      const isMine = claim !== undefined && claim.metadata?.uid === volume.spec?.claimRef?.uid;
      const phase = isMine ? 'Bound' : 'Released';
      if (volume.status?.phase !== phase) api.setStatus(PersistentVolumes, { name }, { phase });
      if (!isMine || claim.spec?.volumeName) continue;
      const key = { namespace, name: claim.metadata?.name ?? '' };
      await api.patch(PersistentVolumeClaims, key, { spec: { volumeName: name } }, { type });
      api.setStatus(PersistentVolumeClaims, key, { phase: 'Bound', capacity: volume.spec?.capacity });
    }
  };
  return {
    clock,
    api,
    cloud,
    lost,
    bind,
    attachments: () => api.objects<VolumeAttachment>(VolumeAttachments),
    volumes: () => api.objects<PersistentVolume>(PersistentVolumes),
    claims: () => api.objects<PersistentVolumeClaim>(PersistentVolumeClaims),
    snapshots: () => api.objects<VolumeSnapshot>(VolumeSnapshots),
    replicas: replicas as readonly Replica[],
    spawn(): void {
      const own = seed * 1_000 + born++;
      const replica: Replica = { link: createLink({ clock, random: seededRandom(own), truth: api, trouble, onWrite: () => undefined }), dead: false };
      const channel = flaky(sabotage(cloud.cloud.channel()), { dead: () => replica.dead, random: seededRandom(own + 500), trouble });
      const component = createCsiDisk({ clock, random: seededRandom(own + 700), log: silentLogger, metrics: createMetrics() }, { api: replica.link, cloud: channel, identity: `r${born}` }, { storageClass: true });
      // It ends only by being killed: then nothing of it has an end.
      void Promise.resolve(component.start()).catch(() => undefined);
      replicas.push(replica);
    },
    /** Of this moment, whatever is under way, and another takes its place. */
    kill(index: number): void {
      const [victim] = replicas.splice(index, 1);
      victim?.link.cut();
      if (victim) victim.dead = true;
      this.spawn();
    },
    createClaim: (name: string) =>
      api.create(PersistentVolumeClaims, { metadata: { name, namespace, annotations: { [volumeAnnotations.storageProvisioner]: driverName } }, spec: { storageClassName: className, accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } } } as PersistentVolumeClaim),
    grow: (name: string, storage: string) => api.patch(PersistentVolumeClaims, { namespace, name }, { spec: { resources: { requests: { storage } } } }, { type }),
    attach: (volume: string, nodeName: string) => api.create(VolumeAttachments, { metadata: { name: `${volume}.${nodeName}` }, spec: { attacher: driverName, nodeName, source: { persistentVolumeName: volume } } } as VolumeAttachment),
    detach: ({ metadata }: VolumeAttachment) => api.delete(VolumeAttachments, { name: metadata?.name ?? '' }),
    snapshot: (name: string, claim: string) => api.create(VolumeSnapshots, { metadata: { name, namespace }, spec: { source: { persistentVolumeClaimName: claim } } } as VolumeSnapshot),
  };
}

export type DiskWorld = Awaited<ReturnType<typeof diskWorld>>;
