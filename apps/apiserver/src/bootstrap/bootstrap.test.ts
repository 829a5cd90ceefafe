import { ClusterRoleBindings, ClusterRoles, FlowSchemas, type KindDescriptor, Namespaces, PriorityLevelConfigurations, RoleBindings, Roles, Services } from '@orrery/api';
import { resolveConfig } from '@orrery/runtime';
import { describe, expect, it } from 'vitest';
import { uncoveredRules } from '../authorization/policy-rule.ts';
import { apiServerSchema } from '../config.ts';
import type { PluginContext } from '../pipeline/index.ts';
import { FakeCluster, allowAll, kindOf } from '../testing/fake-cluster.ts';
import { clusterRoleBindings, componentRoles } from './cluster-role-bindings.ts';
import { clusterRoles } from './cluster-roles.ts';
import { controllerRoles } from './controller-roles.ts';
import { bootstrapPlugin } from './index.ts';
import { namespaceRoleBindings, namespaceRoles } from './namespace-roles.ts';

async function bootstrap(cluster: FakeCluster, served: readonly KindDescriptor[] = []): Promise<void> {
  const config = resolveConfig(apiServerSchema, [{ clientCa: 'PEM' }]);
  const context: PluginContext = { ...cluster, config, kinds: { get: () => undefined, kept: () => undefined, byKind: () => undefined, all: () => served }, securePort: () => 16443, authorize: allowAll, authenticate: () => undefined };
  for (const step of bootstrapPlugin(context).bootstrap ?? []) await step.run(new AbortController().signal);
}

describe('tables', () => {
  it('name every role once and bind only roles that exist', () => {
    const names = [...clusterRoles, ...controllerRoles, ...componentRoles].map((row) => row.name);
    expect(new Set(names).size).toBe(names.length);
    for (const { role } of clusterRoleBindings) expect(names).toContain(role);
    for (const { role, namespace } of namespaceRoleBindings) expect(namespaceRoles.some((row) => row.name === role && row.namespace === namespace), role).toBe(true);
    expect(controllerRoles.length).toBeGreaterThanOrEqual(37);
  });
  it('name resources that exist', () => {
    const others = new Set(['extensions', 'metrics.k8s.io', 'custom.metrics.k8s.io', 'external.metrics.k8s.io', '*']);
    for (const { rules } of clusterRoles) {
      for (const rule of rules) {
        for (const group of (rule.apiGroups ?? []).filter((one) => !others.has(one) && (rule.apiGroups ?? []).length === 1)) {
          for (const resource of (rule.resources ?? []).filter((one) => one !== 'signers' && !one.startsWith('*'))) expect(() => kindOf(resource.split('/')[0] ?? '', group), `${group}/${resource}`).not.toThrow();
        }
      }
    }
  });
});

describe('bootstrap', () => {
  it('makes everything on an empty store, and nothing twice', async () => {
    const cluster = new FakeCluster();
    await bootstrap(cluster);
    expect(cluster.read.list(Namespaces).map((one) => one.metadata?.name)).toEqual(['kube-system', 'kube-public', 'kube-node-lease', 'default']);
    expect(cluster.read.list(FlowSchemas)).toHaveLength(13);
    expect(cluster.read.list(PriorityLevelConfigurations)).toHaveLength(8);
    expect([cluster.read.list(Roles).length, cluster.read.list(RoleBindings).length]).toEqual([namespaceRoles.length, namespaceRoleBindings.length]);
    expect(cluster.read.get(Services, { namespace: 'default', name: 'kubernetes' })?.spec).toMatchObject({ clusterIP: '10.96.0.1', ports: [{ port: 443, targetPort: 16443 }] });
    const { writes } = cluster;
    await bootstrap(cluster);
    expect(cluster.writes).toBe(writes);
  });

  it.each([
    ['orrery:storage-version-migrator', 'storageversionmigrations', 'storagemigration.k8s.io'],
    ['orrery:storage-version-garbage-collector', 'storageversions', 'internal.apiserver.k8s.io'],
    ['system:controller:podcertificaterequestcleaner', 'podcertificaterequests', 'certificates.k8s.io'],
    ['system:controller:kube-apiserver-serving-clustertrustbundle-publisher', 'clustertrustbundles', 'certificates.k8s.io'],
  ])('makes the role %s of a controller whose API is off by default, and its binding, only where the API is served; both stay', async (name, resource, group) => {
    const cluster = new FakeCluster();
    const made = () => [ClusterRoles, ClusterRoleBindings].map((resource) => cluster.read.get(resource, { name }) !== undefined);
    await bootstrap(cluster, [kindOf('pods')]);
    expect(made()).toEqual([false, false]);
    await bootstrap(cluster, [kindOf('pods'), kindOf(resource, group)]);
    expect(made()).toEqual([true, true]);
    await bootstrap(cluster, [kindOf('pods')]);
    expect(made()).toEqual([true, true]);
  });

  it('fills the aggregated roles at once', async () => {
    const cluster = new FakeCluster();
    await bootstrap(cluster);
    const rules = (name: string) => cluster.read.get(ClusterRoles, { name })?.rules ?? [];
    expect(uncoveredRules(rules('admin'), rules('edit'))).toEqual([]);
    expect(uncoveredRules(rules('edit'), rules('view'))).toEqual([]);
    expect(uncoveredRules(rules('view'), [{ verbs: ['get'], apiGroups: [''], resources: ['secrets'] }])).toHaveLength(1);
  });

  it('mends what was taken away, keeps what was added, leaves alone what was opted out', async () => {
    const cluster = new FakeCluster();
    await bootstrap(cluster);
    const role = cluster.read.get(ClusterRoles, { name: 'system:node' });
    const extra = { verbs: ['get'], apiGroups: ['x'], resources: ['y'] };
    if (role) cluster.put(ClusterRoles, { ...role, rules: [extra] });
    const binding = cluster.read.get(ClusterRoleBindings, { name: 'cluster-admin' });
    if (binding) cluster.put(ClusterRoleBindings, { ...binding, subjects: [] });
    const scheduler = cluster.read.get(ClusterRoles, { name: 'system:kube-scheduler' });
    if (scheduler) cluster.put(ClusterRoles, { ...scheduler, metadata: { ...scheduler.metadata, annotations: { 'rbac.authorization.kubernetes.io/autoupdate': 'false' } }, rules: [] });
    await bootstrap(cluster);
    const mended = cluster.read.get(ClusterRoles, { name: 'system:node' })?.rules ?? [];
    expect(mended[0]).toEqual(extra);
    expect(uncoveredRules(mended, role?.rules ?? [])).toEqual([]);
    expect(cluster.read.get(ClusterRoleBindings, { name: 'cluster-admin' })?.subjects).toMatchObject([{ name: 'system:masters' }]);
    expect(cluster.read.get(ClusterRoles, { name: 'system:kube-scheduler' })?.rules).toEqual([]);
  });

  it('mends objects without the annotation, keeps labels that were changed, and binds anew what was bound elsewhere', async () => {
    const cluster = new FakeCluster();
    await bootstrap(cluster);
    const { rules } = cluster.read.get(ClusterRoles, { name: 'system:node-proxier' }) ?? {};
    cluster.put(ClusterRoles, { metadata: { name: 'system:node-proxier', labels: { 'kubernetes.io/bootstrapping': 'mine' } } });
    const view = cluster.read.get(ClusterRoles, { name: 'view' });
    cluster.put(ClusterRoles, { ...view, aggregationRule: { clusterRoleSelectors: [{ matchLabels: { mine: 'true' } }] } });
    const binding = cluster.read.get(ClusterRoleBindings, { name: 'system:discovery' });
    cluster.put(ClusterRoleBindings, { ...binding, roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' } });
    await bootstrap(cluster);
    const mended = cluster.read.get(ClusterRoles, { name: 'system:node-proxier' });
    expect(mended?.rules).toEqual(uncoveredRules([], rules ?? []));
    expect(mended?.metadata).toMatchObject({ labels: { 'kubernetes.io/bootstrapping': 'mine' }, annotations: { 'rbac.authorization.kubernetes.io/autoupdate': 'true' } });
    expect(cluster.read.get(ClusterRoles, { name: 'view' })?.aggregationRule?.clusterRoleSelectors).toHaveLength(2);
    expect(cluster.read.get(ClusterRoleBindings, { name: 'system:discovery' })?.roleRef?.name).toBe('system:discovery');
  });
});
