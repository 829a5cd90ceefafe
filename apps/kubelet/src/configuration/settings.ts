import { parseGoDuration } from '@orrery/runtime';
import type { KubeletConfiguration } from './types.ts';

type TextMap = Readonly<Record<string, string>>;

const joined = (map: TextMap = {}, sign = '='): string[] => Object.entries(map).map(([key, value]) => `${key}${sign}${value}`);
const seconds = (text: string): number => parseGoDuration(text) / 1000;

/** `signal<limit` entries as a map. */
export function limits(entries: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    entries.map((entry) => {
      const at = entry.indexOf('<');
      return at < 0 ? [entry, ''] : [entry.slice(0, at), entry.slice(at + 1)];
    }),
  );
}

const taintText = ({ key, value, effect }: { key: string; value?: string; effect: string }): string => `${key}${value ? `=${value}` : ''}:${effect}`;

/** A configuration file as settings of the program: only those that have an effect here. */
export function settingsOf(kc: KubeletConfiguration): Record<string, unknown> {
  const { authentication, authorization } = kc;
  const settings: Record<string, unknown> = {
    bindAddress: kc.address,
    serverPort: kc.port,
    port: kc.port,
    readOnlyPort: kc.readOnlyPort,
    healthzPort: kc.healthzPort || -1,
    serverCert: kc.tlsCertFile,
    serverKey: kc.tlsPrivateKeyFile,
    rotateCertificates: kc.rotateCertificates,
    rotateServerCertificates: kc.serverTLSBootstrap,
    clientCa: authentication?.x509?.clientCAFile,
    anonymousAuth: authentication?.anonymous?.enabled,
    authenticationTokenWebhook: authentication?.webhook?.enabled,
    authenticationTokenWebhookCacheTtl: authentication?.webhook?.cacheTTL,
    authorizationMode: authorization?.mode,
    authorizationWebhookCacheAuthorizedTtl: authorization?.webhook?.cacheAuthorizedTTL,
    authorizationWebhookCacheUnauthorizedTtl: authorization?.webhook?.cacheUnauthorizedTTL,
    podManifestPath: kc.staticPodPath,
    fileCheckFrequency: kc.fileCheckFrequency,
    manifestUrl: kc.staticPodURL,
    manifestUrlHeader: kc.staticPodURLHeader && Object.entries(kc.staticPodURLHeader).flatMap(([name, values]) => values.map((value) => `${name}:${value}`)),
    httpCheckFrequency: kc.httpCheckFrequency,
    statusUpdateSeconds: kc.nodeStatusUpdateFrequency && seconds(kc.nodeStatusUpdateFrequency),
    statusReportSeconds: kc.nodeStatusReportFrequency && seconds(kc.nodeStatusReportFrequency),
    leaseDurationSeconds: kc.nodeLeaseDurationSeconds,
    registerWithTaints: kc.registerWithTaints?.map(taintText),
    registerNode: kc.registerNode,
    providerId: kc.providerID,
    systemReserved: joined(kc.systemReserved),
    kubeReserved: joined(kc.kubeReserved),
    enforceNodeAllocatable: kc.enforceNodeAllocatable,
    maxPods: kc.maxPods,
    podCidr: kc.podCIDR,
    clusterDns: kc.clusterDNS,
    clusterDomain: kc.clusterDomain,
    allowedUnsafeSysctls: kc.allowedUnsafeSysctls,
    criEndpoint: kc.containerRuntimeEndpoint,
    podLogsDir: kc.podLogsDir,
    evictionHard: joined(kc.evictionHard, '<'),
    evictionSoft: joined(kc.evictionSoft, '<'),
    evictionSoftGracePeriod: joined(kc.evictionSoftGracePeriod),
    evictionMinimumReclaim: joined(kc.evictionMinimumReclaim),
    evictionPressureTransitionPeriod: kc.evictionPressureTransitionPeriod,
    evictionMaxPodGracePeriod: kc.evictionMaxPodGracePeriod,
    localStorageCapacityIsolation: kc['localStorageCapacityIsolation'],
    shutdownGracePeriod: kc.shutdownGracePeriod,
    shutdownGracePeriodCriticalPods: kc.shutdownGracePeriodCriticalPods,
    shutdownGracePeriodByPodPriority: kc.shutdownGracePeriodByPodPriority?.map(({ priority = 0, shutdownGracePeriodSeconds = 0 }) => `${priority}=${shutdownGracePeriodSeconds}`),
    imageGcHighThreshold: kc.imageGCHighThresholdPercent,
    imageGcLowThreshold: kc.imageGCLowThresholdPercent,
    minimumImageTtlDuration: kc.imageMinimumGCAge,
    imageMaximumGcAge: kc.imageMaximumGCAge,
    containerLogMaxSize: kc.containerLogMaxSize,
    containerLogMaxFiles: kc.containerLogMaxFiles,
    containerLogMonitorInterval: kc['containerLogMonitorInterval'],
    serializeImagePulls: kc.serializeImagePulls,
    maxParallelImagePulls: kc.maxParallelImagePulls,
    maxContainerRestartPeriod: kc.crashLoopBackOff?.maxContainerRestartPeriod,
  };
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
}
