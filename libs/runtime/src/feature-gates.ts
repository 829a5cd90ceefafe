import { ConfigError } from './config.ts';
import { type FeatureStage, featureStages } from './feature-stages.ts';
import type { Metrics } from './metrics.ts';

/**
 * The feature gates that components of Kubernetes 1.36 know. Most features are there or not, whatever the gates say (the API server and the
 * controller manager mind a few): `--feature-gates` is taken so that configurations made for upstream's components work.
 */
const changeable = new Set(`
AllAlpha AllBeta
  APIResponseCompression APIServerIdentity APIServingWithRoutine AllowDNSOnlyNodeCSR AllowInsecureKubeletCertificateSigningRequests
  AllowParsingUserUIDFromCertAuth AllowUnsafeMalformedObjectDeletion AtomicFIFO AuthorizePodWebsocketUpgradeCreatePermission CBORServingAndStorage
  CPUManagerPolicyAlphaOptions CPUManagerPolicyBetaOptions CRDObservedGenerationTracking CRIListStreaming CSIVolumeHealth ChangeContainerStatusOnKubeletRestart
  ClearingNominatedNodeNameAfterBinding ClientsAllowCARotation ClientsAllowCBOR ClientsAllowTLSCacheGC ClientsPreferCBOR
  CloudControllerManagerWatchBasedRoutesReconciliation CloudControllerManagerWebhook ClusterTrustBundle ClusterTrustBundleProjection ComponentFlagz
  ComponentStatusz ConcurrentWatchObjectDecode ConstrainedImpersonation ContainerCheckpoint ContainerRestartRules ContainerStopSignals ContextualLogging
  ControllerManagerReleaseLeaderElectionLockOnExit CoordinatedLeaderElection CrossNamespaceVolumeDataSource CustomCPUCFSQuotaPeriod DRAAdminAccess
  DRAConsumableCapacity DRADeviceBindingConditions DRADeviceTaintRules DRADeviceTaints DRAExtendedResource DRAListTypeAttributes DRANodeAllocatableResources
  DRAPartitionableDevices DRAPrioritizedList DRAResourceClaimDeviceStatus DRAResourceClaimGranularStatusAuthorization DRAResourcePoolStatus
  DRASchedulerFilterTimeout DRAWorkloadResourceClaims DeclarativeValidation DeclarativeValidationBeta DeclarativeValidationTakeover
  DeploymentReplicaSetTerminatingReplicas DetectCacheInconsistency DisableCPUQuotaWithExclusiveCPUs DisableNodeKubeProxyVersion EnvFiles EventedPLEG
  ExtendWebSocketsToKubelet ExternalServiceAccountTokenSigner GangScheduling GenericWorkload GitRepoVolumeDriver GracefulNodeShutdown
  GracefulNodeShutdownBasedOnPodPriority HPAConfigurableTolerance HPAScaleToZero HostnameOverride ImageVolume ImageVolumeWithDigest InOrderInformers
  InOrderInformersBatchProcess InPlacePodLevelResourcesVerticalScaling InPlacePodVerticalScalingAllocatedStatus InPlacePodVerticalScalingExclusiveCPUs
  InPlacePodVerticalScalingExclusiveMemory InPlacePodVerticalScalingInitContainers InformerResourceVersion KMSv1 KubeletCrashLoopBackOffMax
  KubeletEnsureSecretPulledImages KubeletInUserNamespace KubeletPSI KubeletPodResourcesDynamicResources KubeletPodResourcesGet
  KubeletPodResourcesListUseActivePods KubeletRegistrationGetOnExistsOnly KubeletSeparateDiskGC KubeletServiceAccountTokenForCredentialProviders
  ListFromCacheSnapshot LocalStorageCapacityIsolationFSQuotaMonitoring LoggingAlphaOptions LoggingBetaOptions ManifestBasedAdmissionControlConfig
  MatchLabelKeysInPodTopologySpread MatchLabelKeysInPodTopologySpreadSelectorMerge MaxUnavailableStatefulSet MemoryQoS MutableCSINodeAllocatableCount
  MutablePVNodeAffinity MutablePodResourcesForSuspendedJobs MutableSchedulingDirectivesForSuspendedJobs MutatingAdmissionPolicy NativeHistograms
  NodeDeclaredFeatures NodeLogQuery NominatedNodeNameForExpectation OpenAPIEnums OpportunisticBatching PLEGOnDemandRelist PersistentVolumeClaimUnusedSinceTime
  PodAndContainerStatsFromCRI PodCertificateRequest PodDeletionCost PodLevelResourceManagers PodLevelResources PodLogsQuerySplitStreams
  PodReadyToStartContainersCondition PodTopologyLabelsAdmission PodsAPI PortForwardWebsockets PreventStaticPodAPIReferences ProcMountType QOSReserved
  ReduceDefaultCrashLoopBackOffDecay RelaxedServiceNameValidation ReloadKubeletClientCAFile ReloadKubeletServerCertificateFile RemoteRequestHeaderUID
  ResourceHealthStatus ResourceHealthStatusMessage RestartAllContainersOnContainerExits RotateKubeletServerCertificate RuntimeClassInImageCriApi
  SELinuxChangePolicy SELinuxMount SELinuxMountReadWriteOncePod SchedulerAsyncAPICalls SchedulerAsyncPreemption SchedulerPopFromBackoffQ SeparateCacheWatchRPC
  ServiceAccountNodeAudienceRestriction ShardedListAndWatch SizeBasedListCostEstimate StaleControllerConsistencyDaemonSet StaleControllerConsistencyJob
  StaleControllerConsistencyReplicaSet StaleControllerConsistencyStatefulSet StatefulSetSemanticRevisionComparison StorageCapacityScoring StorageNamespaceIndex
  StorageVersionAPI StorageVersionHash StorageVersionMigrator StrictIPCIDRValidation StructuredAuthenticationConfigurationEgressSelector
  StructuredAuthenticationConfigurationJWKSMetrics TaintTolerationComparisonOperators TokenRequestServiceAccountUIDValidation TopologyAwareWorkloadScheduling
  TopologyManagerPolicyAlphaOptions TopologyManagerPolicyBetaOptions TranslateStreamCloseWebsocketRequests UnauthenticatedHTTP2DOSMitigation
  UnknownVersionInteroperabilityProxy UnlockWhileProcessingFIFO UserNamespacesHostNetworkSupport UserNamespacesSupport VolumeLimitScaling
  WatchCacheInitializationPostStartHook WatchList WatchListClient WindowsCPUAndMemoryAffinity WindowsGracefulNodeShutdown WindowsHostNetwork
  WorkloadAwarePreemption WorkloadWithJob
`.trim().split(/\s+/));

/** On for good. */
const locked = new Set(`
  APIServerTracing AggregatedDiscoveryRemoveBetaType AllowOverwriteTerminationGracePeriodSeconds AnonymousAuthConfigurableEndpoints AnyVolumeDataSource
  AuthorizeNodeWithSelectors AuthorizeWithSelectors BtreeWatchCache CPUManagerPolicyOptions CRDValidationRatcheting CSIServiceAccountTokenSecrets ConsistentListFromCache
  CustomResourceFieldSelectors DisableAllocatorDualWrite DynamicResourceAllocation ExecProbeTimeout HonorPVReclaimPolicy ImageMaximumGCAge InPlacePodVerticalScaling
  JobBackoffLimitPerIndex JobManagedBy JobPodReplacementPolicy JobSuccessPolicy KubeletCgroupDriverFromCRI KubeletFineGrainedAuthz KubeletTracing LogarithmicScaleDown
  MatchLabelKeysInPodAffinity MultiCIDRServiceAllocator NFTablesProxyMode NodeInclusionPolicyInPodTopologySpread NodeSwap OrderedNamespaceDeletion PodLifecycleSleepAction
  PodLifecycleSleepActionAllowZero PodObservedGenerationTracking PodSchedulingReadiness PreferSameTrafficDistribution RecoverVolumeExpansionFailure RecursiveReadOnlyMounts
  RelaxedDNSSearchValidation RelaxedEnvironmentVariableValidation ResilientWatchCacheInitialization RetryGenerateName SchedulerQueueingHints SeparateTaintEvictionController
  ServiceAccountTokenJTI ServiceAccountTokenNodeBinding ServiceAccountTokenNodeBindingValidation ServiceAccountTokenPodNodeInfo SidecarContainers
  StreamingCollectionEncodingToJSON StreamingCollectionEncodingToProtobuf StructuredAuthenticationConfiguration SupplementalGroupsPolicy SystemdWatchdog
  TopologyManagerPolicyOptions VolumeAttributesClass WinDSR WinOverlay
`.trim().split(/\s+/));

const words: Readonly<Record<string, boolean>> = { 1: true, t: true, T: true, true: true, TRUE: true, True: true, 0: false, f: false, F: false, false: false, FALSE: false, False: false };

function problemOf(entry: string): string | undefined {
  const equals = entry.indexOf('=');
  const name = (equals < 0 ? entry : entry.slice(0, equals)).trim();
  const value = entry.slice(equals + 1).trim();
  if (equals < 0) return `missing bool value for ${name}`;
  const isOn = words[value];
  if (isOn === undefined) return `invalid value of ${name}=${value}, err: strconv.ParseBool: parsing ${JSON.stringify(value)}: invalid syntax`;
  if (locked.has(name)) return isOn ? undefined : `cannot set feature gate ${name} to false, feature is locked to true`;
  return changeable.has(name) ? undefined : `unrecognized feature gate: ${name}`;
}

/** Throws a ConfigError in upstream's words for gates that are not known, not boolean, or locked. */
export function checkFeatureGates(gates: readonly string[]): void {
  for (const entry of gates) {
    const problem = problemOf(entry);
    if (problem !== undefined) throw new ConfigError(`invalid argument ${JSON.stringify(gates.join(','))} for "--feature-gates" flag: ${problem}`);
  }
}

type Gates = readonly string[];

/** What was last said of a gate, as `NAME=true`; undefined for nothing that can be read. */
export function givenGate(gates: Gates, name: string): boolean | undefined {
  const entry = gates.findLast((one) => one.slice(0, one.indexOf('=')).trim() === name);
  return entry === undefined ? undefined : words[entry.slice(entry.indexOf('=') + 1).trim()];
}

/** What gates say of a whole stage, by its name. */
const familyOf: Readonly<Record<FeatureStage['stage'], string | undefined>> = { ALPHA: 'AllAlpha', BETA: 'AllBeta', DEPRECATED: undefined, '': undefined };

function isOnOf(gates: Gates, name: string, { stage, isOn }: FeatureStage): boolean {
  const family = familyOf[stage];
  return givenGate(gates, name) ?? (family === undefined ? undefined : givenGate(gates, family)) ?? isOn;
}

/** Whether a gate is on: as was said of it, else of all of its stage, else as it is in 1.36. Gates of which the stage is not known are locked, and on. */
export function isGateOn(gates: Gates, name: string): boolean {
  const known = featureStages.get(name);
  return known ? isOnOf(gates, name, known) : locked.has(name);
}

/** Of every gate whose stage is known whether it is on: as upstream's metric tells it, which clients look at. What cannot be read of the gates counts as not said. */
export function featureMetric(metrics: Pick<Metrics, 'collect'>, gates: Gates): void {
  const known = [...featureStages].map(([name, known]) => ({ labels: { name, stage: known.stage }, value: Number(isOnOf(gates, name, known)) }));
  const stable = [...locked].filter((name) => !featureStages.has(name)).map((name) => ({ labels: { name, stage: '' }, value: 1 }));
  metrics.collect('kubernetes_feature_enabled', { type: 'gauge', help: 'This metric records the data about the stage and enablement of a k8s feature.' }, () => [...known, ...stable]);
}
