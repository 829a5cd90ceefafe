import { ClusterRoles, CustomResourceDefinitions, PersistentVolumeClaims, Pods, ReplicaSets, ResourceQuotas, ValidatingAdmissionPolicies } from '@orrery/api';
import type { ClusterRole } from '@orrery/api/types';
import { leaseOptions, parseFlags, resolveConfig } from '@orrery/runtime';
import { expect, test } from 'vitest';
import { withBatchPeriod } from './batch-periods.ts';
import { withConcurrency } from './concurrency.ts';
import { endpointSliceController } from './endpoints/slice-controller.ts';
import { jobController } from './job/controller.ts';
import { plan as planAggregation } from './rbac/aggregation.ts';
import { defaultSettings, isEnabled, settingsSchema } from './settings.ts';
import { startManager } from './testing/manager-harness.ts';
import { plan as planProtection } from './volumes/protection.ts';

test.each([
  ['a', ['*'], true],
  ['a', ['*', '-a'], false],
  ['a', ['b'], false],
  ['a', ['-a', 'a'], true],
  ['token-cleaner-controller', ['*', 'bootstrapsigner', 'tokencleaner'], true],
  ['node-lifecycle-controller', ['*', '-nodelifecycle'], false],
])('%s with %j runs: %s', (name, words, expected) => expect(isEnabled(name, words)).toBe(expected));

test('flags say how much a controller does at once, and how the Lease is held', () => {
  const settings = { ...defaultSettings, concurrentJobSyncs: 7, leaderElectLeaseDuration: '1m', leaderElectResourceName: 'mine' };
  expect([withConcurrency(jobController, settings).concurrency, withConcurrency(jobController, defaultSettings)]).toEqual([7, jobController]);
  expect(leaseOptions(settings)).toEqual({ name: 'mine', namespace: 'kube-system', leaseDurationMs: 60_000, renewDeadlineMs: 10_000, retryPeriodMs: 2_000 });
  expect(() => leaseOptions({ ...settings, leaderElectLeaseDuration: '5s' })).toThrow('--leader-elect-lease-duration must be greater than --leader-elect-renew-deadline');
  expect(() => leaseOptions({ ...settings, leaderElectRetryPeriod: 'soon' })).toThrow('leader-elect-retry-period');
});

test('what kubeadm gives kube-controller-manager is taken', () => {
  const flags = '--allocate-node-cidrs=true --cluster-cidr=10.244.0.0/16 --cluster-name=kind --controllers=*,bootstrapsigner,tokencleaner --enable-hostpath-provisioner=true --leader-elect=true --service-cluster-ip-range=10.96.0.0/16 --profiling=false --feature-gates=A=true --concurrent-rc-syncs=3';
  expect(resolveConfig(settingsSchema, [parseFlags(settingsSchema, flags.split(' '))])).toMatchObject({ clusterName: 'kind', serviceClusterIpRange: '10.96.0.0/16', concurrentRcSyncs: 3 });
  expect(resolveConfig(settingsSchema, [parseFlags(settingsSchema, ['--authentication-kubeconfig=/etc/kubernetes/controller-manager.conf'])])).toMatchObject({ authenticationKubeconfig: '/etc/kubernetes/controller-manager.conf' });
});

test('changes of pods wait for others as long as is said, a change of the Service does not', () => {
  const slices = endpointSliceController({ maxEndpoints: 100 });
  const batched = withBatchPeriod(slices, { ...defaultSettings, endpointsliceUpdatesBatchPeriod: '2s' });
  const context = { state: { sizes: new Map() } } as never;
  expect([true, false].map((asked) => batched.coalesceMs?.('k', context, { asked, perSecond: 0 }))).toEqual([0, 2_000]);
  expect(withBatchPeriod(slices, defaultSettings)).toBe(slices);
});

test('controllers of upstream that run elsewhere may be turned off by name', async () => {
  await expect(startManager({ controllers: ['*', '-service', '-csrsigning', '-cloud-node-lifecycle-controller'] })).resolves.toBeDefined();
});

test('an unknown controller is refused by name', async () => {
  await expect(startManager({ controllers: ['nonsense'] })).rejects.toThrow('--controllers: nonsense is not in the list of known controllers');
});

test('aggregated roles hold the rules of what they select, each once, and follow changes', async () => {
  const role = (name: string, verb: string, labels: Record<string, string> = {}): ClusterRole => ({ metadata: { name, labels }, rules: [{ verbs: [verb], resources: ['x'] }] });
  const admin: ClusterRole = { metadata: { name: 'admin' }, aggregationRule: { clusterRoleSelectors: [{ matchLabels: { to: 'admin' } }] }, rules: [] };
  expect(planAggregation(admin, [role('b', 'list', { to: 'admin' }), role('a', 'get', { to: 'admin' }), role('c', 'get', { to: 'admin' }), role('d', 'delete')])).toEqual([
    { verbs: ['get'], resources: ['x'] },
    { verbs: ['list'], resources: ['x'] },
  ]);
  const { api, clock } = await startManager();
  api.seed(ClusterRoles, admin);
  await api.create(ClusterRoles, role('a', 'get', { to: 'admin' }));
  await clock.advance(100);
  expect(api.find(ClusterRoles, 'admin')?.rules).toHaveLength(1);
});

test('finalizers protect while in use', () => {
  const deleted = { metadata: { name: 'c', deletionTimestamp: 'x', finalizers: ['p', 'other'] } };
  expect(planProtection({ metadata: { name: 'c' } }, 'p', () => false)).toEqual(['p']);
  expect(planProtection(deleted, 'p', () => true)).toBeUndefined();
  expect(planProtection(deleted, 'p', () => false)).toEqual(['other']);
});

test('a claim goes with the last pod that uses it, however long that has ended', async () => {
  const { api, clock } = await startManager();
  await api.create(PersistentVolumeClaims, { metadata: { name: 'c', namespace: 'a' } });
  api.seed(Pods, { metadata: { name: 'p', namespace: 'a' }, spec: { nodeName: 'gone-later', containers: [], volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'c' } }] }, status: { phase: 'Running' } });
  await clock.advance(100);
  await api.delete(PersistentVolumeClaims, { namespace: 'a', name: 'c' });
  await clock.advance(100);
  expect(api.find(PersistentVolumeClaims, 'c', 'a')).toBeDefined();
  api.setStatus(Pods, { namespace: 'a', name: 'p' }, { phase: 'Succeeded' });
  await clock.advance(100);
  expect(api.find(PersistentVolumeClaims, 'c', 'a')).toBeDefined();
  await api.delete(Pods, { namespace: 'a', name: 'p' }, { gracePeriodSeconds: 0 });
  await clock.advance(100);
  expect(api.find(PersistentVolumeClaims, 'c', 'a')).toBeUndefined();
});

test('quotas show every name, scopes count apart, and used follows what is there', async () => {
  const { api, clock } = await startManager();
  await api.create(ResourceQuotas, { metadata: { name: 'all', namespace: 'a' }, spec: { hard: { pods: '5', 'requests.cpu': '2', 'count/configmaps': '9', 'count/deployments.apps': '1' } } });
  await api.create(ResourceQuotas, { metadata: { name: 'best-effort', namespace: 'a' }, spec: { hard: { pods: '5' }, scopes: ['BestEffort'] } });
  const pod = (name: string, cpu?: string) => ({ metadata: { name, namespace: 'a' }, spec: { containers: [{ name: 'c', ...(cpu ? { resources: { requests: { cpu } } } : {}) }] } });
  await api.create(Pods, pod('one', '250m'));
  await api.create(Pods, pod('two', '1'));
  await api.create(Pods, pod('three'));
  await clock.advance(1_000);
  const used = (name: string) => api.find(ResourceQuotas, name, 'a')?.status?.used;
  expect([used('all'), used('best-effort')]).toEqual([{ pods: '3', 'requests.cpu': '1250m', 'count/configmaps': '0', 'count/deployments.apps': '0' }, { pods: '1' }]);
  await api.delete(Pods, { namespace: 'a', name: 'two' });
  await clock.advance(1_000);
  expect(used('all')).toMatchObject({ pods: '2', 'requests.cpu': '250m' });
});

test('quotas are mended soon after what only a count asks for is gone, and when a pod changes its scope', async () => {
  const { api, clock } = await startManager();
  const used = (name: string) => api.find(ResourceQuotas, name, 'a')?.status?.used;
  const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c' }] } };
  await api.create(ReplicaSets, { metadata: { name: 'r', namespace: 'a' }, spec: { replicas: 0, selector: { matchLabels: { a: 'b' } }, template } });
  await api.create(ResourceQuotas, { metadata: { name: 'sets', namespace: 'a' }, spec: { hard: { 'count/replicasets.apps': '5' } } });
  await api.create(ResourceQuotas, { metadata: { name: 'endless', namespace: 'a' }, spec: { hard: { pods: '5' }, scopes: ['NotTerminating'] } });
  const pod = await api.create(Pods, { metadata: { name: 'p', namespace: 'a', generation: 1 }, spec: { containers: [{ name: 'c' }] } });
  await clock.advance(1_000);
  expect([used('sets'), used('endless')]).toEqual([{ 'count/replicasets.apps': '1' }, { pods: '1' }]);
  await api.delete(ReplicaSets, { namespace: 'a', name: 'r' });
  await api.update(Pods, { ...pod, metadata: { ...pod.metadata, generation: 2 }, spec: { containers: [{ name: 'c' }], activeDeadlineSeconds: 60 } });
  await clock.advance(1_000);
  expect([used('sets'), used('endless')]).toEqual([{ 'count/replicasets.apps': '0' }, { pods: '0' }]);
});

test('what admission has charged is not given back before its object could be seen', async () => {
  const { api, clock } = await startManager();
  await api.create(ResourceQuotas, { metadata: { name: 'q', namespace: 'a' }, spec: { hard: { pods: '5' } } });
  const pod = (name: string) => ({ metadata: { name, namespace: 'a' }, spec: { containers: [{ name: 'c' }] } });
  await api.create(Pods, pod('old'));
  await clock.advance(1_000);
  const used = () => api.find(ResourceQuotas, 'q', 'a')?.status?.used;
  expect(used()).toEqual({ pods: '1' });
  api.setStatus(ResourceQuotas, { namespace: 'a', name: 'q' }, { hard: { pods: '5' }, used: { pods: '2' } });
  await api.delete(Pods, { namespace: 'a', name: 'old' });
  await clock.advance(200);
  expect(used()).toEqual({ pods: '2' });
  await api.create(Pods, pod('charged'));
  await clock.advance(1_000);
  expect(used()).toEqual({ pods: '1' });
});

test('policies are type-checked once a generation, against built-in and custom kinds', async () => {
  const { api, clock } = await startManager();
  const policy = (name: string, expression: string, resources: string[], apiGroups: string[]) =>
    api.create(ValidatingAdmissionPolicies, { metadata: { name, generation: 1 }, spec: { matchConstraints: { resourceRules: [{ operations: ['*'], apiGroups, apiVersions: ['v1'], resources }] }, validations: [{ expression }] } });
  api.seed(CustomResourceDefinitions, { metadata: { name: 'tabs.x.io' }, spec: { group: 'x.io', names: { plural: 'tabs', kind: 'Tab' }, scope: 'Namespaced', versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object', properties: { spec: { type: 'object', properties: { n: { type: 'integer' } } } } } } }] } });
  await policy('good', 'object.spec.replicas < 5', ['deployments'], ['apps']);
  await policy('bad', 'object.spec.replica < 5', ['deployments'], ['apps']);
  await policy('custom', 'object.spec.m < 5', ['tabs'], ['x.io']);
  await clock.advance(200);
  const status = (name: string) => api.find(ValidatingAdmissionPolicies, name)?.status;
  expect(status('good')).toEqual({ observedGeneration: 1, typeChecking: {} });
  expect(status('bad')?.typeChecking?.expressionWarnings?.[0]?.warning).toContain("apps/v1, Kind=Deployment: ERROR: <input>:1:12: undefined field 'replica'");
  expect(status('custom')?.typeChecking?.expressionWarnings?.[0]?.warning).toContain("x.io/v1, Kind=Tab: ERROR: <input>:1:12: undefined field 'm'");
});
