import type { CSIDriver, Container, Pod } from '@orrery/api/types';
import type { DirectoryAttributes, VolumeFile, VolumeHost } from '@orrery/cri';
import { everyContainer } from '../pods/pod-spec.ts';

/** Whom the volumes of a pod belong to; undefined: root. */
export interface VolumeOwners {
  readonly fsGroup: number | undefined;
  /** The one user that all containers run as. */
  readonly fsUser: number | undefined;
}

const setgid = 0o2000;
/** What the group gets: to read a file, to search a directory. */
const groupRead = 0o440;
const groupSearch = 0o110;

export function volumeOwners(pod: Pod): VolumeOwners {
  const { runAsUser, fsGroup } = pod.spec?.securityContext ?? {};
  const containers = everyContainer(pod);
  const userOf = ({ securityContext }: Container): number | undefined => securityContext?.runAsUser ?? runAsUser;
  const user = containers[0] && userOf(containers[0]);
  return { fsGroup, fsUser: containers.every((container) => userOf(container) === user) ? user : undefined };
}

/** A file of a read-only volume as the pod's group may read it. */
export function ownedFile(file: VolumeFile, { fsGroup }: VolumeOwners): VolumeFile {
  return fsGroup === undefined ? file : { ...file, mode: file.mode | groupRead, gid: fsGroup };
}

/** The directory of a volume: new files in it belong to the pod's group too. */
export function ownedDirectory(directory: DirectoryAttributes, { fsGroup }: VolumeOwners): DirectoryAttributes {
  return fsGroup === undefined ? directory : { ...directory, mode: directory.mode | setgid | groupRead | groupSearch, gid: fsGroup };
}

/** Gives the content of a volume that outlives the pod to its `fsGroup`, as often as `fsGroupChangePolicy` says. */
export async function giveToPod(host: VolumeHost, path: string, { pod, readOnly }: { pod: Pod; readOnly: boolean }): Promise<void> {
  const { fsGroup, fsGroupChangePolicy } = pod.spec?.securityContext ?? {};
  if (fsGroup !== undefined) await host.giveToGroup(path, { gid: fsGroup, readOnly, onlyOnMismatch: fsGroupChangePolicy === 'OnRootMismatch' });
}

/** Whether the kubelet gives a CSI volume to the pod's group, by the driver's `fsGroupPolicy`. */
export function followsFsGroup(driver: CSIDriver | undefined, { fsType = '', accessModes, readOnly }: { fsType?: string | undefined; accessModes: readonly string[]; readOnly: boolean }): boolean {
  const policy = driver?.spec?.fsGroupPolicy ?? 'ReadWriteOnceWithFSType';
  if (policy === 'None' || readOnly) return false;
  return policy === 'File' || (fsType !== '' && accessModes.includes('ReadWriteOnce'));
}
