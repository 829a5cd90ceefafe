import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensurePki } from '@orrery/node-io';
import { type Kubectl, type TestCluster, eventually, startTestCluster } from '@orrery/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFailed } from 'vitest';
import { MetricsAdapter } from './metrics-adapter.ts';

const layouts = (process.env['ORRERY_LAYOUTS'] ?? 'single,processes').split(',').filter((l): l is 'single' | 'processes' => l === 'single' || l === 'processes');

const hasty = ['controller-manager.horizontal-pod-autoscaler-sync-period=1s', 'controller-manager.horizontal-pod-autoscaler-downscale-stabilization=1s'].flatMap((setting) => ['--extra-config', setting]);

const custom = 'custom.metrics.k8s.io';
const external = 'external.metrics.k8s.io';
/** What an adapter registers; the better version of custom metrics first. */
const apis = [[custom, 'v1beta1', 100], [custom, 'v1beta2', 200], [external, 'v1beta1', 100]] as const;

const average = (averageValue: string): object => ({ type: 'AverageValue', averageValue });
const metrics: Readonly<Record<string, object>> = {
  'by-pods': { type: 'Pods', pods: { metric: { name: 'rps', selector: { matchLabels: { verb: 'GET' } } }, target: average('10') } },
  'by-object': { type: 'Object', object: { describedObject: { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', name: 'front' }, metric: { name: 'hits' }, target: { type: 'Value', value: '100' } } },
  'by-external': { type: 'External', external: { metric: { name: 'queue', selector: { matchLabels: { q: 'orders' } } }, target: average('30') } },
};
const names = Object.keys(metrics);

const deployment = (name: string): object => ({
  apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name },
  spec: { selector: { matchLabels: { app: name } }, template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'c', image: 'registry.k8s.io/pause:3.10' }] } } },
});
const autoscaler = (name: string): object => ({
  apiVersion: 'autoscaling/v2', kind: 'HorizontalPodAutoscaler', metadata: { name },
  spec: { minReplicas: 1, maxReplicas: 4, scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name }, metrics: [metrics[name]] },
});
const list = (items: readonly object[]): string => JSON.stringify({ apiVersion: 'v1', kind: 'List', items });

it('has a layout to go through', () => expect(layouts.length).toBeGreaterThan(0));

describe.each(layouts)('autoscaling by the metrics of an adapter in the %s layout', (layout) => {
  const pki = ensurePki(undefined);
  let cluster: TestCluster;
  let adapter: MetricsAdapter;
  let k: Kubectl;
  const apply = (...items: object[]): Promise<string> => k.ok(['apply', '-f', '-'], { input: list(items) });
  const until = (what: string, check: () => Promise<void>): Promise<unknown> => eventually(check, { what, withinMs: 30_000 });
  const active = (name: string): Promise<string> => k.ok(['get', 'hpa', name, '-o', 'jsonpath={range .status.conditions[?(@.type=="ScalingActive")]}{.status} {.reason}: {.message}{end}']);
  const sees = (condition: Readonly<Record<string, string>>): Promise<unknown> =>
    until(JSON.stringify(condition), async () => expect(Object.fromEntries(await Promise.all(names.map(async (name) => [name, (await active(name)).replace('the HPA was unable to compute the replica count: ', '')])))).toEqual(condition));
  const sizes = (expected: string): Promise<unknown> =>
    until(`sizes ${expected}`, async () => expect(await k.ok(['get', 'deployments', '--sort-by=.metadata.name', '-o', 'jsonpath={.items[*].spec.replicas}'])).toBe(expected));
  const register = (): object[] => apis.map(([group, version, versionPriority]) => ({
    apiVersion: 'apiregistration.k8s.io/v1', kind: 'APIService', metadata: { name: `${version}.${group}` },
    spec: { group, version, groupPriorityMinimum: 100, versionPriority, caBundle: Buffer.from(pki.caCert).toString('base64'), service: { namespace: 'default', name: 'adapter', port: adapter.port } },
  }));

  beforeAll(async () => {
    cluster = await startTestCluster({ layout, nodes: 1, args: hasty });
    k = cluster.kubectl();
    const { cert, key } = pki.servingCert('adapter', { subject: { commonName: 'adapter' }, altNames: { dnsNames: ['adapter.default.svc'] } });
    const pods = async (namespace: string, selector: string): Promise<string[]> => (await k.ok(['get', 'pods', '-n', namespace, '-l', selector, '-o', 'jsonpath={.items[*].metadata.name}'])).split(' ').filter(Boolean);
    adapter = new MetricsAdapter({ cert, key, requestHeaderCa: readFileSync(join(cluster.dataDir, 'pki', 'front-proxy-ca.crt'), 'utf8'), pods });
    await adapter.start();
  }, 180_000);
  afterAll(async () => {
    await adapter?.stop();
    await cluster?.destroy();
  }, 60_000);
  beforeEach(() => onTestFailed(() => void process.stderr.write(`${cluster.logs()}\n`)));

  const selector = '&LabelSelector{MatchLabels:map[string]string{q: orders,},MatchExpressions:[]LabelSelectorRequirement{},}';
  /** The conditions of the three autoscalers that cannot read their metrics. */
  const told = (why: { pods: string; object: string; external: string }): Record<string, string> => ({
    'by-pods': `False FailedGetPodsMetric: unable to get metric rps: ${why.pods}`,
    'by-object': `False FailedGetObjectMetric: unable to get metric hits: Ingress on default front/${why.object}`,
    'by-external': `False FailedGetExternalMetric: unable to get external metric default/queue/${selector}: ${why.external}`,
  });
  const fromCustom = 'unable to fetch metrics from custom metrics API: ';
  const fromExternal = 'unable to fetch metrics from external metrics API: ';

  it('tells what is missing, as long as it is', { timeout: 60_000 }, async () => {
    await apply(...names.flatMap((name) => [deployment(name), autoscaler(name)]));
    const none = `${fromCustom}no custom metrics API (${custom}) registered`;
    await sees(told({ pods: none, object: none, external: `${fromExternal}the server could not find the requested resource (get queue.${external})` }));
    expect(await k.ok(['get', 'hpa', 'by-pods', 'by-object', 'by-external'])).toMatch(/Deployment\/by-pods +<unknown>\/10 [^]*Deployment\/by-object +<unknown>\/100 [^]*Deployment\/by-external +<unknown>\/30 \(avg\)/);
    await apply(...register());
    const away = `${fromCustom}no known available metric versions found`;
    await sees(told({ pods: away, object: away, external: `${fromExternal}the server is currently unable to handle the request (get queue.${external})` }));
    await apply({ apiVersion: 'v1', kind: 'Service', metadata: { name: 'adapter' }, spec: { type: 'ExternalName', externalName: 'localhost' } });
    await sees(told({ pods: `${fromCustom}the server could not find the metric rps for pods`, object: `${fromCustom}the server could not find the metric hits for ingresses.networking.k8s.io`, external: 'no metrics returned from external metrics API' }));
    await k.ok(['wait', '--for', 'condition=Available', 'apiservice', '--all', '--timeout=30s']);
    expect(await k.ok(['describe', 'hpa', 'by-pods'])).toMatch(/FailedComputeMetricsReplicas .*invalid metrics \(1 invalid out of 1\), first error is: failed to get pods metric value: unable to get metric rps: /);
  });

  it('scales by what pods, an object and a queue elsewhere are measured at, up and down', { timeout: 60_000 }, async () => {
    for (const [metric, value] of [['pods/rps', '10'], ['ingresses.networking.k8s.io/front/hits', '90'], ['queue', '30']] as const) adapter.values.set(metric, value);
    await until('readings', async () => expect(await k.ok(['get', 'hpa'])).toMatch(/by-external +Deployment\/by-external +30\/30 \(avg\) [^]*Deployment\/by-object +90\/100 [^]*Deployment\/by-pods +10\/10 /));
    // What was asked while one version was there before the other does not count.
    adapter.asked.length = 0;
    adapter.values.set('pods/rps', '12500m').set('ingresses.networking.k8s.io/front/hits', '180').set('queue', '80');
    // In order of names. The queue is shared by as many as it takes; the others stay above their targets, until there are as many as may be.
    await sizes('3 4 4');
    expect(await k.ok(['get', '--raw', `/apis/${custom}/v1beta1/namespaces/default/ingresses.networking.k8s.io/front/hits`])).toContain('"metricName":"hits"');
    expect(await k.ok(['get', '--raw', `/apis/${external}/v1beta1/namespaces/default/queue?labelSelector=q%3Dorders`])).toContain('"value":"80"');
    const described = await k.ok(['describe', 'hpa']);
    for (const line of [/"rps" on pods: +12500m \/ 10\n/, /"hits" on Ingress\/front \(target value\): +180 \/ 100\n/, /"queue" \(target average value\): +26667m \/ 30\n/, /SuccessfulRescale .*New size: \d; reason: pods metric rps above target/, /reason: Ingress metric hits above target/]) expect(described).toMatch(line);
    adapter.values.set('pods/rps', '1').set('ingresses.networking.k8s.io/front/hits', '0').set('queue', '5');
    await sizes('1 1 1');
    expect(await k.ok(['get', 'hpa', '-o', 'jsonpath={.items[*].status.conditions[?(@.type=="ScalingActive")].reason}'])).toBe('ValidMetricFound ValidMetricFound ValidMetricFound');
  });

  it('asks in the version that comes first, as its own account', { timeout: 60_000 }, async () => {
    const account = 'system:serviceaccount:kube-system:horizontal-pod-autoscaler';
    const asked = (): string[] => [...new Set(adapter.asked.filter(({ user }) => user === account).map(({ url }) => url))].sort();
    const urls = (version: string): string[] => [`/apis/${custom}/${version}/namespaces/default/ingresses.networking.k8s.io/front/hits`, `/apis/${custom}/${version}/namespaces/default/pods/*/rps?labelSelector=app=by-pods&metricLabelSelector=verb=GET`];
    const queue = `/apis/${external}/v1beta1/namespaces/default/queue?labelSelector=q=orders`;
    expect(asked()).toEqual([...urls('v1beta2'), queue]);
    await k.ok(['delete', 'apiservice', `v1beta2.${custom}`]);
    await until('the other version', async () => expect(asked()).toEqual([...urls('v1beta1'), ...urls('v1beta2'), queue]));
    await sees(Object.fromEntries(names.map((name) => [name, expect.stringContaining('True ValidMetricFound: the HPA was able to successfully calculate a replica count from ') as string])));
  });
});
