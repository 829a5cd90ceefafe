import type { Volume } from '@orrery/api/types';
import { podClaims } from '@orrery/api/volumes';
import type { Snapshot } from '../cache/snapshot.ts';
import { skip, unresolvable, unschedulable } from '../framework/status.ts';
import { definePlugin } from '../framework/types.ts';
import { namesChangedClaim } from '../volumes/events.ts';

const name = 'VolumeRestrictions';
const diskTaken = unschedulable('node(s) had no available disk');
const claimTaken = unschedulable('node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode');

const isDisk = (volume: Volume): boolean => Boolean(volume.gcePersistentDisk ?? volume.awsElasticBlockStore ?? volume.rbd ?? volume.iscsi);

/** Whether two volumes are one disk that cannot be mounted twice on a node. */
function clash(a: Volume, b: Volume): boolean {
  if (a.gcePersistentDisk && b.gcePersistentDisk) {
    return a.gcePersistentDisk.pdName === b.gcePersistentDisk.pdName && !(a.gcePersistentDisk.readOnly && b.gcePersistentDisk.readOnly);
  }
  if (a.awsElasticBlockStore && b.awsElasticBlockStore) return a.awsElasticBlockStore.volumeID === b.awsElasticBlockStore.volumeID;
  if (a.iscsi && b.iscsi) return a.iscsi.iqn === b.iscsi.iqn && a.iscsi.lun === b.iscsi.lun && !(a.iscsi.readOnly && b.iscsi.readOnly);
  if (!a.rbd || !b.rbd) return false;
  const [x, y] = [a.rbd, b.rbd];
  const shared = (x.monitors ?? []).some((monitor) => (y.monitors ?? []).includes(monitor));
  return shared && x.pool === y.pool && x.image === y.image && !(x.readOnly && y.readOnly);
}

function inUse(snapshot: Snapshot, namespace: string | undefined, claims: ReadonlySet<string>): boolean {
  for (const node of snapshot.nodes) {
    for (const { pod } of node.pods.values()) {
      if (pod.metadata?.namespace === namespace && pod.spec?.volumes?.length && podClaims(pod).some(({ claim }) => claims.has(claim))) return true;
    }
  }
  return false;
}

interface State {
  readonly disks: readonly Volume[];
  readonly taken: boolean;
}

/** A ReadWriteOncePod claim serves one pod of the whole cluster; some kinds of disk are mounted once a node. */
export const volumeRestrictions = definePlugin({
  name,
  create: ({ volumes }) => ({
    name,
    events: [
      { resource: 'AssignedPod', actions: ['Delete'] },
      { resource: 'Node', actions: ['Add', 'Update'] },
      { resource: 'PersistentVolumeClaim', actions: ['Add'], hint: namesChangedClaim },
    ],
    preFilter(state, { pod }, snapshot) {
      const { namespace } = pod.metadata ?? {};
      const exclusive = new Set<string>();
      for (const { claim: claimName, ephemeral } of podClaims(pod)) {
        if (ephemeral) continue;
        const claim = volumes.claim(`${namespace ?? ''}/${claimName}`);
        if (!claim) return unresolvable(`persistentvolumeclaim "${claimName}" not found`);
        if (claim.spec?.accessModes?.includes('ReadWriteOncePod')) exclusive.add(claimName);
      }
      const disks = (pod.spec?.volumes ?? []).filter(isDisk);
      if (exclusive.size === 0 && disks.length === 0) return skip;
      state.set(name, { disks, taken: exclusive.size > 0 && inUse(snapshot, namespace, exclusive) } satisfies State);
      return undefined;
    },
    filter(state, _pod, node) {
      const { disks, taken } = state.get(name) as State;
      if (disks.length) {
        for (const { pod } of node.pods.values()) {
          const others: readonly Volume[] = pod.spec?.volumes ?? [];
          if (others.some((other: Volume) => disks.some((disk) => clash(disk, other)))) return diskTaken;
        }
      }
      return taken ? claimTaken : undefined;
    },
  }),
});

