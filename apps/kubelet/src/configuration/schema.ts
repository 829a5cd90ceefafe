import { schemaOf } from '@orrery/api';
import type { FieldSchema, LeafType, ListSchema, ObjectSchema, Schema } from '@orrery/apimachinery';

const leaf = (type: LeafType): Schema => ({ type });
const text = leaf('string');
const whole = leaf('int32');
const long = leaf('int64');
const fraction = leaf('double');
const flag = leaf('boolean');
/** As Go writes it: `5s`. */
const duration = leaf('duration');
const list = (items: Schema): ListSchema => ({ type: 'list', items, listType: 'atomic', listKeys: [] });
const map = (items: Schema): Schema => ({ type: 'map', items, atomic: false });
const texts = list(text);
const textMap = map(text);

/** A struct of upstream's package `v1beta1`. */
function struct(name: string, members: Readonly<Record<string, Schema>>): ObjectSchema {
  const field = ([key, schema]: [string, Schema]): [string, FieldSchema] => [key, { name: key, schema, required: false, omitZero: false, patchStrategy: [], wirePath: [], wrapped: false }];
  return { type: 'object', definition: `kubelet.config.k8s.io.v1beta1.${name}`, fields: new Map(Object.entries(members).map(field)), atomic: false, preserveUnknown: false };
}

const authentication = struct('KubeletAuthentication', {
  x509: struct('KubeletX509Authentication', { clientCAFile: text }),
  webhook: struct('KubeletWebhookAuthentication', { enabled: flag, cacheTTL: duration }),
  anonymous: struct('KubeletAnonymousAuthentication', { enabled: flag }),
});
const authorization = struct('KubeletAuthorization', {
  mode: text,
  webhook: struct('KubeletWebhookAuthorization', { cacheAuthorizedTTL: duration, cacheUnauthorizedTTL: duration }),
});
const textOptions = { infoBufferSize: leaf('quantity'), splitStream: flag };
const logging = struct('LoggingConfiguration', {
  format: text,
  flushFrequency: leaf('rawExtension'),
  verbosity: long,
  vmodule: list(struct('VModuleItem', { filePattern: text, verbosity: long })),
  options: struct('FormatOptions', { text: struct('TextOptions', textOptions), json: struct('JSONOptions', textOptions) }),
});

const server = { enableServer: flag, address: text, port: whole, readOnlyPort: whole, tlsCertFile: text, tlsPrivateKeyFile: text, tlsCipherSuites: texts, tlsMinVersion: text, tlsCurvePreferences: list(whole), rotateCertificates: flag, serverTLSBootstrap: flag, authentication, authorization, healthzPort: whole, healthzBindAddress: text, streamingConnectionIdleTimeout: duration, enableDebuggingHandlers: flag, enableContentionProfiling: flag, enableProfilingHandler: flag, enableDebugFlagsHandler: flag, enableSystemLogHandler: flag, enableSystemLogQuery: flag, showHiddenMetricsForVersion: text };
const sources = { staticPodPath: text, syncFrequency: duration, fileCheckFrequency: duration, httpCheckFrequency: duration, staticPodURL: text, staticPodURLHeader: map(texts) };
const images = { registryPullQPS: whole, registryBurst: whole, serializeImagePulls: flag, maxParallelImagePulls: whole, imageMinimumGCAge: duration, imageMaximumGCAge: duration, imageGCHighThresholdPercent: whole, imageGCLowThresholdPercent: whole, imagePullCredentialsVerificationPolicy: text, preloadedImagesVerificationAllowlist: texts };
const eviction = { evictionHard: textMap, evictionSoft: textMap, evictionSoftGracePeriod: textMap, evictionPressureTransitionPeriod: duration, evictionMaxPodGracePeriod: whole, evictionMinimumReclaim: textMap, mergeDefaultEvictionSettings: flag };
const node = { nodeStatusUpdateFrequency: duration, nodeStatusReportFrequency: duration, nodeLeaseDurationSeconds: whole, nodeStatusMaxImages: whole, registerWithTaints: list(schemaOf('io.k8s.api.core.v1.Taint')), registerNode: flag, providerID: text, systemReserved: textMap, kubeReserved: textMap, systemReservedCgroup: text, kubeReservedCgroup: text, reservedSystemCPUs: text, enforceNodeAllocatable: texts, maxPods: whole, podCIDR: text, podPidsLimit: long, podsPerCore: whole, localStorageCapacityIsolation: flag };
const cgroups = { kubeletCgroups: text, systemCgroups: text, cgroupRoot: text, cgroupsPerQOS: flag, cgroupDriver: text, cpuManagerPolicy: text, singleProcessOOMKill: flag, cpuManagerPolicyOptions: textMap, cpuManagerReconcilePeriod: duration, memoryManagerPolicy: text, reservedMemory: list(struct('MemoryReservation', { numaNode: whole, limits: map(leaf('quantity')) })), topologyManagerPolicy: text, topologyManagerScope: text, topologyManagerPolicyOptions: textMap, qosReserved: textMap, cpuCFSQuota: flag, cpuCFSQuotaPeriod: duration, oomScoreAdj: whole, memoryThrottlingFactor: fraction, memoryReservationPolicy: text, failSwapOn: flag, failCgroupV1: flag, memorySwap: struct('MemorySwapConfiguration', { swapBehavior: text }) };
const shutdown = { shutdownGracePeriod: duration, shutdownGracePeriodCriticalPods: duration, shutdownGracePeriodByPodPriority: list(struct('ShutdownGracePeriodByPodPriority', { priority: whole, shutdownGracePeriodSeconds: long })) };
const others = {
  featureGates: map(flag),
  clusterDomain: text,
  clusterDNS: texts,
  eventRecordQPS: whole,
  eventBurst: whole,
  volumeStatsAggPeriod: duration,
  runtimeRequestTimeout: duration,
  hairpinMode: text,
  resolvConf: text,
  runOnce: flag,
  maxOpenFiles: long,
  contentType: text,
  kubeAPIQPS: whole,
  kubeAPIBurst: whole,
  enableControllerAttachDetach: flag,
  protectKernelDefaults: flag,
  makeIPTablesUtilChains: flag,
  iptablesMasqueradeBit: whole,
  iptablesDropBit: whole,
  containerLogMaxSize: text,
  containerLogMaxFiles: whole,
  containerLogMaxWorkers: whole,
  containerLogMonitorInterval: duration,
  configMapAndSecretChangeDetectionStrategy: text,
  allowedUnsafeSysctls: texts,
  volumePluginDir: text,
  kernelMemcgNotification: flag,
  logging,
  seccompDefault: flag,
  tracing: struct('TracingConfiguration', { endpoint: text, samplingRatePerMillion: whole }),
  containerRuntimeEndpoint: text,
  imageServiceEndpoint: text,
  podLogsDir: text,
  crashLoopBackOff: struct('CrashLoopBackOffConfig', { maxContainerRestartPeriod: duration }),
  userNamespaces: struct('UserNamespaces', { idsPerPod: long }),
  draManagerReconcilePeriod: duration,
  podHousekeepingPeriod: duration,
};

/** KubeletConfiguration of kubelet.config.k8s.io/v1beta1. */
export const configurationSchema = struct('KubeletConfiguration', { apiVersion: text, kind: text, ...server, ...sources, ...images, ...eviction, ...node, ...cgroups, ...shutdown, ...others });
