/** Annotations by which the binder, the scheduler, provisioners and kubelets of Kubernetes speak to each other about volumes. */
export const volumeAnnotations = {
  /** On a claim: both directions of the binding have been written. */
  bindCompleted: 'pv.kubernetes.io/bind-completed',
  /** On a claim or volume: the binder chose the other side, not the user. */
  boundByController: 'pv.kubernetes.io/bound-by-controller',
  /** On a volume: the provisioner that made it, and has to delete it. */
  provisionedBy: 'pv.kubernetes.io/provisioned-by',
  /** On a claim: the provisioner that is asked for a volume; the second is the older name. */
  storageProvisioner: 'volume.kubernetes.io/storage-provisioner',
  betaStorageProvisioner: 'volume.beta.kubernetes.io/storage-provisioner',
  /** On a claim: the node the scheduler chose for its first consumer. */
  selectedNode: 'volume.kubernetes.io/selected-node',
  /** On a claim or volume: the class, from before it was a field. */
  betaStorageClass: 'volume.beta.kubernetes.io/storage-class',
} as const;

/** On a storage class: it is the default one; the second is the older name. */
export const defaultClassAnnotations = ['storageclass.kubernetes.io/is-default-class', 'storageclass.beta.kubernetes.io/is-default-class'] as const;

/** The provisioner of a class whose volumes are made by hand. */
export const noProvisioner = 'kubernetes.io/no-provisioner';

/** The provisioner of this project: directories of the node. */
export const localProvisioner = 'orrery.dev/local';

/** The provisioner of the emulated cloud's disks. */
export const cloudDiskProvisioner = 'disk.csi.orrery.dev';
