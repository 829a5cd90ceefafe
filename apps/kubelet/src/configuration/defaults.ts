import type { KubeletConfiguration } from './types.ts';

/** Hard eviction thresholds of a kubelet that is told none. */
export const defaultEvictionHard: Readonly<Record<string, string>> = {
  'memory.available': '100Mi',
  'nodefs.available': '10%',
  'nodefs.inodesFree': '5%',
  'imagefs.available': '15%',
  'imagefs.inodesFree': '5%',
};

/** What upstream's v1beta1 defaults put in the places that are left empty. */
const defaults: KubeletConfiguration = {
  enableServer: true,
  syncFrequency: '1m0s',
  fileCheckFrequency: '20s',
  httpCheckFrequency: '20s',
  address: '0.0.0.0',
  port: 10250,
  registryPullQPS: 5,
  registryBurst: 10,
  eventRecordQPS: 50,
  eventBurst: 100,
  enableDebuggingHandlers: true,
  healthzPort: 10248,
  healthzBindAddress: '127.0.0.1',
  oomScoreAdj: -999,
  streamingConnectionIdleTimeout: '4h0m0s',
  nodeStatusUpdateFrequency: '10s',
  nodeLeaseDurationSeconds: 40,
  imageMinimumGCAge: '2m0s',
  imageMaximumGCAge: '0s',
  imageGCHighThresholdPercent: 85,
  imageGCLowThresholdPercent: 80,
  volumeStatsAggPeriod: '1m0s',
  cgroupsPerQOS: true,
  cgroupDriver: 'cgroupfs',
  cpuManagerPolicy: 'none',
  cpuManagerReconcilePeriod: '10s',
  memoryManagerPolicy: 'None',
  topologyManagerPolicy: 'none',
  topologyManagerScope: 'container',
  runtimeRequestTimeout: '2m0s',
  hairpinMode: 'promiscuous-bridge',
  maxPods: 110,
  podPidsLimit: -1,
  resolvConf: '/etc/resolv.conf',
  cpuCFSQuota: true,
  cpuCFSQuotaPeriod: '100ms',
  nodeStatusMaxImages: 50,
  maxOpenFiles: 1_000_000,
  contentType: 'application/vnd.kubernetes.protobuf',
  kubeAPIQPS: 50,
  kubeAPIBurst: 100,
  evictionHard: defaultEvictionHard,
  evictionPressureTransitionPeriod: '5m0s',
  mergeDefaultEvictionSettings: false,
  enableControllerAttachDetach: true,
  makeIPTablesUtilChains: true,
  iptablesMasqueradeBit: 14,
  iptablesDropBit: 15,
  failSwapOn: true,
  memorySwap: {},
  containerLogMaxSize: '10Mi',
  containerLogMaxFiles: 5,
  containerLogMaxWorkers: 1,
  containerLogMonitorInterval: '10s',
  configMapAndSecretChangeDetectionStrategy: 'Watch',
  enforceNodeAllocatable: ['pods'],
  volumePluginDir: '/usr/libexec/kubernetes/kubelet-plugins/volume/exec/',
  logging: { format: 'text', flushFrequency: '5s', verbosity: 0, options: { text: { infoBufferSize: '0' }, json: { infoBufferSize: '0' } } },
  enableSystemLogHandler: true,
  enableProfilingHandler: true,
  enableDebugFlagsHandler: true,
  seccompDefault: false,
  failCgroupV1: false,
  memoryThrottlingFactor: 0.9,
  registerNode: true,
  localStorageCapacityIsolation: true,
  containerRuntimeEndpoint: 'unix:///run/containerd/containerd.sock',
  podLogsDir: '/var/log/pods',
  shutdownGracePeriod: '0s',
  shutdownGracePeriodCriticalPods: '0s',
  crashLoopBackOff: { maxContainerRestartPeriod: '5m0s' },
  clusterDomain: 'cluster.local',
  podHousekeepingPeriod: '2s',
};

const authentication = { x509: {}, webhook: { enabled: true, cacheTTL: '2m0s' }, anonymous: { enabled: false } };
const authorization = { mode: 'Webhook', webhook: { cacheAuthorizedTTL: '5m0s', cacheUnauthorizedTTL: '30s' } };

/** Zero durations and numbers count as left out, as Go's zero values do. */
function given(raw: KubeletConfiguration): KubeletConfiguration {
  const zero = new Set<unknown>(['', '0s']);
  const pointers = new Set(['readOnlyPort', 'healthzPort', 'registryPullQPS', 'eventRecordQPS', 'kubeAPIQPS', 'oomScoreAdj', 'imageGCHighThresholdPercent', 'imageGCLowThresholdPercent', 'iptablesMasqueradeBit', 'iptablesDropBit', 'nodeStatusMaxImages', 'containerLogMaxFiles', 'containerLogMaxWorkers', 'memoryThrottlingFactor', 'resolvConf']);
  return Object.fromEntries(Object.entries(raw).filter(([key, value]) => !zero.has(value) && (value !== 0 || pointers.has(key))));
}

/** Fills in what the file left out, each field by upstream's rule. */
export function withDefaults(file: KubeletConfiguration): KubeletConfiguration {
  const raw = given(file);
  const { evictionHard, mergeDefaultEvictionSettings, nodeStatusUpdateFrequency, maxParallelImagePulls = 0 } = raw;
  return {
    ...defaults,
    // An interval of its own is also how often a status is sent that has not changed.
    nodeStatusReportFrequency: nodeStatusUpdateFrequency ?? '5m0s',
    serializeImagePulls: maxParallelImagePulls < 2,
    ...raw,
    ...(evictionHard ? { evictionHard: mergeDefaultEvictionSettings ? { ...defaultEvictionHard, ...evictionHard } : evictionHard } : {}),
    ...(raw.podPidsLimit !== undefined && raw.podPidsLimit < 0 ? { podPidsLimit: -1 } : {}),
    authentication: {
      x509: { ...raw.authentication?.x509 },
      webhook: { ...authentication.webhook, ...raw.authentication?.webhook },
      anonymous: { ...authentication.anonymous, ...raw.authentication?.anonymous },
    },
    authorization: { mode: raw.authorization?.mode ?? authorization.mode, webhook: { ...authorization.webhook, ...raw.authorization?.webhook } },
    crashLoopBackOff: { maxContainerRestartPeriod: '5m0s', ...raw.crashLoopBackOff },
  };
}
