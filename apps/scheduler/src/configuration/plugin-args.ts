import { DecodeError, decodeValue } from '@orrery/api';
import { ConfigError } from '@orrery/runtime';
import { argsSchemas } from './schema.ts';

const groupVersion = 'kubescheduler.config.k8s.io/v1';

const cpuAndMemory = [
  { name: 'cpu', weight: 1 },
  { name: 'memory', weight: 1 },
] as const;

type Args = Readonly<Record<string, unknown>>;

const weighted = (resources: unknown): unknown => (Array.isArray(resources) && resources.length ? resources.map((resource: Args) => ({ ...resource, weight: resource['weight'] || 1 })) : cpuAndMemory);

function fitDefaults(args: Args): Args {
  const strategy = (args['scoringStrategy'] ?? {}) as Args;
  return { ...args, scoringStrategy: { ...strategy, type: strategy['type'] || 'LeastAllocated', resources: weighted(strategy['resources']) } };
}

/** Upstream's defaults of the args of each plugin that takes any. */
const defaults: Readonly<Record<string, (args: Args) => Args>> = {
  DefaultPreemption: (args) => ({ minCandidateNodesPercentage: 10, minCandidateNodesAbsolute: 100, ...args }),
  InterPodAffinity: (args) => ({ hardPodAffinityWeight: 1, ...args }),
  NodeAffinity: (args) => args,
  NodeResourcesBalancedAllocation: (args) => ({ ...args, resources: weighted(args['resources']) }),
  NodeResourcesFit: fitDefaults,
  PodTopologySpread: (args) => ({ ...args, defaultConstraints: args['defaultConstraints'] ?? [], defaultingType: args['defaultingType'] || 'System' }),
  VolumeBinding: (args) => ({ bindTimeoutSeconds: 600, ...args }),
  DynamicResources: (args) => ({ filterTimeout: '10s', bindingTimeout: '10m0s', ...args }),
  Coscheduling: (args) => ({ permitWaitingTimeSeconds: 60, ...args }),
};

/** Args of a plugin as they are without configuration; empty for plugins that take none. */
export function defaultArgs(plugin: string): Args {
  return defaults[plugin]?.({}) ?? {};
}

/** Decodes the args of one entry of `pluginConfig`, and fills in their defaults. Args of plugins that are not known are kept as they are. */
export function decodeArgs(plugin: string, raw: unknown, path: string): Args {
  const schema = argsSchemas.get(plugin);
  if (!schema) return (raw ?? {}) as Args;
  const where = `decoding ${path}: `;
  try {
    const { object } = decodeValue(raw ?? {}, schema, 'Strict');
    const { apiVersion, kind, ...args } = object as Args;
    const wanted = `${plugin}Args`;
    if ((kind !== undefined && kind !== wanted) || (apiVersion !== undefined && apiVersion !== groupVersion)) {
      throw new ConfigError(`${where}args for plugin ${plugin} were not of type ${wanted}.kubescheduler.config.k8s.io, got ${String(kind ?? wanted)}.${String(apiVersion ?? groupVersion).split('/')[0] ?? ''}`);
    }
    return defaults[plugin]?.(args) ?? args;
  } catch (error) {
    if (error instanceof DecodeError) throw new ConfigError(`${where}decoding args for plugin ${plugin}: ${error.message}`);
    throw error;
  }
}
