import { type Kubectl, type TestCluster, eventually, startTestCluster } from '@orrery/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFailed } from 'vitest';

const layouts = (process.env['ORRERY_LAYOUTS'] ?? 'single,processes').split(',').filter((l): l is 'single' | 'processes' => l === 'single' || l === 'processes');

/** Everything a few times faster than its default, so that minutes become seconds. */
const hasty = [
  'controller-manager.horizontal-pod-autoscaler-sync-period=1s', 'controller-manager.horizontal-pod-autoscaler-downscale-stabilization=3s', 'metrics-server.metric-resolution=2s',
].flatMap((setting) => ['--extra-config', setting]);

/** A page whose requests cost 10 ms of CPU, as in the walk-through of the documentation. */
const page = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'page' },
  spec: {
    selector: { matchLabels: { run: 'page' } },
    template: { metadata: { labels: { run: 'page' } }, spec: { containers: [{ name: 'page', image: 'registry.k8s.io/hpa-example', ports: [{ containerPort: 80 }], resources: { limits: { cpu: '500m' }, requests: { cpu: '200m' } } }] } },
  },
};

const consumers = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'consumer' },
  spec: {
    selector: { matchLabels: { run: 'consumer' } },
    template: { metadata: { labels: { run: 'consumer' } }, spec: { containers: [{ name: 'c', image: 'registry.k8s.io/e2e-test-images/resource-consumer:1.13', resources: { requests: { cpu: '100m', memory: '50Mi' } } }] } },
  },
};

it('has a layout to go through', () => expect(layouts.length).toBeGreaterThan(0));

describe.each(layouts)('autoscaling in the %s layout', (layout) => {
  let cluster: TestCluster;
  const kubectl = (): Kubectl => cluster.kubectl();
  beforeAll(async () => void (cluster = await startTestCluster({ layout, nodes: 2, args: hasty })), 180_000);
  afterAll(() => cluster?.destroy(), 60_000);
  beforeEach(() => onTestFailed(() => void process.stderr.write(`${cluster.logs()}\n`)));

  const replicas = async (name: string): Promise<number> => Number(await kubectl().ok(['get', 'deployment', name, '-o', 'jsonpath={.spec.replicas}']));
  const until = (what: string, check: () => Promise<boolean>): Promise<unknown> =>
    eventually(async () => {
      if (!(await check())) throw new Error('not yet');
    }, { what, withinMs: 90_000 });

  it('follows the load of requests, up and down', { timeout: 300_000 }, async () => {
    const k = kubectl();
    await k.ok(['apply', '-f', '-'], { input: JSON.stringify(page) });
    await k.ok(['expose', 'deployment', 'page', '--port=80']);
    await k.ok(['rollout', 'status', 'deployment/page', '--timeout=90s']);
    expect(await k.ok(['autoscale', 'deployment', 'page', '--min=1', '--max=4', '--cpu-percent=50'])).toContain('autoscaled');
    await until('a reading', async () => /Deployment\/page +cpu: 0%\/50% +1 +4 +1 /.test(await k.ok(['get', 'hpa', 'page'])));
    await k.ok(['run', 'load', '--image=busybox', '--restart=Never', '--', '/bin/sh', '-c', 'while sleep 0.02; do wget -q -O- http://page; done']);
    await until('scaled up', async () => (await replicas('page')) >= 2);
    expect(await k.ok(['describe', 'hpa', 'page'])).toMatch(/SuccessfulRescale +.*horizontal-pod-autoscaler +New size: \d; reason: cpu resource utilization \(percentage of request\) above target/);
    await k.ok(['delete', 'pod', 'load', '--grace-period=0', '--force']);
    await until('scaled down', async () => (await replicas('page')) === 1);
    expect(await k.ok(['get', 'hpa', 'page', '-o', 'jsonpath={.status.conditions[*].reason}'])).toMatch(/^(ReadyForNewScale|SucceededRescale) ValidMetricFound (DesiredWithinRange|TooFewReplicas)$/);
    expect(await k.ok(['get', 'events', '--field-selector', 'reason=SuccessfulRescale'])).toContain('reason: All metrics below target');
  });

  it('follows what a consumer is told to use, by memory too', { timeout: 300_000 }, async () => {
    const k = kubectl();
    await k.ok(['apply', '-f', '-'], { input: JSON.stringify(consumers) });
    await k.ok(['expose', 'deployment', 'consumer', '--port=80', '--target-port=8080']);
    await k.ok(['rollout', 'status', 'deployment/consumer', '--timeout=90s']);
    const metrics = [{ type: 'Resource', resource: { name: 'memory', target: { type: 'AverageValue', averageValue: '40Mi' } } }];
    const autoscaler = { apiVersion: 'autoscaling/v2', kind: 'HorizontalPodAutoscaler', metadata: { name: 'consumer' }, spec: { maxReplicas: 3, scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'consumer' }, metrics } };
    await k.ok(['apply', '-f', '-'], { input: JSON.stringify(autoscaler) });
    await k.ok(['run', 'ask', '--image=curlimages/curl', '--restart=Never', '--rm', '-i', '--', '-s', '-d', 'megabytes=100&durationSec=600', 'http://consumer/ConsumeMem']);
    await until('scaled up', async () => (await replicas('consumer')) === 3);
    await k.ok(['delete', 'hpa,deployment,service', 'consumer']);
  });
});
