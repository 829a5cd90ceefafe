import { parseGoDuration } from '@orrery/runtime';
import { parseThresholds } from '../eviction/thresholds.ts';
import type { KubeletConfiguration } from './types.ts';

const ms = (text = '0s'): number => parseGoDuration(text);
const isPort = (port: number): boolean => port >= 1 && port <= 65_535;

/** Whole numbers and the range they must lie in, with the flag of that meaning. */
const ranges: readonly [field: string, flag: string, from: number, to: number][] = [
  ['imageGCHighThresholdPercent', '--image-gc-high-threshold', 0, 100],
  ['imageGCLowThresholdPercent', '--image-gc-low-threshold', 0, 100],
  ['iptablesDropBit', '--iptables-drop-bit', 0, 31],
  ['iptablesMasqueradeBit', '--iptables-masquerade-bit', 0, 31],
  ['oomScoreAdj', '--oom-score-adj', -1000, 1000],
];

const notNegative: readonly [field: string, flag: string][] = [
  ['eventBurst', '--event-burst'],
  ['eventRecordQPS', '--event-qps'],
  ['kubeAPIBurst', '--kube-api-burst'],
  ['kubeAPIQPS', '--kube-api-qps'],
  ['maxOpenFiles', '--max-open-files'],
  ['maxPods', '--max-pods'],
  ['podsPerCore', '--pods-per-core'],
  ['registryBurst', '--registry-burst'],
  ['registryPullQPS', '--registry-qps'],
];

function* numbers(kc: KubeletConfiguration): Iterable<string> {
  const value = (field: string): number => Number(kc[field] ?? 0);
  if (value('nodeLeaseDurationSeconds') <= 0) yield 'nodeLeaseDurationSeconds must be greater than 0';
  if (kc.systemCgroups && !kc.cgroupRoot) yield 'systemCgroups (--system-cgroups) was specified and cgroupRoot (--cgroup-root) was not specified';
  for (const [field, flag] of notNegative) if (value(field) < 0) yield `${field} (${flag}) ${value(field)} must not be a negative number`;
  for (const [field, flag, from, to] of ranges) if (value(field) < from || value(field) > to) yield `${field} (${flag}) ${value(field)} must be between ${from} and ${to}, inclusive`;
  const { healthzPort = 0, port = 0, readOnlyPort = 0, nodeStatusMaxImages = 0 } = kc;
  if (healthzPort !== 0 && !isPort(healthzPort)) yield `healthzPort (--healthz-port) ${healthzPort} must be between 1 and 65535, inclusive`;
  if (!isPort(port)) yield `port (--port) ${port} must be between 1 and 65535, inclusive`;
  if (readOnlyPort !== 0 && !isPort(readOnlyPort)) yield `readOnlyPort (--read-only-port) ${readOnlyPort} must be between 0 and 65535, inclusive`;
  if (nodeStatusMaxImages < -1) yield `nodeStatusMaxImages (--node-status-max-images) ${nodeStatusMaxImages} must be -1 or greater`;
  const { imageGCHighThresholdPercent: high = 0, imageGCLowThresholdPercent: low = 0 } = kc;
  if (low >= high) yield `imageGCLowThresholdPercent (--image-gc-low-threshold) ${low} must be less than imageGCHighThresholdPercent (--image-gc-high-threshold) ${high}`;
}

function* imagesAndLogs(kc: KubeletConfiguration): Iterable<string> {
  const { imageMinimumGCAge: least = '0s', imageMaximumGCAge: most = '0s', maxParallelImagePulls, podLogsDir = '' } = kc;
  if (ms(least) < 0) yield `imageMinimumGCAge ${least} must not be negative`;
  if (ms(most) < 0) yield `imageMaximumGCAge ${most} must not be negative`;
  if (ms(most) > 0 && ms(most) <= ms(least)) yield `imageMaximumGCAge ${most} must be greater than imageMinimumGCAge ${least}`;
  if (maxParallelImagePulls !== undefined && maxParallelImagePulls < 1) yield `maxParallelImagePulls ${maxParallelImagePulls} must be a positive number`;
  if (kc.serializeImagePulls && (maxParallelImagePulls ?? 0) > 1) yield 'maxParallelImagePulls cannot be larger than 1 unless SerializeImagePulls (--serialize-image-pulls) is set to false';
  if ((kc.containerLogMaxWorkers ?? 0) < 1) yield 'containerLogMaxWorkers must be greater than or equal to 1';
  if (ms(kc['containerLogMonitorInterval'] as string) < 3000) yield 'containerLogMonitorInterval must be a positive time duration greater than or equal to 3s';
  if ((kc.containerLogMaxFiles ?? 0) <= 1) yield 'containerLogMaxFiles must be greater than 1';
  if (!podLogsDir.startsWith('/')) yield `pod logs path ${JSON.stringify(podLogsDir)} must be absolute path`;
  else if (podLogsDir !== '/' && /\/$|\/\/|\/\.\.?(\/|$)/.test(podLogsDir)) yield `pod logs path ${JSON.stringify(podLogsDir)} must be normalized`;
}

function choice(field: string, flag: string, options: { value: string | undefined; of: readonly string[] }): string[] {
  if (options.value === undefined || options.of.includes(options.value)) return [];
  return [`${field} (${flag}) ${JSON.stringify(options.value)} must be one of: [${options.of.map((one) => JSON.stringify(one)).join(' ')}]`];
}

function* shutdown(kc: KubeletConfiguration): Iterable<string> {
  const { shutdownGracePeriod: all = '0s', shutdownGracePeriodCriticalPods: critical = '0s', shutdownGracePeriodByPodPriority: byPriority = [] } = kc;
  if (ms(critical) > ms(all)) yield `shutdownGracePeriodCriticalPods {${critical}} must be <= shutdownGracePeriod {${all}}`;
  for (const [field, period] of [['shutdownGracePeriod', all], ['shutdownGracePeriodCriticalPods', critical]] as const) {
    if (ms(period) < 0 || (ms(period) > 0 && ms(period) < 1000)) yield `${field} {${period}} must be either zero or otherwise >= 1 sec`;
  }
  if (byPriority.length && (ms(all) > 0 || ms(critical) > 0)) yield 'Cannot specify both shutdownGracePeriodByPodPriority and shutdownGracePeriod at the same time';
}

const reservedGroups = {
  'system-reserved': 'systemReservedCgroup (--system-reserved-cgroup)',
  'kube-reserved': 'kubeReservedCgroup (--kube-reserved-cgroup)',
} as const;

function* enforcement(kc: KubeletConfiguration): Iterable<string> {
  const place = 'enforceNodeAllocatable (--enforce-node-allocatable)';
  const { enforceNodeAllocatable: keys = [], systemReservedCgroup, kubeReservedCgroup } = kc;
  const seen = new Set<string>();
  for (const key of keys) {
    const plain = key.replace(/-compressible$/, '');
    if (seen.has(key)) yield `duplicated enforcements ${JSON.stringify(key)} in ${place}`;
    seen.add(key);
    if (key === 'none') {
      if (keys.length > 1) yield `${place} may not contain additional enforcements when "none" is specified`;
    } else if (plain === 'system-reserved' || plain === 'kube-reserved') {
      const group = plain === 'system-reserved' ? systemReservedCgroup : kubeReservedCgroup;
      if (!group) yield `${reservedGroups[plain]} must be specified when "${plain}" or "${plain}-compressible" included in ${place}`;
    } else if (key !== 'pods') {
      yield `option ${JSON.stringify(key)} specified for ${place}. Valid options are "pods", "system-reserved", "system-reserved-compressible", "kube-reserved", "kube-reserved-compressible" or "none"`;
      continue;
    }
    if (key !== 'none' && kc['cgroupsPerQOS'] === false) yield `cgroupsPerQOS (--cgroups-per-qos) must be set to true when ${JSON.stringify(key)} contained in ${place}`;
  }
}

function* others(kc: KubeletConfiguration): Iterable<string> {
  if (kc.runOnce) yield 'runOnce (--runOnce) true, Runonce mode has been deprecated and should not be set';
  yield* choice('topologyManagerPolicy', '--topology-manager-policy', { value: kc.topologyManagerPolicy, of: ['none', 'best-effort', 'restricted', 'single-numa-node'] });
  if (kc.topologyManagerScope !== undefined && !['container', 'pod'].includes(kc.topologyManagerScope)) yield `topologyManagerScope (--topology-manager-scope) ${JSON.stringify(kc.topologyManagerScope)} must be one of: "container", or "pod"`;
  const swap = kc.memorySwap?.swapBehavior ?? '';
  if (!['', 'LimitedSwap', 'NoSwap'].includes(swap)) yield `memorySwap.swapBehavior ${JSON.stringify(swap)} must be one of: "", "LimitedSwap" or "NoSwap"`;
  const { maxContainerRestartPeriod: period } = kc.crashLoopBackOff ?? {};
  if (period !== undefined && (ms(period) < 1000 || ms(period) > 300_000)) yield `CrashLoopBackOff.MaxContainerRestartPeriod (got: ${ms(period) / 1000} seconds) must be set between 1s and 300s`;
  const { idsPerPod = 65_536 } = kc.userNamespaces ?? {};
  if (idsPerPod < 65_536) yield `userNamespaces.idsPerPod must not be lower than 65536, got ${idsPerPod}`;
  else if (idsPerPod % 65_536 !== 0) yield `userNamespaces.idsPerPod must be a multiple of 65536, got ${idsPerPod}`;
  if (!['none', 'hairpin-veth', 'promiscuous-bridge'].includes(kc.hairpinMode ?? '')) yield `option ${JSON.stringify(kc.hairpinMode)} specified for hairpinMode (--hairpin-mode). Valid options are "none", "hairpin-veth" or "promiscuous-bridge"`;
  const factor = Number(kc['memoryThrottlingFactor'] ?? 1);
  if (factor <= 0 || factor > 1) yield `memoryThrottlingFactor ${factor} must be greater than 0 and less than or equal to 1.0`;
}

/** What is wrong with a configuration that has its defaults; each worded as upstream words it, in its order. */
export function validateConfiguration(kc: KubeletConfiguration): string[] {
  const problems = [...numbers(kc), ...imagesAndLogs(kc), ...shutdown(kc), ...others(kc), ...enforcement(kc)].map((problem) => `invalid configuration: ${problem}`);
  try {
    parseThresholds({ hard: kc.evictionHard ?? {}, soft: kc.evictionSoft ?? {}, softGracePeriods: kc.evictionSoftGracePeriod ?? {}, minimumReclaims: kc.evictionMinimumReclaim ?? {} });
  } catch (error) {
    problems.push((error as Error).message);
  }
  return problems;
}
