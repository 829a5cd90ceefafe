import { DecodeError, decodeYaml, parseYaml } from '@orrery/api';
import { ConfigError } from '@orrery/runtime';
import { decodeArgs } from './plugin-args.ts';
import { configurationSchema } from './schema.ts';
import type { PluginsConfiguration, ProfileConfiguration, SchedulerConfiguration } from './types.ts';
import { validateConfiguration } from './validation.ts';

const group = 'kubescheduler.config.k8s.io';
const kind = 'KubeSchedulerConfiguration';

interface RawProfile {
  readonly schedulerName?: string;
  readonly percentageOfNodesToScore?: number;
  readonly plugins?: PluginsConfiguration;
  readonly pluginConfig?: readonly { readonly name?: string; readonly args?: unknown }[];
}

type Raw = Omit<Partial<SchedulerConfiguration>, 'profiles'> & { readonly profiles?: readonly RawProfile[] };

/** Durations and names as upstream has them. */
const leaderElection = {
  leaderElect: true,
  leaseDuration: '15s',
  renewDeadline: '10s',
  retryPeriod: '2s',
  resourceLock: 'leases',
  resourceName: 'kube-scheduler',
  resourceNamespace: 'kube-system',
};

function withDefaults(raw: Raw): SchedulerConfiguration {
  const given = raw.profiles ?? [];
  // One profile needs no name: it is the default scheduler then.
  const profiles = (given.length ? given : [{}]).map((profile: RawProfile, i): ProfileConfiguration => {
    const { schedulerName = given.length > 1 ? '' : 'default-scheduler', plugins = {}, pluginConfig = [], percentageOfNodesToScore } = profile;
    return {
      schedulerName,
      plugins,
      pluginConfig: pluginConfig.map(({ name = '', args }, j) => ({ name, args: decodeArgs(name, args, `.profiles[${i}].pluginConfig[${j}]`) })),
      ...(percentageOfNodesToScore === undefined ? {} : { percentageOfNodesToScore }),
    };
  });
  return {
    ...raw,
    parallelism: raw.parallelism ?? 16,
    podInitialBackoffSeconds: raw.podInitialBackoffSeconds ?? 1,
    podMaxBackoffSeconds: raw.podMaxBackoffSeconds ?? 10,
    leaderElection: { ...leaderElection, ...raw.leaderElection },
    profiles,
    extenders: raw.extenders ?? [],
  };
}

/** What the scheduler does without a file. */
export function defaultConfiguration(): SchedulerConfiguration {
  return withDefaults({});
}

/** Reads KubeSchedulerConfiguration from YAML or JSON, strictly. Throws ConfigError with upstream's words for what is wrong. */
export function loadConfiguration(text: string): SchedulerConfiguration {
  let raw: Raw;
  try {
    const meta = (parseYaml(text).value ?? {}) as { readonly apiVersion?: unknown; readonly kind?: unknown };
    if (typeof meta !== 'object' || !meta.kind) throw new ConfigError(`Object 'Kind' is missing in '${text.trim()}'`);
    if (meta.kind !== kind || meta.apiVersion !== `${group}/v1`) {
      throw new ConfigError(`no kind ${JSON.stringify(meta.kind)} is registered for version ${JSON.stringify(meta.apiVersion ?? '')} in scheme "pkg/scheduler/apis/config/scheme/scheme.go"`);
    }
    raw = decodeYaml(text, configurationSchema, 'Strict').object as Raw;
  } catch (error) {
    if (error instanceof DecodeError) throw new ConfigError(error.message);
    throw error;
  }
  const configuration = withDefaults(raw);
  const errors = validateConfiguration(configuration).map(({ field, message }) => `${field}: ${message}`);
  if (errors.length) throw new ConfigError(errors.length === 1 ? (errors[0] ?? '') : `[${errors.join(', ')}]`);
  return configuration;
}
