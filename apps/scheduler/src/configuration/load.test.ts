import { describe, expect, it } from 'vitest';
import { defaultConfiguration, loadConfiguration } from './load.ts';

const head = 'apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n';

function problem(text: string): string {
  try {
    loadConfiguration(text);
  } catch (error) {
    return (error as Error).message;
  }
  return '';
}

describe('KubeSchedulerConfiguration', () => {
  it('has the defaults of upstream', () => {
    expect(loadConfiguration(head)).toMatchObject({ ...defaultConfiguration(), profiles: [{ schedulerName: 'default-scheduler' }], parallelism: 16, podInitialBackoffSeconds: 1, podMaxBackoffSeconds: 10 });
  });

  it('fills in the args of plugins', () => {
    const args = 'profiles: [{pluginConfig: [{name: NodeResourcesFit, args: {scoringStrategy: {resources: [{name: cpu}]}}}, {name: DefaultPreemption, args: {minCandidateNodesAbsolute: 7}}, {name: Unknown, args: {a: 1}}]}]';
    expect(loadConfiguration(head + args).profiles[0]?.pluginConfig).toEqual([
      { name: 'NodeResourcesFit', args: { scoringStrategy: { type: 'LeastAllocated', resources: [{ name: 'cpu', weight: 1 }] } } },
      { name: 'DefaultPreemption', args: { minCandidateNodesPercentage: 10, minCandidateNodesAbsolute: 7 } },
      { name: 'Unknown', args: { a: 1 } },
    ]);
  });

  const fit = (args: string): string => `profiles: [{pluginConfig: [{name: NodeResourcesFit, args: ${args}}]}]`;
  const spread = (args: string): string => `profiles: [{pluginConfig: [{name: PodTopologySpread, args: ${args}}]}]`;
  const fitAt = 'profiles[0].pluginConfig[0].args.scoringStrategy';
  const spreadAt = 'profiles[0].pluginConfig[0].args';
  const cases: [string, string, string][] = [
    ['another kind', 'apiVersion: v1\nkind: Pod', 'no kind "Pod" is registered for version "v1" in scheme "pkg/scheduler/apis/config/scheme/scheme.go"'],
    ['an earlier version', 'apiVersion: kubescheduler.config.k8s.io/v1beta3\nkind: KubeSchedulerConfiguration', 'no kind "KubeSchedulerConfiguration" is registered for version "kubescheduler.config.k8s.io/v1beta3" in scheme "pkg/scheduler/apis/config/scheme/scheme.go"'],
    ['unknown fields', `${head}foo: 1\nprofiles: [{plugins: {score: {enabled: [{nam: x}]}}}]`, 'strict decoding error: unknown field "foo", unknown field "profiles[0].plugins.score.enabled[0].nam"'],
    ['a wrong type', `${head}podInitialBackoffSeconds: abc`, 'json: cannot unmarshal string into Go struct field KubeSchedulerConfiguration.podInitialBackoffSeconds of type int64'],
    ['unknown args', head + fit('{foo: 1}'), 'decoding .profiles[0].pluginConfig[0]: decoding args for plugin NodeResourcesFit: strict decoding error: unknown field "foo"'],
    ['args of another plugin', head + fit('{kind: VolumeBindingArgs}'), 'decoding .profiles[0].pluginConfig[0]: args for plugin NodeResourcesFit were not of type NodeResourcesFitArgs.kubescheduler.config.k8s.io, got VolumeBindingArgs.kubescheduler.config.k8s.io'],
    ['no parallelism', `${head}parallelism: 0`, 'parallelism: Invalid value: 0: should be an integer value greater than zero'],
    ['too large a share', `${head}percentageOfNodesToScore: 101`, 'percentageOfNodesToScore: Invalid value: 101: not in valid range [0-100]'],
    ['back-offs that shrink', `${head}podInitialBackoffSeconds: 5\npodMaxBackoffSeconds: 2`, 'podMaxBackoffSeconds: Invalid value: 2: must be greater than or equal to PodInitialBackoffSeconds'],
    ['profiles without names', `${head}profiles: [{schedulerName: a}, {}]`, 'profiles[1].schedulerName: Required value'],
    ['one name twice', `${head}profiles: [{schedulerName: a}, {schedulerName: a}]`, 'profiles[1].schedulerName: Duplicate value: "profiles[0].schedulerName"'],
    ['different orders of the queue', `${head}profiles: [{schedulerName: a}, {schedulerName: b, plugins: {queueSort: {enabled: [{name: X}]}}}]`, 'profiles[1].plugins.queueSort: Invalid value: {"enabled":[{"name":"X"}]}: must be the same for all profiles'],
    ['plugins that are gone', `${head}profiles: [{plugins: {filter: {enabled: [{name: EBSLimits}]}}}]`, 'profiles[0].plugins.filter.enabled[0]: Invalid value: "EBSLimits": was invalid in version "v1" (KubeSchedulerConfiguration is version "kubescheduler.config.k8s.io/v1")'],
    ['args given twice', `${head}profiles: [{pluginConfig: [{name: A}, {name: A}]}]`, 'profiles[0].pluginConfig[1]: Duplicate value: "A"'],
    ['an unknown strategy', head + fit('{scoringStrategy: {type: Best}}'), `${fitAt}.type: Unsupported value: "Best": supported values: "LeastAllocated", "MostAllocated", "RequestedToCapacityRatio"`],
    ['a ratio without shape', head + fit('{scoringStrategy: {type: RequestedToCapacityRatio}}'), `${fitAt}.requestedToCapacityRatio: Required value: must be specified when type is RequestedToCapacityRatio`],
    [
      'a shape that falls back',
      head + fit('{scoringStrategy: {type: RequestedToCapacityRatio, requestedToCapacityRatio: {shape: [{utilization: 50, score: 1}, {utilization: 10, score: 11}]}}}'),
      `[${fitAt}.requestedToCapacityRatio.shape[1].utilization: Invalid value: 10: values must be sorted in increasing order, ${fitAt}.requestedToCapacityRatio.shape[1].score: Invalid value: 11: not in valid range [0, 10]]`,
    ],
    ['a weight out of range', head + fit('{scoringStrategy: {resources: [{name: cpu, weight: 101}]}}'), `${fitAt}.resources[0].weight: Invalid value: 101: resource weight of cpu not in valid range (0, 100]`],
    ['defaults of both kinds', head + spread('{defaultConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: ScheduleAnyway}]}'), `${spreadAt}.defaultingType: Invalid value: "System": when .defaultConstraints are not empty`],
    ['a constraint with a selector', head + spread('{defaultingType: List, defaultConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: ScheduleAnyway, labelSelector: {}}]}'), `${spreadAt}.defaultConstraints[0].labelSelector: Forbidden: constraint must not define a selector, as they deduced for each pod`],
    ['an extender without weight', `${head}extenders: [{urlPrefix: "http://x", prioritizeVerb: p}]`, 'extenders[0].weight: Invalid value: 0: must have a positive weight applied to it'],
    ['two that bind', `${head}extenders: [{urlPrefix: "http://x", bindVerb: b}, {urlPrefix: "http://z", bindVerb: b}]`, 'extenders: Invalid value: "found 2 extenders implementing bind": only one extender can implement bind'],
    ['managed resources that are not extended', `${head}extenders: [{urlPrefix: "http://x", managedResources: [{name: cpu}]}]`, 'extenders[0].managedResources[0].name: Invalid value: "cpu": is an invalid extended resource name'],
  ];
  it.each(cases)('refuses %s', (_name, text, message) => expect(problem(text)).toBe(message));
});
