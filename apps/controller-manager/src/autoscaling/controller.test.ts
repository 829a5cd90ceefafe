import { APIServices, CustomResourceDefinitions, Deployments, Events, HorizontalPodAutoscalers, Pods } from '@orrery/api';
import type { CrossVersionObjectReference, Deployment, HorizontalPodAutoscaler, HorizontalPodAutoscalerSpec, MetricSpec, Pod } from '@orrery/api/types';
import { type KubeObject, type ResourceRef, parseLabelSelector } from '@orrery/apimachinery';
import { type ApiClient, type ListOptions, type ObjectKey, type ReadOptions, failureOf } from '@orrery/client';
import { type FakeApi, createFakeApi } from '@orrery/client/testing';
import { serviceUnavailable } from '@orrery/errors';
import { VirtualClock, createLogger, createMetrics, rfc3339, seededRandom } from '@orrery/runtime';
import { afterEach, expect, it } from 'vitest';
import { type ControllerManager, createControllerManager } from '../component.ts';
import type { Settings } from '../settings.ts';

const namespace = 'a';
const key = { namespace, name: 'web' };

/** An API with deployments that make their pods at once, a scale for them, and metrics that a test sets. */
class World {
  readonly clock = new VirtualClock();
  readonly env = { clock: this.clock, random: seededRandom(3), log: createLogger({ now: () => this.clock.now(), level: 'warn', write: ({ message, fields }) => void this.complaints.push(`${message} ${JSON.stringify(fields)}`) }), metrics: createMetrics() };
  readonly complaints: string[] = [];
  readonly api: FakeApi = createFakeApi(this.env);
  /** Millicores a pod; undefined: there is no metrics API. */
  cpu: number | undefined = 100;
  /** Answers of custom and external metrics, by URL; an error is thrown. */
  readonly answers = new Map<string, object>();
  /** Pods whose metrics know of no container. */
  readonly silent = new Set<string>();
  readonly asked: string[] = [];
  failScale = false;
  manager: ControllerManager | undefined;

  async start(config: Partial<Settings> = {}): Promise<void> {
    const manager = createControllerManager(this.env, { api: this.client() }, { leaderElect: false, controllers: ['horizontal-pod-autoscaler-controller'], ...config });
    this.manager = manager;
    const started = manager.start();
    await this.clock.advance(100);
    await started;
  }

  deploy(replicas: number, name = 'web'): void {
    this.api.seed<Deployment>(Deployments, { metadata: { namespace, name }, spec: { replicas, selector: { matchLabels: { app: name } }, template: {} } });
    this.follow(name);
  }

  size(name = 'web'): number {
    return this.api.find(Deployments, name, namespace)?.spec?.replicas ?? -1;
  }

  autoscale(spec: Partial<HorizontalPodAutoscalerSpec>, name = 'web'): void {
    const cpu: MetricSpec = { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } } };
    this.api.seed<HorizontalPodAutoscaler>(HorizontalPodAutoscalers, {
      metadata: { namespace, name },
      spec: { minReplicas: 1, maxReplicas: 10, metrics: [cpu], scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' }, ...spec },
    });
  }

  /** Another server has custom metrics. */
  register(version: string, versionPriority: number): void {
    this.api.seed(APIServices, {
      metadata: { name: `${version}.custom.metrics.k8s.io` },
      spec: { group: 'custom.metrics.k8s.io', version, groupPriorityMinimum: 100, versionPriority, service: { name: 'adapter', namespace } },
      status: { conditions: [{ type: 'Available', status: 'True' }] },
    });
  }

  autoscaler(name = 'web'): HorizontalPodAutoscaler {
    return this.api.find(HorizontalPodAutoscalers, name, namespace) as HorizontalPodAutoscaler;
  }

  conditions(name = 'web'): string[] {
    return (this.autoscaler(name).status?.conditions ?? []).map(({ type, status, reason }) => `${type}=${status} ${reason}`);
  }

  events(): string[] {
    return this.api.objects(Events).map(({ reason, message }) => `${reason}: ${message}`);
  }

  periods(count: number): Promise<void> {
    return this.clock.advance(count * 15_000);
  }

  /** Ready pods as many as the deployment wants, started long ago. */
  private follow(name: string): void {
    const wanted = this.size(name);
    const at = rfc3339(this.clock.now() - 3_600_000);
    const status = { phase: 'Running', startTime: at, conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: at }] };
    const have = this.pods(name);
    for (let i = have.length; i < wanted; i++) {
      this.api.seed<Pod>(Pods, { metadata: { namespace, name: `${name}-${i}`, labels: { app: name } }, spec: { containers: [{ name: 'c', resources: { requests: { cpu: '200m' } } }] }, status });
    }
    for (const pod of have.slice(wanted)) void this.api.delete(Pods, { namespace, name: pod.metadata?.name ?? '' }, { gracePeriodSeconds: 0 });
  }

  private pods(name: string): Pod[] {
    return this.api.objects(Pods).filter(({ metadata }) => metadata?.labels?.['app'] === name);
  }

  private client(): ApiClient {
    const { api } = this;
    const scaleOf = (name: string, object: Deployment): KubeObject => ({ apiVersion: 'autoscaling/v1', kind: 'Scale', metadata: object.metadata ?? {}, spec: { replicas: object.spec?.replicas }, status: { replicas: this.pods(name).length, selector: `app=${name}` } }) as KubeObject;
    const elsewhere = ({ group, resource }: ResourceRef, path: string, name?: string): object => {
      this.asked.push(path);
      const found = this.answers.get(path);
      if (!found) throw failureOf(404, '404 page not found\n', { method: 'GET', group, resource, name });
      if (found instanceof Error) throw found;
      return found;
    };
    const get = async <T extends KubeObject>(ref: ResourceRef<T>, at: ObjectKey, options: ReadOptions = {}): Promise<T> => {
      if (ref.group.endsWith('metrics.k8s.io')) return elsewhere(ref, [ref.version, at.namespace, ref.resource, at.name, options.subresource, JSON.stringify(options.parameters)].join(' '), at.name) as T;
      const object = await api.get(ref, at);
      return options.subresource === 'scale' ? (scaleOf(at.name, object as Deployment) as T) : object;
    };
    const metrics = (selector: string): object[] => {
      if (this.cpu === undefined) throw failureOf(503, 'service unavailable\n', { method: 'GET', group: 'metrics.k8s.io', resource: 'pods' });
      const matches = parseLabelSelector(selector);
      const usage = { cpu: `${this.cpu}m`, memory: '64Mi' };
      return api.objects(Pods).filter(({ metadata }) => matches.matches(metadata?.labels ?? {})).map(({ metadata }) => ({ metadata, timestamp: rfc3339(this.clock.now()), window: '15s', containers: this.silent.has(metadata?.name ?? '') ? [] : [{ name: 'c', usage }] }));
    };
    const list = async <T extends KubeObject>(ref: ResourceRef<T>, options: ListOptions = {}) => {
      if (ref.group === 'metrics.k8s.io') return { items: metrics(options.labelSelector ?? '') as T[], resourceVersion: '' };
      if (ref.group === 'external.metrics.k8s.io') return { items: [elsewhere(ref, `${ref.resource} ${options.labelSelector ?? ''}`)] as T[], resourceVersion: '' };
      return api.list(ref, options);
    };
    const update: ApiClient['update'] = async (ref, object, options) => {
      if (options?.subresource === 'scale' && this.failScale) throw serviceUnavailable('try later');
      const out = await api.update(ref, object, options);
      if (options?.subresource === 'scale') this.follow(object.metadata?.name ?? '');
      return out;
    };
    return { ...api, get, list, update };
  }
}

let world: World;
const begin = (): World => (world = new World());
afterEach(async () => {
  await world.manager?.stop();
  expect(world.complaints).toEqual([]);
});

it('scales with the load, and down five minutes after it has gone', async () => {
  begin();
  world.deploy(2);
  world.autoscale({});
  await world.start();
  expect(world.autoscaler().status?.conditions).toBeUndefined();
  await world.periods(1);
  // 100m of 200m is the target.
  expect(world.size()).toBe(2);
  expect(world.conditions()).toEqual(['AbleToScale=True ReadyForNewScale', 'ScalingActive=True ValidMetricFound', 'ScalingLimited=False DesiredWithinRange']);
  expect(world.autoscaler().status).toMatchObject({ currentReplicas: 2, desiredReplicas: 2, currentMetrics: [{ type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: 50, averageValue: '100m' } } }] });
  world.cpu = 180;
  await world.periods(1);
  expect(world.size()).toBe(4);
  expect(world.events()).toContain('SuccessfulRescale: New size: 4; reason: cpu resource utilization (percentage of request) above target');
  expect(world.autoscaler().status).toMatchObject({ currentReplicas: 2, desiredReplicas: 4, lastScaleTime: rfc3339(world.clock.now()) });
  await world.periods(3);
  expect([world.size(), world.conditions()]).toEqual([10, ['AbleToScale=True ReadyForNewScale', 'ScalingActive=True ValidMetricFound', 'ScalingLimited=True TooManyReplicas']]);
  world.cpu = 10;
  await world.periods(10);
  expect([world.size(), world.conditions()[0]]).toEqual([10, 'AbleToScale=True ScaleDownStabilized']);
  await world.periods(11);
  expect([world.size(), world.conditions()[2]]).toEqual([1, 'ScalingLimited=False DesiredWithinRange']);
  expect(world.events()).toContain('SuccessfulRescale: New size: 1; reason: All metrics below target');
  const told = world.env.metrics.expose();
  const name = 'horizontal_pod_autoscaler_controller';
  for (const line of [`${name}_reconciliations_total{action="scale_up",error="none"} 3`, `${name}_reconciliations_total{action="scale_down",error="none"} 1`, `${name}_desired_replicas{hpa_name="web",namespace="a"} 1`]) expect(told).toContain(`\n${line}\n`);
  // What the metric asks for, whatever the rules make of it.
  expect(told).toMatch(new RegExp(`\n${name}_metric_computation_total{action="scale_up",error="none",metric_type="Resource"} [4-9]\n`));
  expect(told).toMatch(new RegExp(`\n${name}_metric_computation_total{action="scale_down",error="none",metric_type="Resource"} \\d\\d\n`));
});

it('leaves what is at zero alone, and brings what is out of bounds in', async () => {
  begin();
  world.deploy(0);
  world.autoscale({ minReplicas: 2, maxReplicas: 3 });
  await world.start();
  await world.periods(1);
  expect([world.size(), world.conditions()]).toEqual([0, ['AbleToScale=True SucceededGetScale', 'ScalingActive=False ScalingDisabled']]);
  for (const [size, expected, why] of [[1, 2, 'below Spec.MinReplicas'], [9, 3, 'above Spec.MaxReplicas']] as const) {
    await world.api.patch(Deployments, key, { spec: { replicas: size } }, { type: 'application/merge-patch+json' });
    await world.periods(1);
    expect([world.size(), world.events().at(-1)]).toEqual([expected, `SuccessfulRescale: New size: ${expected}; reason: Current number of replicas ${why}`]);
  }
});

it('says what is wrong, in the words of upstream, and goes on looking', async () => {
  begin();
  world.autoscale({ scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'gone' } }, 'lost');
  world.autoscale({ scaleTargetRef: { apiVersion: 'x.example.com/v1', kind: 'Thing', name: 'gone' } }, 'unknown');
  world.deploy(2);
  world.autoscale({});
  world.cpu = undefined;
  await world.start();
  await world.periods(1);
  expect(world.conditions()).toEqual(['AbleToScale=True SucceededGetScale', 'ScalingActive=False FailedGetResourceMetric']);
  const why = 'unable to get metrics for resource cpu: unable to fetch metrics from resource metrics API: the server is currently unable to handle the request (get pods.metrics.k8s.io)';
  expect(world.autoscaler().status?.conditions?.[1]?.message).toBe(`the HPA was unable to compute the replica count: failed to get cpu utilization: ${why}`);
  expect(world.events()).toEqual(expect.arrayContaining([
    `FailedGetResourceMetric: failed to get cpu utilization: ${why}`,
    `FailedComputeMetricsReplicas: invalid metrics (1 invalid out of 1), first error is: failed to get cpu resource metric value: failed to get cpu utilization: ${why}`,
    'FailedGetScale: deployments.apps "gone" not found',
    'FailedGetScale: no matches for kind "Thing" in group "x.example.com"',
  ]));
  expect(world.autoscaler('lost').status?.conditions?.[0]).toMatchObject({ type: 'AbleToScale', status: 'False', reason: 'FailedGetScale', message: "the HPA controller was unable to get the target's current scale: deployments.apps \"gone\" not found" });
  world.cpu = 200;
  world.failScale = true;
  await world.periods(1);
  expect([world.size(), world.conditions()[0], world.events().some((text) => text.startsWith('FailedRescale: New size: 4; reason: cpu resource'))]).toEqual([2, 'AbleToScale=False FailedUpdateScale', true]);
  world.failScale = false;
  await world.periods(1);
  expect([world.size(), world.conditions()[0]]).toEqual([4, 'AbleToScale=True SucceededRescale']);
});

it('scales by what custom and external metrics say, up only while one of them fails', async () => {
  begin();
  world.register('v1beta1', 100);
  world.register('v1beta2', 200);
  world.deploy(2);
  const target = (averageValue: string) => ({ type: 'AverageValue', averageValue });
  world.autoscale({
    metrics: [
      { type: 'Pods', pods: { metric: { name: 'rps', selector: { matchLabels: { verb: 'GET' } } }, target: target('10') } },
      { type: 'Object', object: { describedObject: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' }, metric: { name: 'hits' }, target: { type: 'Value', value: '100' } } },
      { type: 'External', external: { metric: { name: 'queue', selector: { matchLabels: { q: 'w' } } }, target: target('30') } },
    ],
  });
  const value = (name: string, text: string) => ({ describedObject: { name }, timestamp: rfc3339(world.clock.now()), value: text });
  const rps = 'v1beta2 a pods * rps {"labelSelector":"app=web","metricLabelSelector":"verb=GET"}';
  const hits = 'v1beta2 a deployments.apps web hits {}';
  world.answers.set(rps, { items: [value('web-0', '12'), value('web-1', '12500m')] }).set(hits, { items: [value('web', '90')] }).set('queue q=w', { value: '60' });
  await world.start();
  await world.periods(1);
  expect([world.size(), world.conditions()[1]]).toEqual([3, 'ScalingActive=True ValidMetricFound']);
  expect(world.autoscaler().status?.currentMetrics).toEqual([
    { type: 'Pods', pods: { metric: { name: 'rps', selector: { matchLabels: { verb: 'GET' } } }, current: { averageValue: '12250m' } } },
    { type: 'Object', object: { describedObject: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' }, metric: { name: 'hits' }, current: { value: '90' } } },
    { type: 'External', external: { metric: { name: 'queue', selector: { matchLabels: { q: 'w' } } }, current: { averageValue: '30' } } },
  ]);
  world.answers.delete(rps);
  world.answers.set('queue q=w', { value: '150' });
  await world.periods(1);
  expect([world.size(), world.events().at(-1)]).toEqual([5, 'SuccessfulRescale: New size: 5; reason: external metric queue(&LabelSelector{MatchLabels:map[string]string{q: w,},MatchExpressions:[]LabelSelectorRequirement{},}) above target']);
  // Scaled, and not all went well.
  expect(world.env.metrics.expose()).toContain('horizontal_pod_autoscaler_controller_reconciliations_total{action="scale_up",error="internal"} 1\n');
  world.answers.set('queue q=w', { value: '10' }).set(hits, { items: [value('web', '10')] });
  await world.periods(25);
  expect([world.size(), world.conditions()[1]]).toEqual([5, 'ScalingActive=False FailedGetPodsMetric']);
});

it('a pod whose metrics know of no container has not been measured', async () => {
  begin();
  world.deploy(2);
  world.silent.add('web-1');
  world.autoscale({ behavior: { scaleUp: { stabilizationWindowSeconds: 0, selectPolicy: 'Max', policies: [] }, scaleDown: { stabilizationWindowSeconds: 0, selectPolicy: 'Max', policies: [{ type: 'Percent', value: 100, periodSeconds: 15 }] } } });
  world.cpu = 60;
  await world.start();
  await world.periods(1);
  // The other may use all it requests: then more were needed, not fewer.
  expect([world.size(), world.autoscaler().status?.currentMetrics?.[0]?.resource?.current]).toEqual([2, { averageUtilization: 30, averageValue: '60m' }]);
});

const average = { type: 'AverageValue', averageValue: '10' };
const web = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' };
const hitsOf = (describedObject: CrossVersionObjectReference): MetricSpec => ({ type: 'Object', object: { describedObject, metric: { name: 'hits', selector: { matchLabels: { verb: 'GET' } } }, target: { type: 'Value', value: '100' } } });
const verb = '{"metricLabelSelector":"verb=GET"}';
it.each<[string, CrossVersionObjectReference]>([
  [`v1beta1 a services web hits ${verb}`, { apiVersion: 'v1', kind: 'Service', name: 'web' }],
  [`v1beta1 a ingresses.networking.k8s.io web hits ${verb}`, { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', name: 'web' }],
  // What lies in no namespace is asked for in the autoscaler's.
  [`v1beta1 a nodes web hits ${verb}`, { apiVersion: 'v1', kind: 'Node', name: 'web' }],
  // A namespace is the autoscaler's own, whatever it is called.
  [`v1beta1 a metrics hits  ${verb}`, { apiVersion: 'v1', kind: 'Namespace', name: 'other' }],
])('asks for %s', async (path, describedObject) => {
  begin();
  world.register('v1beta1', 100);
  world.deploy(2);
  world.autoscale({ metrics: [hitsOf(describedObject)] });
  world.answers.set(path, { items: [{ describedObject, value: '150' }] });
  await world.start();
  await world.periods(1);
  expect([world.asked, world.size()]).toEqual([[path], 3]);
});

const status404 = failureOf(404, JSON.stringify({ kind: 'Status', apiVersion: 'v1', status: 'Failure', reason: 'NotFound', code: 404, message: 'the server could not find the metric hits for services' }));
const ofWeb = `v1beta2 a deployments.apps web hits ${verb}`;
it.each<[string, { described?: CrossVersionObjectReference; versions?: string[]; answer?: object }]>([
  ['no custom metrics API (custom.metrics.k8s.io) registered', { versions: [] }],
  ['no known available metric versions found', { versions: ['v2'] }],
  ['the server could not find the requested resource (get deployments.apps.custom.metrics.k8s.io web)', {}],
  ['the server could not find the metric hits for services', { answer: status404 }],
  ['an error on the server ("oops") has prevented the request from succeeding (get deployments.apps.custom.metrics.k8s.io web)', { answer: failureOf(500, 'oops\n', { method: 'GET', group: 'custom.metrics.k8s.io', resource: 'deployments.apps', name: 'web' }) }],
  ['the custom metrics API server returned 0 results when we asked for exactly one', { answer: { items: [] } }],
  ['unable to map kind Thing.x.example.com to resource: no matches for kind "Thing" in group "x.example.com"', { described: { apiVersion: 'x.example.com/v1', kind: 'Thing', name: 'web' } }],
])('tells why there are no custom metrics: %s', async (why, { described = web, versions = ['v1beta2'], answer }) => {
  begin();
  for (const version of versions) world.register(version, 100);
  world.deploy(2);
  world.autoscale({ metrics: [hitsOf(described)] });
  if (answer) world.answers.set(ofWeb, answer);
  await world.start();
  await world.periods(1);
  const message = `the HPA was unable to compute the replica count: unable to get metric hits: ${described.kind} on a web/unable to fetch metrics from custom metrics API: ${why}`;
  expect(world.autoscaler().status?.conditions?.[1]).toMatchObject({ type: 'ScalingActive', status: 'False', reason: 'FailedGetObjectMetric', message });
});

const odd = { matchExpressions: [{ key: 'a', operator: 'Like', values: ['b'] }] };
it.each<[string, MetricSpec, string]>([
  ['Pods', { type: 'Pods', pods: { metric: { name: 'm', selector: odd }, target: average } }, 'failed to get pods metric value: '],
  ['Object', { type: 'Object', object: { describedObject: web, metric: { name: 'm', selector: odd }, target: average } }, 'failed to get object metric value: '],
  ['External', { type: 'External', external: { metric: { name: 'm', selector: odd }, target: average } }, 'failed to get m external metric value: failed to get m external metric: '],
  ['External', { type: 'External', external: { metric: { name: 'm', selector: odd }, target: { type: 'Value', value: '10' } } }, 'failed to get m external metric value: failed to get external metric m: '],
])('a selector of a metric that is none is told: %s', async (type, metric, before) => {
  begin();
  world.deploy(2);
  world.autoscale({ metrics: [metric] });
  await world.start();
  await world.periods(1);
  const why = '"Like" is not a valid label selector operator';
  const condition = world.autoscaler().status?.conditions?.[1];
  expect([condition?.reason, condition?.message]).toEqual([`FailedGet${type}Metric`, `the HPA was unable to compute the replica count: ${why}`]);
  expect(world.events()).toEqual([`FailedGet${type}Metric: ${why}`, `FailedComputeMetricsReplicas: invalid metrics (1 invalid out of 1), first error is: ${before}${why}`]);
  expect(world.asked).toEqual([]);
});

it.each<[string, string | undefined, MetricSpec, number, string]>([
  ['a share of its request', 'c', { type: 'ContainerResource', containerResource: { name: 'cpu', container: 'c', target: { type: 'Utilization', averageUtilization: 50 } } }, 4, 'SuccessfulRescale: New size: 4; reason: cpu container resource utilization (percentage of request) above target'],
  ['an amount', 'c', { type: 'ContainerResource', containerResource: { name: 'cpu', container: 'c', target: { type: 'AverageValue', averageValue: '100m' } } }, 4, 'SuccessfulRescale: New size: 4; reason: cpu resource above target'],
  ['one that is not there', undefined, { type: 'ContainerResource', containerResource: { name: 'cpu', container: 'x', target: { type: 'Utilization', averageUtilization: 50 } } }, 2,
    'FailedComputeMetricsReplicas: invalid metrics (1 invalid out of 1), first error is: failed to get x container metric value: failed to get cpu utilization: unable to get metrics for resource cpu: container x not present in metrics for pod a/web-0'],
])('by one container: %s', async (_, container, metric, size, event) => {
  begin();
  world.deploy(2);
  world.autoscale({ metrics: [metric] });
  world.cpu = 200;
  await world.start();
  await world.periods(1);
  expect([world.size(), world.events().at(-1)]).toEqual([size, event]);
  expect(world.autoscaler().status?.currentMetrics?.[0]?.containerResource?.container).toBe(container);
});

it.each([
  ['spec', 'a/b/c', 'unexpected GroupVersion string: a/b/c'],
  ['internal', 'apps/v1', 'deployments.apps "web" not found'],
])('counts looks without a scale as errors: %s', async (error, apiVersion, why) => {
  begin();
  world.autoscale({ scaleTargetRef: { apiVersion, kind: 'Deployment', name: 'web' } });
  await world.start();
  await world.periods(1);
  expect(world.events()).toEqual([`FailedGetScale: ${why}`]);
  expect(world.env.metrics.expose()).toContain(`horizontal_pod_autoscaler_controller_reconciliations_total{action="none",error="${error}"} 1\n`);
});

it('two for the same pods do nothing, and say so', async () => {
  begin();
  world.deploy(2);
  world.autoscale({});
  world.autoscale({}, 'again');
  world.cpu = 200;
  await world.start();
  await world.periods(2);
  expect(world.events()).toContain('AmbiguousSelector: pods by selector app=web are controlled by multiple HPAs: [a/again a/web]');
  const before = world.size();
  await world.periods(4);
  expect([world.size(), world.conditions()[1]]).toEqual([before, 'ScalingActive=False AmbiguousSelector']);
  expect(world.env.metrics.expose()).not.toContain('error="spec"');
  await world.api.delete(HorizontalPodAutoscalers, { namespace, name: 'again' });
  await world.periods(2);
  expect(world.size()).toBeGreaterThan(before);
});

it('keeps to the pace of its behavior, by the flags it was started with', async () => {
  begin();
  world.deploy(2);
  const scaleUp = { stabilizationWindowSeconds: 0, selectPolicy: 'Max', policies: [{ type: 'Pods', value: 1, periodSeconds: 60 }], tolerance: '0.5' };
  const scaleDown = { stabilizationWindowSeconds: 0, selectPolicy: 'Max', policies: [{ type: 'Percent', value: 100, periodSeconds: 15 }] };
  world.autoscale({ behavior: { scaleUp, scaleDown } });
  world.cpu = 140;
  await world.start({ horizontalPodAutoscalerSyncPeriod: '30s' });
  await world.clock.advance(60_000);
  expect(world.size()).toBe(2);
  world.cpu = 400;
  const sizes: number[] = [];
  for (let minute = 0; minute < 4; minute++) {
    await world.clock.advance(60_000);
    sizes.push(world.size());
  }
  expect(sizes).toEqual([3, 4, 5, 6]);
  expect(world.conditions()[2]).toBe('ScalingLimited=True ScaleUpLimit');
  world.cpu = 0;
  await world.clock.advance(30_000);
  expect(world.size()).toBe(1);
});

it('refuses durations that are none', () => {
  begin();
  expect(() => createControllerManager(world.env, { api: world.api }, { horizontalPodAutoscalerSyncPeriod: '15' })).toThrow('--horizontal-pod-autoscaler-sync-period: time: missing unit in duration "15"');
});

it('scales what a CustomResourceDefinition defines', async () => {
  begin();
  const things: ResourceRef = { group: 'x.example.com', version: 'v1', resource: 'things', kind: 'Thing', namespaced: true };
  const established = { type: 'Established', status: 'True' };
  world.api.seed(CustomResourceDefinitions, {
    metadata: { name: 'things.x.example.com' },
    spec: { group: 'x.example.com', scope: 'Namespaced', names: { plural: 'things', kind: 'Thing' }, versions: [{ name: 'v1', served: true, storage: true }] },
    status: { conditions: [established] },
  } as KubeObject);
  world.deploy(1);
  world.api.seed(things, { metadata: { namespace, name: 'web' }, spec: { replicas: 1 } } as KubeObject);
  world.autoscale({ scaleTargetRef: { apiVersion: 'x.example.com/v1', kind: 'Thing', name: 'web' } });
  world.cpu = 400;
  await world.start();
  await world.periods(1);
  expect((world.api.find(things, 'web', namespace) as Deployment).spec?.replicas).toBe(4);
});
