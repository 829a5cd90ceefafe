import { qualifiedName } from '@orrery/apimachinery';
import { type FieldError, fieldError } from '@orrery/errors';
import { parseGoDuration } from '@orrery/runtime';
import { points } from '../framework/profile-plugins.ts';
import { argsRules } from './args-validation.ts';
import type { ExtenderConfiguration, LeaderElectionConfiguration, PluginSet, ProfileConfiguration, SchedulerConfiguration } from './types.ts';

const { invalid, required, duplicate } = fieldError;

/** Gone since the named version of the configuration. */
const removedPlugins = ['AzureDiskLimits', 'CinderLimits', 'EBSLimits', 'GCEPDLimits'];
const removed = 'was invalid in version "v1" (KubeSchedulerConfiguration is version "kubescheduler.config.k8s.io/v1")';

function percentage(value: number | undefined, path: string): FieldError[] {
  return value !== undefined && (value < 0 || value > 100) ? [invalid(path, value, 'not in valid range [0-100]')] : [];
}

function durationMs(text: string): number {
  try {
    return parseGoDuration(text);
  } catch {
    return Number.NaN;
  }
}

function validateLeaderElection(config: LeaderElectionConfiguration): FieldError[] {
  if (!config.leaderElect) return [];
  const errors: FieldError[] = [];
  const [lease, renew, retry] = [durationMs(config.leaseDuration), durationMs(config.renewDeadline), durationMs(config.retryPeriod)];
  const positive = { leaseDuration: lease, renewDeadline: renew, retryPeriod: retry };
  for (const [name, ms] of Object.entries(positive)) if (!(ms > 0)) errors.push(invalid(`leaderElection.${name}`, config[name as keyof typeof positive], 'must be greater than zero'));
  if (lease <= renew) errors.push(invalid('leaderElection.leaseDuration', config.renewDeadline, 'LeaseDuration must be greater than RenewDeadline'));
  if (renew <= retry) errors.push(invalid('leaderElection.renewDeadline', config.retryPeriod, 'RenewDeadline must be greater than RetryPeriod'));
  for (const name of ['resourceLock', 'resourceNamespace', 'resourceName'] as const) if (!config[name]) errors.push(required(`leaderElection.${name}`, `${name} is required`));
  if (config.resourceLock !== 'leases') errors.push(invalid('leaderElection.resourceLock', config.resourceLock, 'resourceLock value must be "leases"'));
  return errors;
}

function validatePlugins(profile: ProfileConfiguration, path: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const point of points) {
    const enabled = profile.plugins[point]?.enabled ?? [];
    enabled.forEach(({ name }, i) => {
      if (removedPlugins.includes(name)) errors.push(invalid(`${path}.plugins.${point}.enabled[${i}]`, name, removed));
    });
  }
  const seen = new Set<string>();
  profile.pluginConfig.forEach(({ name, args }, i) => {
    const at = `${path}.pluginConfig[${i}]`;
    if (seen.has(name)) errors.push(duplicate(at, name));
    seen.add(name);
    if (removedPlugins.includes(name)) errors.push(invalid(at, name, removed));
    else errors.push(...(argsRules[name]?.(args, `${at}.args`) ?? []));
  });
  return errors;
}

const namesOf = (set: PluginSet | undefined): string => JSON.stringify([set?.enabled ?? [], set?.disabled ?? []]);

function validateQueueSort(profiles: readonly ProfileConfiguration[]): FieldError[] {
  const errors: FieldError[] = [];
  const first = profiles[0]?.plugins.queueSort;
  const count = first?.enabled?.length ?? 0;
  if (count > 1) errors.push(invalid('profiles[0].plugins.queueSort.Enabled', count, 'only one queue sort plugin can be enabled'));
  profiles.forEach(({ plugins }, i) => {
    if (namesOf(plugins.queueSort) !== namesOf(first)) errors.push(invalid(`profiles[${i}].plugins.queueSort`, plugins.queueSort ?? {}, 'must be the same for all profiles'));
  });
  return errors;
}

function validateProfiles(profiles: readonly ProfileConfiguration[]): FieldError[] {
  const errors: FieldError[] = [];
  const seen = new Map<string, number>();
  profiles.forEach((profile, i) => {
    const path = `profiles[${i}]`;
    const { schedulerName } = profile;
    if (!schedulerName) errors.push(required(`${path}.schedulerName`));
    errors.push(...percentage(profile.percentageOfNodesToScore, `${path}.percentageOfNodesToScore`), ...validatePlugins(profile, path));
    const before = seen.get(schedulerName);
    if (before !== undefined) errors.push(duplicate(`${path}.schedulerName`, `profiles[${before}].schedulerName`));
    seen.set(schedulerName, i);
  });
  return [...errors, ...validateQueueSort(profiles)];
}

/** Named by a domain that is not Kubernetes' own, and no request of a quota. */
function isExtendedResource(name: string): boolean {
  return name.includes('/') && !/(^|\.)kubernetes\.io\//.test(name) && !name.startsWith('requests.') && qualifiedName(`requests.${name}`).length === 0;
}

function validateManaged(name: string, path: string): FieldError[] {
  const problems = qualifiedName(name).map((problem) => invalid(path, name, problem));
  if (problems.length) return problems;
  return isExtendedResource(name) ? [] : [invalid(path, name, 'is an invalid extended resource name')];
}

function validateExtenders(extenders: readonly ExtenderConfiguration[]): FieldError[] {
  const errors: FieldError[] = [];
  const managed = new Set<string>();
  extenders.forEach((extender, i) => {
    const path = `extenders[${i}]`;
    const weight = extender.weight ?? 0;
    if (extender.prioritizeVerb && weight <= 0) errors.push(invalid(`${path}.weight`, weight, 'must have a positive weight applied to it'));
    (extender.managedResources ?? []).forEach(({ name }, j) => {
      const at = `${path}.managedResources[${j}].name`;
      errors.push(...validateManaged(name, at));
      if (managed.has(name)) errors.push(invalid(at, name, 'duplicate extender managed resource name'));
      managed.add(name);
    });
  });
  const binders = extenders.filter(({ bindVerb }) => bindVerb).length;
  if (binders > 1) errors.push(invalid('extenders', `found ${binders} extenders implementing bind`, 'only one extender can implement bind'));
  return errors;
}

/** Everything that is wrong with a configuration, in upstream's words and order. */
export function validateConfiguration(config: SchedulerConfiguration): FieldError[] {
  const { parallelism, podInitialBackoffSeconds: initial, podMaxBackoffSeconds: most } = config;
  return [
    ...validateLeaderElection(config.leaderElection),
    ...(parallelism <= 0 ? [invalid('parallelism', parallelism, 'should be an integer value greater than zero')] : []),
    ...validateProfiles(config.profiles),
    ...percentage(config.percentageOfNodesToScore, 'percentageOfNodesToScore'),
    ...(initial <= 0 ? [invalid('podInitialBackoffSeconds', initial, 'must be greater than 0')] : []),
    ...(most < initial ? [invalid('podMaxBackoffSeconds', most, 'must be greater than or equal to PodInitialBackoffSeconds')] : []),
    ...validateExtenders(config.extenders),
  ];
}
