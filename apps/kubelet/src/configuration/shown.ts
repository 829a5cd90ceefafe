import type { ConfigOf } from '@orrery/runtime';
import { type KubeletConfig, pairs } from '../config.ts';
import { parseTaint } from '../node/node-status.ts';
import type { KubeletProgramConfig } from '../process.ts';
import type { kubeletServerSchema } from '../server/kubelet-server.ts';
import { withDefaults } from './defaults.ts';
import { limits } from './settings.ts';
import type { KubeletConfiguration } from './types.ts';

/**
 * Settings of the server and of the program around the kubelet. A host that is no kubelet program (a whole cluster in one
 * process) has only the server's: it keeps its certificates and its container runtime to itself, and renews nothing.
 */
export type ProgramSettings = ConfigOf<typeof kubeletServerSchema> & Partial<Pick<KubeletProgramConfig, 'criEndpoint' | 'serverCert' | 'serverKey' | 'clientCa' | 'rotateCertificates' | 'rotateServerCertificates'>>;

type InForce = { readonly [name in keyof KubeletConfiguration]: unknown };

/** Go leaves out what is empty, which also takes the place of what the file says. */
function unlessEmpty<T extends string | number | boolean | object>(value: T | undefined): T | undefined {
  const isEmpty = typeof value === 'object' ? Object.keys(value).length === 0 : !value;
  return isEmpty ? undefined : value;
}

const goSeconds = (value: number): string => (value % 60 === 0 && value > 0 ? `${value / 60}m0s` : `${value}s`);

function ofProgram(program: ProgramSettings): InForce {
  return {
    address: program.bindAddress,
    readOnlyPort: unlessEmpty(program.readOnlyPort),
    healthzPort: Math.max(program.healthzPort, 0),
    healthzBindAddress: '127.0.0.1',
    tlsCertFile: unlessEmpty(program.serverCert),
    tlsPrivateKeyFile: unlessEmpty(program.serverKey),
    rotateCertificates: unlessEmpty(program.rotateCertificates),
    serverTLSBootstrap: unlessEmpty(program.rotateServerCertificates),
    authentication: {
      x509: program.clientCa ? { clientCAFile: program.clientCa } : {},
      webhook: { enabled: program.authenticationTokenWebhook, cacheTTL: program.authenticationTokenWebhookCacheTtl },
      anonymous: { enabled: program.anonymousAuth },
    },
    authorization: { mode: program.authorizationMode, webhook: { cacheAuthorizedTTL: program.authorizationWebhookCacheAuthorizedTtl, cacheUnauthorizedTTL: program.authorizationWebhookCacheUnauthorizedTtl } },
    containerRuntimeEndpoint: program.criEndpoint ?? '',
  };
}

function ofNode(config: KubeletConfig): InForce {
  return {
    port: config.port,
    staticPodPath: unlessEmpty(config.podManifestPath),
    staticPodURL: unlessEmpty(config.manifestUrl),
    fileCheckFrequency: config.fileCheckFrequency,
    httpCheckFrequency: config.httpCheckFrequency,
    nodeStatusUpdateFrequency: goSeconds(config.statusUpdateSeconds),
    nodeStatusReportFrequency: goSeconds(config.statusReportSeconds),
    nodeLeaseDurationSeconds: config.leaseDurationSeconds,
    registerWithTaints: unlessEmpty(config.registerWithTaints.map(parseTaint)),
    registerNode: config.registerNode,
    providerID: unlessEmpty(config.providerId),
    systemReserved: unlessEmpty(pairs(config.systemReserved)),
    kubeReserved: unlessEmpty(pairs(config.kubeReserved)),
    enforceNodeAllocatable: config.enforceNodeAllocatable,
    maxPods: config.maxPods,
    podCIDR: unlessEmpty(config.podCidr),
    clusterDNS: config.clusterDns,
    clusterDomain: config.clusterDomain,
    allowedUnsafeSysctls: unlessEmpty(config.allowedUnsafeSysctls),
    podLogsDir: config.podLogsDir,
    evictionHard: limits(config.evictionHard),
    evictionSoft: unlessEmpty(limits(config.evictionSoft)),
    evictionSoftGracePeriod: unlessEmpty(pairs(config.evictionSoftGracePeriod)),
    evictionMinimumReclaim: unlessEmpty(pairs(config.evictionMinimumReclaim)),
    evictionPressureTransitionPeriod: config.evictionPressureTransitionPeriod,
    evictionMaxPodGracePeriod: unlessEmpty(config.evictionMaxPodGracePeriod),
    localStorageCapacityIsolation: config.localStorageCapacityIsolation,
    shutdownGracePeriod: config.shutdownGracePeriod,
    shutdownGracePeriodCriticalPods: config.shutdownGracePeriodCriticalPods,
    containerLogMaxSize: config.containerLogMaxSize,
    containerLogMaxFiles: config.containerLogMaxFiles,
    containerLogMonitorInterval: config.containerLogMonitorInterval,
    serializeImagePulls: config.serializeImagePulls,
    maxParallelImagePulls: unlessEmpty(config.maxParallelImagePulls),
    imageGCHighThresholdPercent: config.imageGcHighThreshold,
    imageGCLowThresholdPercent: config.imageGcLowThreshold,
    imageMinimumGCAge: config.minimumImageTtlDuration,
    imageMaximumGCAge: config.imageMaximumGcAge,
    crashLoopBackOff: { maxContainerRestartPeriod: config.maxContainerRestartPeriod },
  };
}

/** What /configz shows: the file's configuration (or the defaults) with what is in force on this node and in its program laid over it. */
export function shownConfiguration(config: KubeletConfig, program: ProgramSettings, file: KubeletConfiguration = withDefaults({})): KubeletConfiguration {
  const shown = { ...file, ...ofNode(config), ...ofProgram(program), kind: 'KubeletConfiguration', apiVersion: 'kubelet.config.k8s.io/v1beta1' };
  return Object.fromEntries(Object.entries(shown).filter(([, value]) => value !== undefined));
}
