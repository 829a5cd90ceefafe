import { Namespaces, allKinds } from '@orrery/api';
import { describe, expect, it } from 'vitest';
import type { AdmissionPlugin, KindLookup } from '../pipeline/index.ts';
import { type Attempt, FakeCluster, allowAll, allowNothing, attempt } from '../testing/fake-cluster.ts';
import { alwaysDeny } from './always.ts';
import { alwaysPullImages } from './always-pull-images.ts';
import { limitPodHardAntiAffinityTopology } from './anti-affinity-topology.ts';
import { pluginConfigurations } from './configuration.ts';
import { denyServiceExternalIps } from './deny-service-external-ips.ts';
import { eventRateLimit } from './event-rate-limit.ts';
import { extendedResourceToleration } from './extended-resource-toleration.ts';
import { enabledPlugins } from './index.ts';
import { namespaceAutoProvision, namespaceExists } from './namespace-existence.ts';
import { ownerReferencesPermissionEnforcement } from './owner-references.ts';
import { podNodeSelector } from './pod-node-selector.ts';
import { podTolerationRestriction } from './pod-toleration-restriction.ts';

async function run(plugin: AdmissionPlugin, write: Attempt): Promise<any> {
  const attributes = attempt(write);
  if (!plugin.handles(attributes)) return attributes.object;
  await plugin.admit?.(attributes);
  await plugin.validate?.(attributes);
  return attributes.object;
}

const pod = (spec: object = {}, metadata: object = {}): Attempt => ({ resource: 'pods', object: { metadata: { name: 'p', namespace: 'default', ...metadata }, spec: { containers: [{ name: 'c', image: 'i' }], ...spec } } });
const kinds: KindLookup = {
  get: () => undefined,
  kept: () => undefined,
  byKind: (group, version, kind) => allKinds.find((one) => one.group === group && one.version === version && one.kind === kind),
  all: () => allKinds,
};

describe('which plug-ins run', () => {
  const names = (enable: string[], disable: string[]): string[] => enabledPlugins({ enable, disable }).map(({ name }) => name);

  it('runs those of upstream in its order, policies before webhooks and quota last', () => {
    expect(names([], [])).toEqual([
      'NamespaceLifecycle', 'LimitRanger', 'ServiceAccount', 'NodeRestriction', 'TaintNodesByCondition', 'PodSecurity', 'Priority', 'DefaultTolerationSeconds', 'DefaultStorageClass',
      'StorageObjectInUseProtection', 'PersistentVolumeClaimResize', 'RuntimeClass', 'CertificateApproval', 'CertificateSigning', 'ClusterTrustBundleAttest', 'CertificateSubjectRestriction', 'DefaultIngressClass',
      'PodTopologyLabels', 'MutatingAdmissionPolicy', 'MutatingAdmissionWebhook', 'ValidatingAdmissionPolicy', 'ValidatingAdmissionWebhook', 'ResourceQuota',
    ]);
  });

  it('goes by the flags, and refuses names that nobody knows', () => {
    const some = names(['AlwaysPullImages', 'AlwaysDeny'], ['ResourceQuota', 'LimitRanger']);
    expect(some.slice(0, 5)).toEqual(['NamespaceLifecycle', 'ServiceAccount', 'NodeRestriction', 'TaintNodesByCondition', 'AlwaysPullImages']);
    expect(some.at(-1)).toBe('AlwaysDeny');
    expect(() => names(['Nope'], [])).toThrow('enable-admission-plugins plugin "Nope" is unknown');
    expect(() => names([], ['Nope'])).toThrow('disable-admission-plugins plugin "Nope" is unknown');
    expect(() => names(['Priority'], ['Priority'])).toThrow('[Priority] in enable-admission-plugins and disable-admission-plugins overlapped');
  });
});

describe('plug-ins that are off by default', () => {
  const cluster = (annotations: Record<string, string> = {}): FakeCluster => {
    const made = new FakeCluster();
    made.put(Namespaces, { metadata: { name: 'default', annotations } });
    return made;
  };

  it('AlwaysDeny', async () => {
    await expect(run(alwaysDeny, pod())).rejects.toThrow('pods "p" is forbidden: admission control is denying all modifications');
  });

  it('AlwaysPullImages', async () => {
    const { spec } = await run(alwaysPullImages, pod({ volumes: [{ name: 'v', image: { reference: 'x', pullPolicy: 'Never' } }] }));
    expect([spec.containers[0].imagePullPolicy, spec.volumes[0].image.pullPolicy]).toEqual(['Always', 'Always']);
    const kept = await run(alwaysPullImages, { ...pod(), operation: 'UPDATE', oldObject: pod().object });
    expect(kept.spec.containers[0].imagePullPolicy).toBeUndefined();
  });

  it('NamespaceExists and NamespaceAutoProvision', async () => {
    const fake = cluster();
    const elsewhere = pod({}, { namespace: 'new' });
    await expect(run(namespaceExists(fake), elsewhere)).rejects.toThrow('namespaces "new" not found');
    await run(namespaceAutoProvision(fake), elsewhere);
    await expect(run(namespaceExists(fake), elsewhere)).resolves.toBeDefined();
  });

  it('LimitPodHardAntiAffinityTopology', async () => {
    const anti = (topologyKey: string): Attempt => pod({ affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey }] } } });
    await run(limitPodHardAntiAffinityTopology, anti('kubernetes.io/hostname'));
    await expect(run(limitPodHardAntiAffinityTopology, anti('zone'))).rejects.toThrow('affinity.PodAntiAffinity.RequiredDuringScheduling has TopologyKey zone but only key kubernetes.io/hostname is allowed');
  });

  it('ExtendedResourceToleration', async () => {
    const { spec } = await run(extendedResourceToleration, pod({ containers: [{ name: 'c', resources: { requests: { cpu: '1', 'b.com/gpu': '1', 'a.com/fpga': '1' } } }] }));
    expect(spec.tolerations).toEqual([{ key: 'a.com/fpga', operator: 'Exists' }, { key: 'b.com/gpu', operator: 'Exists' }]);
  });

  it('DenyServiceExternalIPs', async () => {
    const service = (...externalIPs: string[]): any => ({ metadata: { name: 's', namespace: 'default' }, spec: { externalIPs } });
    await expect(run(denyServiceExternalIps, { resource: 'services', object: service('1.2.3.4') })).rejects.toThrow('services "s" is forbidden: Use of external IPs is denied by admission control');
    await run(denyServiceExternalIps, { resource: 'services', operation: 'UPDATE', object: service('1.2.3.4'), oldObject: service('1.2.3.4', '5.6.7.8') });
    await run(denyServiceExternalIps, { resource: 'services', object: service() });
  });

  it('PodNodeSelector', async () => {
    const plugin = podNodeSelector(cluster({ 'scheduler.alpha.kubernetes.io/node-selector': 'zone=a, disk=ssd' }));
    expect((await run(plugin, pod({ nodeSelector: { zone: 'a', x: 'y' } }))).spec.nodeSelector).toEqual({ zone: 'a', disk: 'ssd', x: 'y' });
    await expect(run(plugin, pod({ nodeSelector: { zone: 'b' } }))).rejects.toThrow('pod node label selector conflicts with its namespace node label selector');
  });

  it('PodTolerationRestriction', async () => {
    const mine = { key: 'team', operator: 'Equal', value: 'a' };
    const plugin = podTolerationRestriction(cluster({ 'scheduler.alpha.kubernetes.io/defaultTolerations': JSON.stringify([mine]), 'scheduler.alpha.kubernetes.io/tolerationsWhitelist': JSON.stringify([{ key: 'team', operator: 'Exists' }]) }));
    expect((await run(plugin, pod({ tolerations: [mine, { ...mine, effect: 'NoSchedule' }] }))).spec.tolerations).toEqual([mine]);
    await expect(run(plugin, pod({ tolerations: [{ key: 'other', operator: 'Exists' }] }))).rejects.toThrow('conflict with its namespace whitelist');
  });

  it('EventRateLimit', async () => {
    const { clock } = new FakeCluster();
    const event = (name: string): Attempt => ({ resource: 'events', object: { metadata: { name: 'e', namespace: 'default' }, involvedObject: { kind: 'Pod', name }, source: { component: 'kubelet' } } });
    const plugin = eventRateLimit({ limits: [{ type: 'SourceAndObject', qps: 1, burst: 2 }, { type: 'Namespace', qps: 10, burst: 4, cacheSize: 5 }] }, clock);
    await run(plugin, event('a'));
    await run(plugin, event('a'));
    await expect(run(plugin, event('a'))).rejects.toMatchObject({ code: 429, message: 'Too many requests: limit reached on type SourceAndObject for key kubeletPoda' });
    await run(plugin, event('b'));
    await expect(run(plugin, event('a'))).rejects.toThrow('[limit reached on type SourceAndObject for key kubeletPoda, limit reached on type Namespace for key default]');
    await clock.advance(1_000);
    await run(plugin, event('a'));
    expect(() => eventRateLimit(undefined, clock)).toThrow('limits: Invalid value: []: must not be empty');
    expect(() => eventRateLimit({ limits: [{ type: 'Odd', qps: 1, burst: 1 }] }, clock)).toThrow('limits[0].type: Unsupported value: "Odd": supported values: "Namespace", "Server", "SourceAndObject", "User"');
    expect(() => eventRateLimit({ limits: [{ type: 'User', qps: 0, burst: 1 }] }, clock)).toThrow('limits[0].qps: Invalid value: 0: must be positive');
  });

  it('OwnerReferencesPermissionEnforcement', async () => {
    const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'r', uid: 'u' };
    await expect(run(ownerReferencesPermissionEnforcement({ kinds, authorize: allowNothing }), pod({}, { ownerReferences: [owner] }))).rejects.toThrow("cannot set an ownerRef on a resource you can't delete");
    const deletes = ownerReferencesPermissionEnforcement({ kinds, authorize: ({ info }) => ({ decision: info.verb === 'delete' ? 'allow' : 'noOpinion', reason: '' }) });
    await run(deletes, pod({}, { ownerReferences: [owner] }));
    await expect(run(deletes, pod({}, { ownerReferences: [{ ...owner, blockOwnerDeletion: true }] }))).rejects.toThrow("cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on");
    await expect(run(ownerReferencesPermissionEnforcement({ kinds, authorize: allowAll }), pod({}, { ownerReferences: [{ ...owner, kind: 'Nope', blockOwnerDeletion: true }] }))).rejects.toThrow('cannot find RESTMapping for APIVersion apps/v1 Kind Nope');
  });
});

describe('the configuration of plug-ins', () => {
  const header = 'apiVersion: apiserver.config.k8s.io/v1\nkind: AdmissionConfiguration\n';
  it('is in place', () => {
    expect(pluginConfigurations(`${header}plugins:\n- name: PodSecurity\n  configuration: {kind: PodSecurityConfiguration}\n- {name: Priority}\n`)).toEqual(new Map([['PodSecurity', { kind: 'PodSecurityConfiguration' }]]));
    expect(pluginConfigurations('').size).toBe(0);
  });
  it('is refused when it is something else', () => {
    expect(() => pluginConfigurations('kind: Pod\n')).toThrow('admission-control-config-file: no kind "Pod" is registered for version ""');
    expect(() => pluginConfigurations(`${header}plugins: [{path: x}]\n`)).toThrow('plugins need a name');
    expect(() => pluginConfigurations('/nowhere/at/all.yaml')).toThrow('/nowhere/at/all.yaml');
  });
});
