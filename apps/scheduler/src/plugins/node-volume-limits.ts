import type { Pod } from '@orrery/api/types';
import { claimClass, noProvisioner, podClaims } from '@orrery/api/volumes';
import { skip, unschedulable } from '../framework/status.ts';
import { definePlugin } from '../framework/types.ts';
import type { ClusterVolumes } from '../volumes/cluster-volumes.ts';
import { namesChangedClaim } from '../volumes/events.ts';

const name = 'NodeVolumeLimits';
const refused = unschedulable('node(s) exceed max volume count');

/** A pod's CSI volumes: their handles, each with its driver. A claim without volume counts for the driver that will make it one. */
function csiVolumes(pod: Pod, volumes: ClusterVolumes): Map<string, string> {
  const found = new Map<string, string>();
  for (const { claim: claimName } of podClaims(pod)) {
    const key = `${pod.metadata?.namespace ?? ''}/${claimName}`;
    const claim = volumes.claim(key);
    if (!claim) continue;
    const volume = volumes.volume(claim.spec?.volumeName ?? '');
    if (volume) {
      if (volume.spec?.csi) found.set(`${volume.spec.csi.driver}/${volume.spec.csi.volumeHandle}`, volume.spec.csi.driver);
      continue;
    }
    const provisioner = volumes.storageClass(claimClass(claim) ?? '')?.provisioner;
    if (provisioner && provisioner !== noProvisioner) found.set(`${provisioner}/claim:${key}`, provisioner);
  }
  return found;
}

/** A node takes as many volumes of a CSI driver as its CSINode says. */
export const nodeVolumeLimits = definePlugin({
  name,
  create: ({ volumes }) => ({
    name,
    events: [
      { resource: 'AssignedPod', actions: ['Delete'] },
      { resource: 'PersistentVolumeClaim', actions: ['Add', 'Update'], hint: namesChangedClaim },
      { resource: 'PersistentVolume', actions: ['Add', 'Update'] },
      { resource: 'CSINode', actions: ['Add', 'Update'] },
      { resource: 'Node', actions: ['Add'] },
    ],
    preFilter(state, { pod }) {
      const wanted = pod.spec?.volumes?.length ? csiVolumes(pod, volumes) : new Map<string, string>();
      if (wanted.size === 0) return skip;
      state.set(name, wanted);
      return undefined;
    },
    filter(state, _pod, node) {
      const drivers = volumes.csiNode(node.name)?.spec?.drivers ?? [];
      const limits = new Map(drivers.flatMap(({ name: driver, allocatable }) => (allocatable?.count === undefined ? [] : [[driver, allocatable.count] as const])));
      if (limits.size === 0) return undefined;
      const handles = new Map<string, string>();
      for (const { pod } of node.pods.values()) if (pod.spec?.volumes?.length) for (const [handle, driver] of csiVolumes(pod, volumes)) handles.set(handle, driver);
      const wanted = [...(state.get(name) as Map<string, string>)].filter(([handle]) => !handles.has(handle));
      for (const [driver, limit] of limits) {
        const adds = wanted.filter(([, of]) => of === driver).length;
        const has = adds ? [...handles.values()].filter((of) => of === driver).length : 0;
        if (adds && has + adds > limit) return refused;
      }
      return undefined;
    },
  }),
});
