import type { Node, PersistentVolume, PersistentVolumeClaim, Pod, StorageClass } from '@orrery/api/types';
import { localProvisioner, volumeAnnotations } from '@orrery/api/volumes';

/** Where the volumes of a node lie, below the node's `/`. */
const volumesDir = '/var/lib/orrery/volumes';
/** Keeps a volume until its data is gone. */
export const dataFinalizer = 'external-provisioner.volume.kubernetes.io/finalizer';
const nodeAnnotation = 'orrery.dev/selected-node';
/** On the pod that deletes the data of a volume: its name. */
export const volumeLabel = 'orrery.dev/volume';
export const helperNamespace = 'kube-system';

/** The class of a new cluster. */
export const standardClass: StorageClass = {
  apiVersion: 'storage.k8s.io/v1',
  kind: 'StorageClass',
  metadata: { name: 'standard', annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
  provisioner: localProvisioner,
  reclaimPolicy: 'Delete',
  volumeBindingMode: 'WaitForFirstConsumer',
  allowVolumeExpansion: true,
};

/** Why no directory of a node can be what the claim asks for. */
export function refusal({ spec }: PersistentVolumeClaim): string | undefined {
  const modes = spec?.accessModes ?? [];
  if (modes.some((mode) => mode !== 'ReadWriteOnce' && mode !== 'ReadWriteOncePod')) return 'only access modes ReadWriteOnce and ReadWriteOncePod are supported';
  if (spec?.volumeMode === 'Block') return 'only volume mode Filesystem is supported';
  if (spec?.selector) return 'claim.spec.selector is not supported';
  return spec?.dataSource || spec?.dataSourceRef ? 'claim.spec.dataSource is not supported' : undefined;
}

export function volumeName(claim: PersistentVolumeClaim): string {
  return `pvc-${claim.metadata?.uid ?? ''}`;
}

/** The volume for a claim on a node: a directory of its own, reached from that node alone. */
export function localVolume(claim: PersistentVolumeClaim, storageClass: StorageClass, node: Node): PersistentVolume {
  const { name = '', namespace = '', uid = '', resourceVersion = '' } = claim.metadata ?? {};
  const nodeName = node.metadata?.name ?? '';
  const hostname = node.metadata?.labels?.['kubernetes.io/hostname'] ?? nodeName;
  const reclaimPolicy = storageClass.reclaimPolicy ?? 'Delete';
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: {
      name: volumeName(claim),
      annotations: { [volumeAnnotations.provisionedBy]: localProvisioner, [nodeAnnotation]: nodeName },
      ...(reclaimPolicy === 'Delete' ? { finalizers: [dataFinalizer] } : {}),
    },
    spec: {
      accessModes: claim.spec?.accessModes ?? [],
      capacity: { storage: claim.spec?.resources?.requests?.['storage'] ?? '0' },
      claimRef: { apiVersion: 'v1', kind: 'PersistentVolumeClaim', name, namespace, uid, resourceVersion },
      hostPath: { path: `${volumesDir}/${volumeName(claim)}_${namespace}_${name}`, type: 'DirectoryOrCreate' },
      nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: [hostname] }] }] } },
      persistentVolumeReclaimPolicy: reclaimPolicy,
      storageClassName: storageClass.metadata?.name ?? '',
      volumeMode: 'Filesystem',
      ...(storageClass.mountOptions?.length ? { mountOptions: storageClass.mountOptions } : {}),
    },
  };
}

export function isLocal({ metadata }: PersistentVolume): boolean {
  return metadata?.annotations?.[volumeAnnotations.provisionedBy] === localProvisioner;
}

export function nodeOfVolume({ metadata }: PersistentVolume): string {
  return metadata?.annotations?.[nodeAnnotation] ?? '';
}

/** The pod that deletes the data of a volume, on the node where it lies. Throws when the volume's path is none of ours. */
export function deletingPod(volume: PersistentVolume): Pod {
  const { name = '' } = volume.metadata ?? {};
  const path = volume.spec?.hostPath?.path ?? '';
  const directory = path.slice(path.lastIndexOf('/') + 1);
  if (path !== `${volumesDir}/${directory}` || !directory || directory === '..' || directory === '.') throw new Error(`${path} is not a directory in ${volumesDir}`);
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: `helper-pod-delete-${name}`, namespace: helperNamespace, labels: { [volumeLabel]: name } },
    spec: {
      nodeName: nodeOfVolume(volume),
      restartPolicy: 'Never',
      terminationGracePeriodSeconds: 0,
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      hostNetwork: true,
      tolerations: [{ operator: 'Exists' }],
      containers: [{ name: 'delete', image: 'busybox:stable', imagePullPolicy: 'IfNotPresent', command: ['rm', '-rf', `/volumes/${directory}`], volumeMounts: [{ name: 'volumes', mountPath: '/volumes' }] }],
      volumes: [{ name: 'volumes', hostPath: { path: volumesDir, type: 'DirectoryOrCreate' } }],
    },
  };
}

export type LocalVolumePlan =
  | 'nothing'
  /** Its data is to go: start the pod that deletes it. */
  | 'start'
  /** The pod failed: try again with another. */
  | 'restart'
  /** The data is gone, or its node is: let the volume go. */
  | 'finish'
  /** Its data is kept, so it need not be held. */
  | 'unhold';

/** What to do about a volume that this provisioner made. */
export function planLocalVolume(volume: PersistentVolume, world: { helper: Pod | undefined; nodeExists: boolean }): LocalVolumePlan {
  const held = (volume.metadata?.finalizers ?? []).includes(dataFinalizer);
  if (volume.spec?.persistentVolumeReclaimPolicy !== 'Delete') return held ? 'unhold' : 'nothing';
  if (volume.status?.phase !== 'Released' && volume.status?.phase !== 'Failed') return 'nothing';
  if (!world.nodeExists) return 'finish';
  const phase = world.helper?.status?.phase;
  if (!world.helper) return 'start';
  if (phase === 'Succeeded') return 'finish';
  return phase === 'Failed' ? 'restart' : 'nothing';
}
