import { Nodes, PersistentVolumes, Pods, ReplicaSets } from '@orrery/api';
import type { Node, Pod } from '@orrery/api/types';
import type { HttpClient } from '@orrery/client';
import { createFakeApi } from '@orrery/client/testing';
import { VirtualClock, createMetrics, resolveConfig, seededRandom, silentLogger } from '@orrery/runtime';
import { describe, expect, it } from 'vitest';
import { createScheduler, explainPod, loadConfiguration } from './component.ts';
import { schedulerSchema } from './config.ts';

const head = 'apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n';

function node(name: string, cpu = '4', labels: Record<string, string> = {}): Node {
  return { metadata: { name, labels }, spec: {}, status: { allocatable: { cpu, memory: '8Gi', pods: '110' } } };
}

function pod(name: string, more: { spec?: Partial<NonNullable<Pod['spec']>>; cpu?: string; labels?: Record<string, string>; annotations?: Record<string, string> } = {}): Pod {
  const { spec, cpu = '1', labels = {}, annotations = {} } = more;
  return { metadata: { name, namespace: 'default', labels, annotations }, spec: { containers: [{ name: 'c', image: 'i', resources: { requests: { cpu } } }], ...spec }, status: { phase: 'Pending' } };
}

/** What the extender was asked, and what it answers by verb. */
type Answers = Readonly<Record<string, (message: any) => unknown>>;

function extenderServer(answers: Answers) {
  const asked: string[] = [];
  const connect = (server: string): HttpClient => ({
    async request({ path, body }) {
      asked.push(`${server}${path}`);
      const answer = answers[path.split('/').at(-1) ?? '']?.(JSON.parse(new TextDecoder().decode(body)));
      return { status: answer === undefined ? 500 : 200, headers: {}, text: async () => JSON.stringify(answer ?? {}), chunks: () => [] as unknown as AsyncIterable<Uint8Array> };
    },
    close: () => undefined,
  });
  return { asked, connect };
}

async function world(input: { config?: string; nodes: Node[]; pods: Pod[]; answers?: Answers }) {
  const clock = new VirtualClock();
  const random = seededRandom(1);
  const env = { clock, random, log: silentLogger, metrics: createMetrics() };
  const api = createFakeApi({ clock, random });
  for (const n of input.nodes) await api.create(Nodes, n);
  for (const p of input.pods) await api.create(Pods, p);
  const configuration = loadConfiguration(head + (input.config ?? ''));
  const server = extenderServer(input.answers ?? {});
  const scheduler = createScheduler(env, { api, configuration, connect: server.connect }, resolveConfig(schedulerSchema, [{ leaderElect: false }]));
  const started = scheduler.start();
  await clock.advance(10);
  await started;
  await clock.advance(200);
  const find = (name: string): Pod | undefined => api.find(Pods, name, 'default');
  return {
    ...{ api, clock, env, scheduler, configuration, asked: server.asked, find },
    on: (name: string) => find(name)?.spec?.nodeName,
    says: (name: string) => find(name)?.status?.conditions?.[0]?.message,
  };
}

describe('profiles', () => {
  const config = `profiles: [{schedulerName: spreading}, {schedulerName: packing, pluginConfig: [{name: NodeResourcesFit, args: {scoringStrategy: {type: MostAllocated}}}], plugins: {score: {disabled: [{name: NodeResourcesBalancedAllocation}]}}}]`;
  it('schedule by their own rules, and leave the pods of others', async () => {
    const used = { ...pod('used', { cpu: '2' }), spec: { ...pod('used', { cpu: '2' }).spec, containers: pod('used', { cpu: '2' }).spec?.containers ?? [], nodeName: 'a' } };
    const { on, scheduler } = await world({
      config,
      nodes: [node('a'), node('b')],
      pods: [used, pod('s', { spec: { schedulerName: 'spreading' } }), pod('p', { spec: { schedulerName: 'packing' } }), pod('other')],
    });
    expect([on('s'), on('p'), on('other')]).toEqual(['b', 'a', undefined]);
    await scheduler.stop();
  });

  it('keep all pods to an added affinity', async () => {
    const added = 'profiles: [{pluginConfig: [{name: NodeAffinity, args: {addedAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: team, operator: In, values: [red]}]}]}}}}]}]';
    const { says, scheduler } = await world({ config: added, nodes: [node('a')], pods: [pod('p')] });
    expect(says('p')).toContain("1 node(s) didn't match scheduler-enforced node affinity.");
    await scheduler.stop();
  });

  it.each(['Nobody', 'EBSLimits'])('cannot have the plugin %s', (name) => {
    const clock = new VirtualClock();
    const random = seededRandom(1);
    const configuration = { ...loadConfiguration(head), profiles: [{ schedulerName: 'x', plugins: { multiPoint: { enabled: [{ name }] } }, pluginConfig: [] }] };
    const env = { clock, random, log: silentLogger, metrics: createMetrics() };
    expect(() => createScheduler(env, { api: createFakeApi({ clock, random }), configuration }, resolveConfig(schedulerSchema, []))).toThrow(`creating profile for scheduler name x: PreEnqueuePlugin "${name}" does not exist`);
  });
});

describe('policies of older releases', () => {
  const enabled = (name: string, args = '{}'): string => `profiles: [{plugins: {multiPoint: {enabled: [{name: ${name}, weight: 1000}]}}, pluginConfig: [{name: ${name}, args: ${args}}]}]`;
  const withWeb = (p: Pod, name: string): Pod => ({ ...p, metadata: { ...p.metadata, labels: { app: 'web' }, ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name, uid: 'u', controller: true }] } });
  const cases: [string, string, Node[], Pod, string][] = [
    ['NodeLabel requires', enabled('NodeLabel', '{presentLabels: [ssd]}'), [node('a'), node('b', '1', { ssd: 'no' })], pod('p'), 'b'],
    ['NodeLabel forbids', enabled('NodeLabel', '{absentLabels: [ssd]}'), [node('a', '1'), node('b', '4', { ssd: '' })], pod('p'), 'a'],
    ['NodeLabel prefers', enabled('NodeLabel', '{presentLabelsPreference: [ssd]}'), [node('a'), node('b', '1', { ssd: '' })], pod('p'), 'b'],
    ['NodeResourcesMostAllocated packs', enabled('NodeResourcesMostAllocated'), [node('a'), node('b', '1')], pod('p'), 'b'],
    ['RequestedToCapacityRatio follows its shape', enabled('RequestedToCapacityRatio', '{shape: [{utilization: 0, score: 0}, {utilization: 100, score: 10}], resources: [{name: cpu, weight: 1}]}'), [node('a'), node('b', '1')], pod('p'), 'b'],
    [
      'NodePreferAvoidPods keeps away',
      enabled('NodePreferAvoidPods'),
      [{ ...node('a'), metadata: { name: 'a', annotations: { 'scheduler.alpha.kubernetes.io/preferAvoidPods': '{"preferAvoidPods":[{"podSignature":{"podController":{"kind":"ReplicaSet","uid":"u"}}}]}' } } }, node('b', '1')],
      withWeb(pod('p'), 'rs'),
      'b',
    ],
  ];
  it.each(cases)('%s', async (_name, config, nodes, p, expected) => {
    const { on, scheduler } = await world({ config, nodes, pods: [p] });
    expect(on('p')).toBe(expected);
    await scheduler.stop();
  });

  it('SelectorSpread, and the default constraints of upstream, spread the pods of a workload', async () => {
    for (const config of ['', enabled('SelectorSpread')]) {
      const { api, clock, find, scheduler } = await world({ config, nodes: [node('a', '40', { 'kubernetes.io/hostname': 'a' }), node('b', '6', { 'kubernetes.io/hostname': 'b' })], pods: [] });
      await api.create(ReplicaSets, { metadata: { name: 'rs', namespace: 'default' }, spec: { selector: { matchLabels: { app: 'web' } } } });
      await clock.advance(10);
      for (let i = 0; i < 4; i++) {
        await api.create(Pods, withWeb(pod(`p${i}`, { cpu: '100m' }), 'rs'));
        await clock.advance(100);
      }
      const places = Array.from({ length: 4 }, (_, i) => find(`p${i}`)?.spec?.nodeName).sort();
      expect(places).toEqual(['a', 'a', 'b', 'b']);
      await scheduler.stop();
    }
  });
});

describe('extenders', () => {
  const one = (more: string): string => `extenders: [{urlPrefix: "http://extender:8888/api", ${more}}]`;
  const nodes = [node('a'), node('b'), node('c')];

  it('filter, by names when they keep nodes themselves, and score', async () => {
    const answers: Answers = {
      filter: ({ Pod: { metadata }, NodeNames }) => ({ nodenames: NodeNames.filter((name: string) => name !== 'a'), failedNodes: { a: `not for ${metadata.name}` } }),
      rank: ({ NodeNames }) => NodeNames.map((Host: string) => ({ Host, Score: Host === 'c' ? 10 : 0 })),
    };
    const { on, asked, scheduler } = await world({ config: one('filterVerb: filter, prioritizeVerb: rank, weight: 100, nodeCacheCapable: true'), nodes, pods: [pod('p')], answers });
    expect(on('p')).toBe('c');
    expect(asked).toEqual(['http://extender:8888/api/filter', 'http://extender:8888/api/rank']);
    await scheduler.stop();
  });

  it('say why no node will do', async () => {
    const answers: Answers = { filter: () => ({ Nodes: { items: [] }, FailedNodes: { a: 'busy', b: 'busy' }, FailedAndUnresolvableNodes: { c: 'broken' } }) };
    const { says, scheduler } = await world({ config: one('filterVerb: filter'), nodes, pods: [pod('p')], answers });
    expect(says('p')).toContain('0/3 nodes are available: 1 broken, 2 busy.');
    await scheduler.stop();
  });

  it.each([
    ['stop a pod when they fail', '', undefined, 'failed filter with extender at URL http://extender:8888/api/filter, code 500'],
    ['are passed over when they fail and may be', ', ignorable: true', 'a', undefined],
    ['are not asked about pods that want nothing they manage', ', managedResources: [{name: example.com/gpu}]', 'a', undefined],
  ])('%s', async (_name, more, place, message) => {
    const { on, says, scheduler } = await world({ config: one(`filterVerb: filter${more}`), nodes: [node('a')], pods: [pod('p')] });
    expect([on('p'), says('p')]).toEqual([place, message]);
    await scheduler.stop();
  });

  it('bind instead of the scheduler', async () => {
    const bound: unknown[] = [];
    const { find, scheduler, asked } = await world({ config: one('bindVerb: bind'), nodes: [node('a')], pods: [pod('p')], answers: { bind: (message) => (bound.push(message), {}) } });
    expect(bound).toEqual([{ PodName: 'p', PodNamespace: 'default', PodUID: find('p')?.metadata?.uid, Node: 'a' }]);
    expect(asked).toEqual(['http://extender:8888/api/bind']);
    await scheduler.stop();
  });

  it('choose among the nodes to preempt on', async () => {
    const low = (name: string): Pod => ({ ...pod(`low-${name}`, { cpu: '4', spec: { priority: 1, nodeName: name } }) });
    const answers: Answers = { preempt: ({ NodeNameToMetaVictims: all }) => ({ NodeNameToMetaVictims: { b: all.b } }) };
    const { find, scheduler } = await world({ config: one('preemptVerb: preempt, nodeCacheCapable: true'), nodes, pods: [...['a', 'b', 'c'].map(low), pod('high', { cpu: '2', spec: { priority: 9 } })], answers });
    expect(find('high')?.status?.nominatedNodeName).toBe('b');
    expect(find('low-b')?.metadata?.deletionTimestamp).toBeDefined();
    expect(find('low-a')?.metadata?.deletionTimestamp).toBeUndefined();
    await scheduler.stop();
  });
});

describe('gangs', () => {
  const config = 'profiles: [{plugins: {multiPoint: {enabled: [{name: Coscheduling}]}}, pluginConfig: [{name: Coscheduling, args: {permitWaitingTimeSeconds: 30}}]}]';
  const member = (i: number, minimum = 3): Pod => pod(`m${i}`, { cpu: '2', labels: { 'scheduling.x-k8s.io/pod-group': 'g' }, annotations: { 'scheduling.x-k8s.io/min-available': String(minimum) } });

  it('wait for their members, and are bound together', async () => {
    const { on, says, api, clock, scheduler } = await world({ config, nodes: [node('a', '8')], pods: [member(0), member(1)] });
    expect([on('m0'), on('m1')]).toEqual([undefined, undefined]);
    expect(says('m1')).toContain('pre-filter pod m1 cannot find enough sibling pods, current pods number: 2, minMember of group: 3');
    await api.create(Pods, member(2));
    await clock.advance(5_000);
    expect([on('m0'), on('m1'), on('m2')]).toEqual(['a', 'a', 'a']);
    await scheduler.stop();
  });

  it('give their room back when time is up', async () => {
    const { on, says, api, clock, scheduler } = await world({ config, nodes: [node('a', '4')], pods: [member(0), member(1), member(2)] });
    await api.create(Pods, pod('single', { cpu: '2' }));
    await clock.advance(1_000);
    expect([on('m0'), on('m1'), on('m2'), on('single')]).toEqual([undefined, undefined, undefined, undefined]);
    await clock.advance(40_000);
    expect(on('single')).toBe('a');
    expect([on('m0'), on('m1'), on('m2')]).toEqual([undefined, undefined, undefined]);
    expect(['m0', 'm1', 'm2'].map(says).join()).toMatch(/rejected due to timeout after waiting 30s at plugin Coscheduling|lost its place|Insufficient cpu/);
    await scheduler.stop();
  });
});

describe('explaining a pod', () => {
  it('tells refusals and weighted scores of every node, and what would be chosen', async () => {
    const bound = pod('p', { spec: { nodeName: 'small' } });
    const { api, env, clock, configuration, scheduler } = await world({ nodes: [node('big', '8'), node('small', '2'), { ...node('closed', '500m'), spec: { unschedulable: true } }], pods: [bound] });
    const asking = explainPod({ ...env, metrics: createMetrics() }, { api, configuration }, { namespace: 'default', name: 'p' });
    await clock.advance(50);
    const found = await asking;
    expect(found).toMatchObject({ pod: 'default/p', schedulerName: 'default-scheduler', boundTo: 'small', chosen: ['big'] });
    expect(found.nodes.map(({ node: name, fits, refusals }) => [name, fits, refusals.map(({ plugin }) => plugin)])).toEqual([
      ['big', true, []],
      ['small', true, []],
      ['closed', false, ['NodeUnschedulable', 'NodeResourcesFit']],
    ]);
    for (const { total, scores, fits } of found.nodes) if (fits) expect(total).toBe(scores.reduce((sum, { score, weight }) => sum + score * weight, 0));
    expect(found.nodes[0]?.scores).toContainEqual({ plugin: 'TaintToleration', weight: 3, score: 100 });
    await scheduler.stop();
  });

  it('tells why there is no node', async () => {
    const { api, env, clock, configuration, scheduler } = await world({ nodes: [node('a')], pods: [pod('p', { cpu: '9' })] });
    const asking = explainPod({ ...env, metrics: createMetrics() }, { api, configuration }, { namespace: 'default', name: 'p' });
    await clock.advance(50);
    expect(await asking).toMatchObject({ chosen: [], message: '0/1 nodes are available: 1 Insufficient cpu.' });
    expect(api.objects(PersistentVolumes)).toEqual([]);
    await scheduler.stop();
  });
});

it('counts and times what it does by the names of upstream', async () => {
  const { env, scheduler } = await world({ nodes: [node('a')], pods: [pod('p'), pod('q', { cpu: '9' })] });
  const text = env.metrics.expose();
  for (const line of [
    'scheduler_schedule_attempts_total{profile="default-scheduler",result="scheduled"} 1',
    'scheduler_schedule_attempts_total{profile="default-scheduler",result="unschedulable"} 1',
    'scheduler_pending_pods{queue="unschedulable"} 1',
    'scheduler_unschedulable_pods{plugin="NodeResourcesFit",profile="default-scheduler"} 1',
    'scheduler_queue_incoming_pods_total{event="UnschedulablePodAdd",queue="active"} 2',
    'scheduler_inflight_events{event="PodPopped"} 0',
    'scheduler_goroutines{operation="binding"} 0',
    'scheduler_event_handling_duration_seconds_count{event="NodeAdd"} 1',
    'scheduler_event_handling_duration_seconds_count{event="UnschedulablePodAdd"} 2',
    'scheduler_event_handling_duration_seconds_count{event="AssignedPodAdd"} 1',
    'scheduler_plugin_evaluation_total{extension_point="Filter",plugin="NodeResourcesFit",profile="default-scheduler"} 2',
    'scheduler_pod_scheduled_after_flush_total 0',
    'scheduler_queue_incoming_pods_total{event="ScheduleAttemptFailure",queue="unschedulable"} 1',
    'scheduler_pod_scheduling_sli_duration_seconds_count{attempts="1"} 1',
    'scheduler_framework_extension_point_duration_seconds_count{extension_point="Filter",profile="default-scheduler",status="Success"} 2',
    'scheduler_plugin_execution_duration_seconds_count{extension_point="Filter",plugin="NodeName",status="Success"} 1',
    'scheduler_cache_size{type="nodes"} 1',
    'kubernetes_feature_enabled{name="SchedulerAsyncAPICalls",stage="BETA"} 0',
  ]) {
    expect(text).toContain(line);
  }
  await scheduler.stop();
});

it('counts which plugins had a say about a pod, at which points', async () => {
  const plain = pod('p');
  const spec = { ...plain.spec, containers: (plain.spec?.containers ?? []).map((one) => ({ ...one, ports: [{ containerPort: 1, hostPort: 1 }] })) };
  const { env, scheduler } = await world({ nodes: [node('a'), node('b')], pods: [{ ...plain, spec }] });
  const told = [...env.metrics.expose().matchAll(/\nscheduler_plugin_evaluation_total\{extension_point="(\w+)",plugin="(\w+)",profile="default-scheduler"\} (\d+)/g)].map(([, point, plugin, count]) => `${point} ${plugin} ${count}`);
  expect(told).toEqual([
    'PreFilter NodePorts 1', 'Filter NodeUnschedulable 1', 'Filter NodeName 1', 'Filter TaintToleration 1', 'Filter NodePorts 1', 'Filter NodeResourcesFit 1',
    'PreScore NodeResourcesBalancedAllocation 1', 'Score TaintToleration 1', 'Score NodeResourcesFit 1', 'Score NodeResourcesBalancedAllocation 1',
  ]);
  await scheduler.stop();
});
