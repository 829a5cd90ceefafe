import { schemaOf } from '@orrery/api';
import type { FieldSchema, LeafType, ListSchema, ObjectSchema, Schema } from '@orrery/apimachinery';

const leaf = (type: LeafType): Schema => ({ type });
const text = leaf('string');
const whole = leaf('int32');
const seconds = leaf('int64');
const fraction = leaf('double');
const flag = leaf('boolean');
/** As Go writes it: `5s`. */
const duration = leaf('duration');
const list = (items: Schema): ListSchema => ({ type: 'list', items, listType: 'atomic', listKeys: [] });

/** A struct of upstream's package `v1`. */
function struct(name: string, members: Readonly<Record<string, Schema>>): ObjectSchema {
  const field = ([key, schema]: [string, Schema]): [string, FieldSchema] => [key, { name: key, schema, required: false, omitZero: false, patchStrategy: [], wirePath: [], wrapped: false }];
  return { type: 'object', definition: `kubescheduler.config.k8s.io.v1.${name}`, fields: new Map(Object.entries(members).map(field)), atomic: false, preserveUnknown: false };
}

const typeMeta = { apiVersion: text, kind: text };
const nodeAffinity = schemaOf('io.k8s.api.core.v1.NodeAffinity');
const spreadConstraint = schemaOf('io.k8s.api.core.v1.TopologySpreadConstraint');
const plugin = struct('Plugin', { name: text, weight: whole });
const pluginSet = struct('PluginSet', { enabled: list(plugin), disabled: list(plugin) });
const pluginPoints = ['preEnqueue', 'queueSort', 'preFilter', 'filter', 'postFilter', 'preScore', 'score', 'reserve', 'permit', 'preBind', 'bind', 'postBind', 'multiPoint'];

const profile = struct('KubeSchedulerProfile', {
  schedulerName: text,
  percentageOfNodesToScore: whole,
  plugins: struct('Plugins', Object.fromEntries(pluginPoints.map((point) => [point, pluginSet]))),
  pluginConfig: list(struct('PluginConfig', { name: text, args: leaf('rawExtension') })),
});

const extender = struct('Extender', {
  urlPrefix: text,
  filterVerb: text,
  preemptVerb: text,
  prioritizeVerb: text,
  weight: whole,
  bindVerb: text,
  enableHTTPS: flag,
  tlsConfig: struct('ExtenderTLSConfig', { insecure: flag, serverName: text, certFile: text, keyFile: text, caFile: text, certData: text, keyData: text, caData: text }),
  httpTimeout: duration,
  nodeCacheCapable: flag,
  managedResources: list(struct('ExtenderManagedResource', { name: text, ignoredByScheduler: flag })),
  ignorable: flag,
});

/** KubeSchedulerConfiguration of kubescheduler.config.k8s.io/v1. */
export const configurationSchema = struct('KubeSchedulerConfiguration', {
  ...typeMeta,
  parallelism: whole,
  leaderElection: struct('LeaderElectionConfiguration', { leaderElect: flag, leaseDuration: duration, renewDeadline: duration, retryPeriod: duration, resourceLock: text, resourceName: text, resourceNamespace: text }),
  clientConnection: struct('ClientConnectionConfiguration', { kubeconfig: text, acceptContentTypes: text, contentType: text, qps: fraction, burst: whole }),
  enableProfiling: flag,
  enableContentionProfiling: flag,
  percentageOfNodesToScore: whole,
  podInitialBackoffSeconds: seconds,
  podMaxBackoffSeconds: seconds,
  profiles: list(profile),
  extenders: list(extender),
  delayCacheUntilActive: flag,
});

const weighed = list(struct('ResourceSpec', { name: text, weight: seconds }));
const shape = list(struct('UtilizationShapePoint', { utilization: whole, score: whole }));
const texts = list(text);

/** The args of the plugins that take any. */
export const argsSchemas: ReadonlyMap<string, ObjectSchema> = new Map(
  Object.entries<Readonly<Record<string, Schema>>>({
    DefaultPreemption: { minCandidateNodesPercentage: whole, minCandidateNodesAbsolute: whole },
    InterPodAffinity: { hardPodAffinityWeight: whole, ignorePreferredTermsOfExistingPods: flag },
    NodeAffinity: { addedAffinity: nodeAffinity },
    NodeResourcesBalancedAllocation: { resources: weighed },
    NodeResourcesFit: {
      ignoredResources: texts,
      ignoredResourceGroups: texts,
      scoringStrategy: struct('ScoringStrategy', { type: text, resources: weighed, requestedToCapacityRatio: struct('RequestedToCapacityRatioParam', { shape }) }),
    },
    PodTopologySpread: { defaultConstraints: list(spreadConstraint), defaultingType: text },
    VolumeBinding: { bindTimeoutSeconds: seconds, shape },
    DynamicResources: { filterTimeout: duration, bindingTimeout: duration },
    Coscheduling: { permitWaitingTimeSeconds: seconds },
    NodeResourcesLeastAllocated: { resources: weighed },
    NodeResourcesMostAllocated: { resources: weighed },
    RequestedToCapacityRatio: { shape, resources: weighed },
    NodeLabel: { presentLabels: texts, absentLabels: texts, presentLabelsPreference: texts, absentLabelsPreference: texts },
    ServiceAffinity: { affinityLabels: texts, antiAffinityLabelsPreference: texts },
  }).map(([name, members]) => [name, struct(`${name}Args`, { ...typeMeta, ...members })]),
);
