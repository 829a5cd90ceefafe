/**
 * Stage and default of kube-apiserver's feature gates in 1.36, as far as upstream's `kube_features.go` was at hand: those that
 * became stable in this release are left out. Of the rest of the gates only the names are known.
 */
export interface FeatureStage {
  /** As metrics name it; empty for what is stable. */
  readonly stage: 'ALPHA' | 'BETA' | 'DEPRECATED' | '';
  readonly isOn: boolean;
}

const words = (text: string): readonly string[] => text.trim().split(/\s+/);

const alphaOff = words(`
  AllAlpha APIServingWithRoutine AllowUnsafeMalformedObjectDeletion CBORServingAndStorage CPUManagerPolicyAlphaOptions CSIVolumeHealth
  CrossNamespaceVolumeDataSource DRAConsumableCapacity DRADeviceBindingConditions DRADeviceTaintRules DRADeviceTaints DRAExtendedResource
  DRAPartitionableDevices EventedPLEG GangScheduling GenericWorkload HPAScaleToZero ImageVolumeWithDigest
  InPlacePodVerticalScalingExclusiveCPUs InPlacePodVerticalScalingExclusiveMemory KubeletInUserNamespace MemoryQoS MutablePVNodeAffinity
  PodAndContainerStatsFromCRI PodLogsQuerySplitStreams QOSReserved ReduceDefaultCrashLoopBackOffDecay RelaxedServiceNameValidation ResourceHealthStatus
  StorageCapacityScoring StorageVersionAPI StrictIPCIDRValidation TopologyManagerPolicyAlphaOptions
  UserNamespacesHostNetworkSupport VolumeLimitScaling WindowsCPUAndMemoryAffinity
`);

const betaOff = words(`
  AllBeta ClusterTrustBundle ClusterTrustBundleProjection ConcurrentWatchObjectDecode CoordinatedLeaderElection
  DeclarativeValidationTakeover LocalStorageCapacityIsolationFSQuotaMonitoring NodeLogQuery PodCertificateRequest SELinuxMount StorageVersionMigrator
`);

const betaOn = words(`
  APIResponseCompression APIServerIdentity AllowParsingUserUIDFromCertAuth AuthorizePodWebsocketUpgradeCreatePermission CPUManagerPolicyBetaOptions
  ClearingNominatedNodeNameAfterBinding ContainerCheckpoint ContainerRestartRules DRAAdminAccess DRAPrioritizedList DRAResourceClaimDeviceStatus
  DRASchedulerFilterTimeout DeclarativeValidation DeploymentReplicaSetTerminatingReplicas DetectCacheInconsistency DisableCPUQuotaWithExclusiveCPUs EnvFiles
  ExternalServiceAccountTokenSigner GracefulNodeShutdown GracefulNodeShutdownBasedOnPodPriority HPAConfigurableTolerance HostnameOverride ImageVolume
  InPlacePodLevelResourcesVerticalScaling RestartAllContainersOnContainerExits
  KubeletCrashLoopBackOffMax KubeletEnsureSecretPulledImages KubeletPSI KubeletPodResourcesDynamicResources KubeletPodResourcesGet KubeletSeparateDiskGC
  KubeletServiceAccountTokenForCredentialProviders ListFromCacheSnapshot MatchLabelKeysInPodTopologySpread MatchLabelKeysInPodTopologySpreadSelectorMerge
  MaxUnavailableStatefulSet MutableCSINodeAllocatableCount NominatedNodeNameForExpectation OpenAPIEnums OpportunisticBatching PodDeletionCost
  PodLevelResources PodReadyToStartContainersCondition PodTopologyLabelsAdmission PortForwardWebsockets PreventStaticPodAPIReferences ProcMountType
  ReloadKubeletServerCertificateFile RemoteRequestHeaderUID RotateKubeletServerCertificate SELinuxChangePolicy SELinuxMountReadWriteOncePod
  SchedulerAsyncPreemption SchedulerPopFromBackoffQ ServiceAccountNodeAudienceRestriction SizeBasedListCostEstimate StatefulSetSemanticRevisionComparison
  StorageVersionHash StructuredAuthenticationConfigurationEgressSelector StructuredAuthenticationConfigurationJWKSMetrics TopologyManagerPolicyBetaOptions
  TranslateStreamCloseWebsocketRequests UserNamespacesSupport WindowsGracefulNodeShutdown
`);

const deprecatedOff = words(`
  AllowDNSOnlyNodeCSR AllowInsecureKubeletCertificateSigningRequests ChangeContainerStatusOnKubeletRestart GitRepoVolumeDriver KMSv1
  KubeletRegistrationGetOnExistsOnly SeparateCacheWatchRPC WindowsHostNetwork
`);

const deprecatedOn = words('DisableNodeKubeProxyVersion KubeletPodResourcesListUseActivePods StorageNamespaceIndex');

const lists: readonly (readonly [readonly string[], FeatureStage])[] = [
  [alphaOff, { stage: 'ALPHA', isOn: false }],
  [betaOff, { stage: 'BETA', isOn: false }],
  [betaOn, { stage: 'BETA', isOn: true }],
  [deprecatedOff, { stage: 'DEPRECATED', isOn: false }],
  [deprecatedOn, { stage: 'DEPRECATED', isOn: true }],
];

/** By name. */
export const featureStages: ReadonlyMap<string, FeatureStage> = new Map(lists.flatMap(([names, stage]) => names.map((name) => [name, stage] as const)));
