import type { ConfigSchema } from '@orrery/runtime';

const unchanged = (why: string): string => `taken, and changes nothing: ${why}`;
const oneAuthority = 'one authority signs for all, --cluster-signing-cert-file';
const noCloud = "what a cloud has is the cloud-controller-manager's";
const noRecycling = 'volumes are not recycled';

/** Flags of kube-controller-manager that this one has no use for. */
export const kubeControllerManagerFlags = {
  cloudProvider: { type: 'string', default: '', choices: ['', 'external'], help: unchanged(noCloud) },
  cloudConfig: { type: 'string', default: '', help: 'file of the cloud provider', refused: noCloud },
  clusterName: { type: 'string', default: 'kubernetes', help: unchanged(noCloud) },
  configureCloudRoutes: { type: 'boolean', default: true, help: unchanged(noCloud) },
  routeReconciliationPeriod: { type: 'duration', default: '10s', help: unchanged(noCloud) },
  externalCloudVolumePlugin: { type: 'string', default: '', help: 'volume plug-in of the cloud provider', refused: 'volumes of clouds are those of CSI drivers' },
  concurrentServiceSyncs: { type: 'number', default: 1, help: unchanged(noCloud) },
  cidrAllocatorType: { type: 'string', default: 'RangeAllocator', choices: ['RangeAllocator'], help: 'who gives nodes their pod ranges' },
  clusterSigningKubeApiserverClientCertFile: { type: 'string', default: '', help: 'authority of one signer', refused: oneAuthority },
  clusterSigningKubeApiserverClientKeyFile: { type: 'string', default: '', help: 'key of it', refused: oneAuthority },
  clusterSigningKubeletClientCertFile: { type: 'string', default: '', help: 'authority of one signer', refused: oneAuthority },
  clusterSigningKubeletClientKeyFile: { type: 'string', default: '', help: 'key of it', refused: oneAuthority },
  clusterSigningKubeletServingCertFile: { type: 'string', default: '', help: 'authority of one signer', refused: oneAuthority },
  clusterSigningKubeletServingKeyFile: { type: 'string', default: '', help: 'key of it', refused: oneAuthority },
  clusterSigningLegacyUnknownCertFile: { type: 'string', default: '', help: 'authority of one signer', refused: oneAuthority },
  clusterSigningLegacyUnknownKeyFile: { type: 'string', default: '', help: 'key of it', refused: oneAuthority },
  enableHostpathProvisioner: { type: 'boolean', default: false, help: unchanged('local-volume-provisioner makes such volumes, on any number of nodes') },
  flexVolumePluginDir: { type: 'string', default: '/usr/libexec/kubernetes/kubelet-plugins/volume/exec/', help: unchanged('there are no flex volumes') },
  enableLeaderMigration: { type: 'boolean', default: false, help: 'hand controllers over to a cloud controller manager', refused: 'no controller is in both' },
  leaderMigrationConfig: { type: 'string', default: '', help: 'file of it', refused: 'no controller is in both' },
  minResyncPeriod: { type: 'duration', default: '12h0m0s', help: unchanged('caches lose nothing that would have to be repeated') },
  namespaceSyncPeriod: { type: 'duration', default: '5m0s', help: unchanged('what a namespace still holds is looked for until it is empty') },
  resourceQuotaSyncPeriod: { type: 'duration', default: '5m0s', help: unchanged('every change of what is counted is counted at once') },
  pvclaimbinderSyncPeriod: { type: 'duration', default: '15s', help: unchanged('every change of claims and volumes is looked at') },
  attachDetachReconcileSyncPeriod: { type: 'duration', default: '1m0s', help: unchanged('every change of attachments is looked at') },
  disableAttachDetachReconcileSync: { type: 'boolean', default: false, help: unchanged('every change of attachments is looked at') },
  pvRecyclerIncrementTimeoutNfs: { type: 'number', default: 30, help: unchanged(noRecycling) },
  pvRecyclerMinimumTimeoutHostpath: { type: 'number', default: 60, help: unchanged(noRecycling) },
  pvRecyclerMinimumTimeoutNfs: { type: 'number', default: 300, help: unchanged(noRecycling) },
  pvRecyclerTimeoutIncrementHostpath: { type: 'number', default: 30, help: unchanged(noRecycling) },
  pvRecyclerPodTemplateFilepathHostpath: { type: 'string', default: '', help: 'template of pods that recycle', refused: noRecycling },
  pvRecyclerPodTemplateFilepathNfs: { type: 'string', default: '', help: 'template of pods that recycle', refused: noRecycling },
} as const satisfies ConfigSchema;
