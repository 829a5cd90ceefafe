import type { Pod } from '@orrery/api/types';
import { everyContainer } from '../pods/pod-spec.ts';

/** How the containers of a pod use its volumes, by the volumes' names. */
export interface VolumeUses {
  /** As file systems. */
  readonly mounted: ReadonlySet<string>;
  /** As block devices. */
  readonly devices: ReadonlySet<string>;
}

/** A container that came later may use a volume that no other did. */
export function lacksVolumes({ spec }: Pod, made: ReadonlyMap<string, unknown>): boolean {
  return spec?.ephemeralContainers?.some(({ volumeMounts = [] }) => volumeMounts.some(({ name }) => !made.has(name))) ?? false;
}

const none: ReadonlySet<string> = new Set();

/** What no container uses is not made: upstream's kubelet passes over it. A file that an environment comes from is a use, too. */
export function volumeUses(pod: Pod): VolumeUses {
  const mounted = new Set<string>();
  let devices: Set<string> | undefined;
  for (const container of everyContainer(pod)) {
    for (const { name } of container.volumeMounts ?? []) mounted.add(name);
    for (const { name } of container.volumeDevices ?? []) (devices ??= new Set()).add(name);
    for (const { valueFrom } of container.env ?? []) if (valueFrom?.fileKeyRef?.volumeName) mounted.add(valueFrom.fileKeyRef.volumeName);
  }
  return { mounted, devices: devices ?? none };
}
