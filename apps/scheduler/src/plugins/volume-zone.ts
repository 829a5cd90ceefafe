import type { PersistentVolumeClaim } from '@orrery/api/types';
import { claimClass, podClaims, waitsForConsumer } from '@orrery/api/volumes';
import type { NodeInfo } from '../cache/node-info.ts';
import { type Status, skip, unresolvable } from '../framework/status.ts';
import { definePlugin } from '../framework/types.ts';
import type { ClusterVolumes } from '../volumes/cluster-volumes.ts';
import { volumeEvents } from '../volumes/events.ts';

const name = 'VolumeZone';
const refused = unresolvable('node(s) had no available volume zone');

/** Labels of volumes that nodes must share; the old name of one answers for the new one. */
const zoneLabels = [
  ['failure-domain.beta.kubernetes.io/zone', 'topology.kubernetes.io/zone'],
  ['failure-domain.beta.kubernetes.io/region', 'topology.kubernetes.io/region'],
  ['topology.kubernetes.io/zone', 'topology.kubernetes.io/zone'],
  ['topology.kubernetes.io/region', 'topology.kubernetes.io/region'],
] as const;

interface Place {
  readonly label: string;
  readonly current: string;
  /** A volume may lie in several zones: `a__b`. */
  readonly values: ReadonlySet<string>;
}

const nodeHasZone = (node: NodeInfo): boolean => zoneLabels.some(([label]) => node.labels[label] !== undefined);

function placesOf(claim: PersistentVolumeClaim, volumes: ClusterVolumes): Place[] | Status {
  const { volumeName } = claim.spec ?? {};
  if (!volumeName) {
    const className = claimClass(claim);
    if (!className) return unresolvable('PersistentVolumeClaim had no pv name and storageClass name');
    if (waitsForConsumer(volumes.storageClass(className))) return [];
    return unresolvable('PersistentVolume had no name');
  }
  const volume = volumes.volume(volumeName);
  if (!volume) return unresolvable(`persistentvolume "${volumeName}" not found`);
  return zoneLabels.flatMap(([label, current]) => {
    const value = volume.metadata?.labels?.[label];
    return value === undefined ? [] : [{ label, current, values: new Set(value.split('__')) }];
  });
}

/** Volumes with zone labels are reached from their zones alone. Nodes without such labels are not asked. */
export const volumeZone = definePlugin({
  name,
  create: ({ volumes }) => ({
    name,
    events: volumeEvents,
    preFilter(state, { pod }) {
      const places: Place[] = [];
      for (const { claim: claimName, ephemeral } of podClaims(pod)) {
        if (ephemeral) continue;
        const claim = volumes.claim(`${pod.metadata?.namespace ?? ''}/${claimName}`);
        const found = claim ? placesOf(claim, volumes) : unresolvable(`persistentvolumeclaim "${claimName}" not found`);
        if (!Array.isArray(found)) return found as Status;
        places.push(...found);
      }
      if (places.length === 0) return skip;
      state.set(name, places);
      return undefined;
    },
    filter(state, _pod, node) {
      if (!nodeHasZone(node)) return undefined;
      for (const { label, current, values } of state.get(name) as Place[]) {
        const value = node.labels[label] ?? node.labels[current];
        if (value === undefined || !values.has(value)) return refused;
      }
      return undefined;
    },
  }),
});
