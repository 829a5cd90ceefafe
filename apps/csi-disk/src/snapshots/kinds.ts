import type { KubeObject, ResourceRef } from '@orrery/apimachinery';

export const snapshotGroup = 'snapshot.storage.k8s.io';

/** A user's wish for a snapshot, or for one that is there already. */
export interface VolumeSnapshot extends KubeObject {
  readonly spec: {
    readonly source: { readonly persistentVolumeClaimName?: string; readonly volumeSnapshotContentName?: string };
    readonly volumeSnapshotClassName?: string;
  };
  readonly status?: {
    readonly boundVolumeSnapshotContentName?: string;
    /** RFC 3339. */
    readonly creationTime?: string;
    readonly readyToUse?: boolean;
    /** Quantity. */
    readonly restoreSize?: string;
    readonly error?: SnapshotError;
  };
}

export interface SnapshotError {
  readonly time: string;
  readonly message: string;
}

/** The snapshot itself, as a driver has it. */
export interface VolumeSnapshotContent extends KubeObject {
  readonly spec: {
    readonly deletionPolicy: 'Delete' | 'Retain';
    readonly driver: string;
    readonly source: { readonly volumeHandle?: string; readonly snapshotHandle?: string };
    readonly sourceVolumeMode?: string;
    readonly volumeSnapshotClassName?: string;
    readonly volumeSnapshotRef: { readonly name?: string; readonly namespace?: string; readonly uid?: string };
  };
  readonly status?: {
    /** Nanoseconds since the epoch. */
    readonly creationTime?: number;
    readonly readyToUse?: boolean;
    /** Bytes. */
    readonly restoreSize?: number;
    readonly snapshotHandle?: string;
    readonly error?: SnapshotError;
  };
}

export interface VolumeSnapshotClass extends KubeObject {
  readonly driver: string;
  readonly deletionPolicy: 'Delete' | 'Retain';
  readonly parameters?: Readonly<Record<string, string>>;
}

const ref = <T extends KubeObject>(kind: string, resource: string, namespaced: boolean): ResourceRef<T> => ({ group: snapshotGroup, version: 'v1', resource, kind, namespaced });

export const VolumeSnapshots = ref<VolumeSnapshot>('VolumeSnapshot', 'volumesnapshots', true);
export const VolumeSnapshotContents = ref<VolumeSnapshotContent>('VolumeSnapshotContent', 'volumesnapshotcontents', false);
export const VolumeSnapshotClasses = ref<VolumeSnapshotClass>('VolumeSnapshotClass', 'volumesnapshotclasses', false);

export const snapshotMarks = {
  defaultClass: 'snapshot.storage.kubernetes.io/is-default-class',
  /** On a content whose snapshot is being deleted. */
  beingDeleted: 'snapshot.storage.kubernetes.io/volumesnapshot-being-deleted',
  /** On a content whose snapshot the driver has been asked for, and has not said what became of it. */
  beingCreated: 'snapshot.storage.kubernetes.io/volumesnapshot-being-created',
  /** Finalizers. */
  boundSnapshot: 'snapshot.storage.kubernetes.io/volumesnapshot-bound-protection',
  snapshotAsSource: 'snapshot.storage.kubernetes.io/volumesnapshot-as-source-protection',
  boundContent: 'snapshot.storage.kubernetes.io/volumesnapshotcontent-bound-protection',
  claimAsSource: 'snapshot.storage.kubernetes.io/pvc-as-source-protection',
} as const;
