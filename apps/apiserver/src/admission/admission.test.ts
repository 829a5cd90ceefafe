import { CSIDrivers, IngressClasses, LimitRanges, Namespaces, PersistentVolumeClaims, Pods, PriorityClasses, ResourceQuotas, RuntimeClasses, ServiceAccounts, StorageClasses } from '@orrery/api';
import type { Container, Pod } from '@orrery/api/types';
import { createCsr, generateKey } from '@orrery/node-io/pki';
import { beforeEach, describe, expect, it } from 'vitest';
import type { AdmissionPlugin } from '../pipeline/index.ts';
import { type Attempt, FakeCluster, allowAll, allowNothing, attempt } from '../testing/fake-cluster.ts';
import { certificateApproval, certificateRequester, certificateSubjectRestriction } from './certificates.ts';
import { defaultIngressClass } from './default-ingress-class.ts';
import { defaultStorageClass } from './default-storage-class.ts';
import { defaultTolerationSeconds } from './default-toleration-seconds.ts';
import { limitRanger } from './limit-ranger.ts';
import { namespaceLifecycle } from './namespace-lifecycle.ts';
import { nodeRestriction } from './node-restriction.ts';
import { persistentVolumeClaimResize } from './persistent-volume-claim-resize.ts';
import { priority } from './priority.ts';
import { resourceQuota } from './resource-quota.ts';
import { runtimeClass } from './runtime-class.ts';
import { serviceAccount } from './service-account.ts';
import { taintNodesByCondition } from './taint-nodes-by-condition.ts';

let cluster: FakeCluster;
beforeEach(() => {
  cluster = new FakeCluster();
});

/** Runs both halves as the chain does; resolves to the object, rejects with the refusal. */
async function run(plugin: AdmissionPlugin, options: Attempt): Promise<any> {
  const attributes = attempt(options);
  if (!plugin.handles(attributes)) return options.object;
  await plugin.admit?.(attributes);
  await plugin.validate?.(attributes);
  return attributes.object;
}

const pod = (spec: Partial<NonNullable<Pod['spec']>> = {}, metadata: object = {}): Pod => ({ metadata: { name: 'p', namespace: 'default', ...metadata }, spec: { containers: [{ name: 'c' }], ...spec } });
const creating = (object: unknown): Attempt => ({ resource: 'pods', object });

describe('NamespaceLifecycle', () => {
  it('refuses missing and ending namespaces, keeps immortal ones', async () => {
    const plugin = namespaceLifecycle(cluster);
    await expect(run(plugin, creating(pod()))).rejects.toThrow('namespaces "default" not found');
    cluster.put(Namespaces, { metadata: { name: 'default' }, status: { phase: 'Active' } });
    await expect(run(plugin, creating(pod()))).resolves.toBeDefined();
    cluster.put(Namespaces, { metadata: { name: 'default' }, status: { phase: 'Terminating' } });
    await expect(run(plugin, creating(pod()))).rejects.toMatchObject({
      message: 'pods "p" is forbidden: unable to create new content in namespace default because it is being terminated',
      status: { details: { causes: [{ reason: 'NamespaceTerminating', message: 'namespace default is being terminated', field: 'metadata.namespace' }] } },
    });
    await expect(run(plugin, { resource: 'pods', operation: 'UPDATE', object: pod(), oldObject: pod() })).resolves.toBeDefined();
    const remove = (name: string): Promise<unknown> => run(plugin, { resource: 'namespaces', operation: 'DELETE', oldObject: { metadata: { name } } });
    await expect(remove('kube-system')).rejects.toThrow('namespaces "kube-system" is forbidden: this namespace may not be deleted');
    await expect(remove('mine')).resolves.toBeUndefined();
  });
});

describe('ServiceAccount', () => {
  beforeEach(() => void cluster.put(ServiceAccounts, { metadata: { name: 'default', namespace: 'default' }, imagePullSecrets: [{ name: 'pull' }] }));

  it('gives the default account, its pull secrets and a token volume', async () => {
    const { spec } = (await run(serviceAccount(cluster), creating(pod({ initContainers: [{ name: 'i' }] })))) as Pod;
    expect(spec).toMatchObject({ serviceAccountName: 'default', serviceAccount: 'default', imagePullSecrets: [{ name: 'pull' }] });
    const [volume] = spec?.volumes ?? [];
    expect(volume?.name).toMatch(/^kube-api-access-[a-z0-9]{5}$/);
    expect(volume?.projected?.sources?.[0]).toEqual({ serviceAccountToken: { expirationSeconds: 3607, path: 'token' } });
    for (const container of [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])]) {
      expect(container.volumeMounts).toEqual([{ name: volume?.name, readOnly: true, mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' }]);
    }
  });

  it('does not mount where told not to or where something is mounted', async () => {
    const quiet = (await run(serviceAccount(cluster), creating(pod({ automountServiceAccountToken: false })))) as Pod;
    expect(quiet.spec?.volumes).toBeUndefined();
    const own = { name: 'c', volumeMounts: [{ name: 'own', mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' }] };
    expect(((await run(serviceAccount(cluster), creating(pod({ containers: [own] })))) as Pod).spec?.volumes).toBeUndefined();
  });

  it('refuses unknown accounts, and waits for the default one', async () => {
    await expect(run(serviceAccount(cluster), creating(pod({ serviceAccountName: 'robot' })))).rejects.toThrow(
      'pods "p" is forbidden: error looking up service account default/robot: serviceaccount "robot" not found',
    );
    cluster.remove(ServiceAccounts, { name: 'default', namespace: 'default' });
    const waiting = run(serviceAccount(cluster), creating(pod()));
    await cluster.clock.advance(250);
    cluster.put(ServiceAccounts, { metadata: { name: 'default', namespace: 'default' } });
    await cluster.clock.advance(200);
    await expect(waiting).resolves.toMatchObject({ spec: { serviceAccountName: 'default' } });
  });
});

describe('Priority', () => {
  beforeEach(() => {
    cluster.put(PriorityClasses, { metadata: { name: 'high' }, value: 1000, preemptionPolicy: 'Never' });
  });
  it.each<[string, object, object | string]>([
    ['none', {}, { priority: 0, preemptionPolicy: 'PreemptLowerPriority' }],
    ['named', { priorityClassName: 'high' }, { priority: 1000, preemptionPolicy: 'Never' }],
    ['unknown', { priorityClassName: 'x' }, 'no PriorityClass with name x was found'],
    ['other number', { priorityClassName: 'high', priority: 5 }, 'the integer value of priority (5) must not be provided in pod spec; priority admission controller computed 1000 from the given PriorityClass name'],
  ])('%s', async (_name, spec, expected) => {
    const result = run(priority(cluster), creating(pod(spec)));
    if (typeof expected === 'string') await expect(result).rejects.toThrow(expected);
    else expect(((await result) as Pod).spec).toMatchObject(expected);
  });
  it('allows one default class, and gives it', async () => {
    cluster.put(PriorityClasses, { metadata: { name: 'usual' }, value: 7, globalDefault: true });
    expect(((await run(priority(cluster), creating(pod()))) as Pod).spec).toMatchObject({ priority: 7, priorityClassName: 'usual' });
    await expect(run(priority(cluster), { resource: 'priorityclasses', group: 'scheduling.k8s.io', object: { metadata: { name: 'b' }, globalDefault: true, value: 1 } })).rejects.toThrow(
      'PriorityClass usual is already marked as default. Only one default can exist',
    );
  });
});

describe('small defaults', () => {
  it('DefaultTolerationSeconds adds what is missing', async () => {
    const keys = async (tolerations: object[]): Promise<unknown[]> => ((await run(defaultTolerationSeconds, creating(pod({ tolerations })))) as Pod).spec?.tolerations?.map((one) => [one.key, one.tolerationSeconds]) ?? [];
    expect(await keys([])).toEqual([['node.kubernetes.io/not-ready', 300], ['node.kubernetes.io/unreachable', 300]]);
    expect(await keys([{ key: 'node.kubernetes.io/not-ready', effect: 'NoExecute', operator: 'Exists', tolerationSeconds: 5 }])).toEqual([['node.kubernetes.io/not-ready', 5], ['node.kubernetes.io/unreachable', 300]]);
    expect(await keys([{ operator: 'Exists' }])).toEqual([[undefined, undefined]]);
  });
  it('TaintNodesByCondition', async () => {
    expect(await run(taintNodesByCondition, { resource: 'nodes', object: { metadata: { name: 'n' } } })).toMatchObject({ spec: { taints: [{ key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' }] } });
  });
  it('DefaultStorageClass and DefaultIngressClass take the newest', async () => {
    for (const [name, creationTimestamp] of [['old', '2026-01-01T00:00:00Z'], ['new', '2026-02-01T00:00:00Z']] as const) {
      cluster.put(StorageClasses, { metadata: { name, creationTimestamp, annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } }, provisioner: 'x' });
      cluster.put(IngressClasses, { metadata: { name, creationTimestamp, annotations: { 'ingressclass.kubernetes.io/is-default-class': 'true' } } });
    }
    const claim = (spec: object) => run(defaultStorageClass(cluster.read), { resource: 'persistentvolumeclaims', object: { metadata: { name: 'c' }, spec } });
    expect((await claim({})).spec.storageClassName).toBe('new');
    expect((await claim({ storageClassName: '' })).spec.storageClassName).toBe('');
    expect((await run(defaultIngressClass(cluster.read), { resource: 'ingresses', group: 'networking.k8s.io', object: { metadata: { name: 'i' }, spec: {} } })).spec.ingressClassName).toBe('new');
  });
  it('RuntimeClass adds overhead and scheduling, refuses strangers', async () => {
    cluster.put(RuntimeClasses, { metadata: { name: 'vm' }, handler: 'vm', overhead: { podFixed: { cpu: '100m' } }, scheduling: { nodeSelector: { vm: 'yes' } } });
    expect(((await run(runtimeClass(cluster), creating(pod({ runtimeClassName: 'vm' })))) as Pod).spec).toMatchObject({ overhead: { cpu: '100m' }, nodeSelector: { vm: 'yes' } });
    await expect(run(runtimeClass(cluster), creating(pod({ runtimeClassName: 'x' })))).rejects.toThrow('pod rejected: RuntimeClass "x" not found');
    await expect(run(runtimeClass(cluster), creating(pod({ overhead: { cpu: '1' } })))).rejects.toThrow('Pod Overhead set without corresponding RuntimeClass');
    await expect(run(runtimeClass(cluster), creating(pod({ runtimeClassName: 'vm', nodeSelector: { vm: 'no' } })))).rejects.toThrow('conflict: runtimeClass.scheduling.nodeSelector[vm] = yes; pod.spec.nodeSelector[vm] = no');
  });
  it('PersistentVolumeClaimResize', async () => {
    cluster.put(StorageClasses, { metadata: { name: 'elastic' }, provisioner: 'x', allowVolumeExpansion: true });
    const claim = (storage: string, storageClassName: string) => ({ metadata: { name: 'c', namespace: 'default' }, spec: { storageClassName, resources: { requests: { storage } } }, status: { phase: 'Bound' } });
    const grow = (to: string, name: string) => run(persistentVolumeClaimResize(cluster.read), { resource: 'persistentvolumeclaims', operation: 'UPDATE', object: claim(to, name), oldObject: claim('1Gi', name) });
    await expect(grow('2Gi', 'elastic')).resolves.toBeDefined();
    await expect(grow('1Gi', 'rigid')).resolves.toBeDefined();
    await expect(grow('2Gi', 'rigid')).rejects.toThrow('only dynamically provisioned pvc can be resized');
  });
});

describe('LimitRanger', () => {
  const limits = (item: object): void => void cluster.put(LimitRanges, { metadata: { name: 'l', namespace: 'default' }, spec: { limits: [{ type: 'Container', ...item }] } });
  const container = (resources: Container['resources']): Container => ({ name: 'c', ...(resources ? { resources } : {}) });
  const check = async (resources: Container['resources']): Promise<Pod> => run(limitRanger(cluster.read), creating(pod({ containers: [container(resources)] })));

  it('fills in defaults and says so', async () => {
    limits({ default: { cpu: '500m' }, defaultRequest: { cpu: '100m', memory: '64Mi' } });
    const filled = await check(undefined);
    expect(filled.spec?.containers[0]?.resources).toEqual({ limits: { cpu: '500m' }, requests: { cpu: '100m', memory: '64Mi' } });
    expect(filled.metadata?.annotations).toEqual({ 'kubernetes.io/limit-ranger': 'LimitRanger plugin set: cpu, memory request for container c; cpu limit for container c' });
  });
  it('lets a lone limit become the request', async () => {
    limits({ default: { cpu: '500m' }, defaultRequest: { cpu: '100m' } });
    expect((await check({ limits: { cpu: '1' } })).spec?.containers[0]?.resources).toEqual({ limits: { cpu: '1' }, requests: { cpu: '1' } });
  });
  it.each<[object, Container['resources'], string]>([
    [{ min: { cpu: '100m' } }, { requests: { cpu: '50m' } }, 'pods "p" is forbidden: minimum cpu usage per Container is 100m, but request is 50m'],
    [{ max: { memory: '1Gi' } }, { limits: { memory: '2Gi' } }, 'maximum memory usage per Container is 1Gi, but limit is 2Gi'],
    [{ max: { memory: '1Gi' } }, {}, 'maximum memory usage per Container is 1Gi. No limit is specified'],
    [{ maxLimitRequestRatio: { cpu: '2' } }, { limits: { cpu: '4' }, requests: { cpu: '1' } }, 'cpu max limit to request ratio per Container is 2, but provided ratio is 4.000000'],
  ])('%j bounds %j', async (item, resources, message) => {
    limits(item);
    await expect(check(resources)).rejects.toThrow(message);
  });
  it('bounds what a pod is resized to', async () => {
    limits({ min: { cpu: '100m', memory: '50Mi' } });
    const sized = (cpu: string, memory: string): Pod => pod({ containers: [container({ requests: { cpu, memory } })] });
    await expect(run(limitRanger(cluster.read), { resource: 'pods', operation: 'UPDATE', subresource: 'resize', object: sized('50m', '25Mi'), oldObject: sized('1', '1Gi') })).rejects.toThrow(
      'pods "p" is forbidden: [minimum cpu usage per Container is 100m, but request is 50m, minimum memory usage per Container is 50Mi, but request is 25Mi]',
    );
  });
});

describe('ResourceQuota', () => {
  const quota = (hard: Record<string, string>, used: Record<string, string>, more: object = {}): void =>
    void cluster.put(ResourceQuotas, { metadata: { name: 'q', namespace: 'default' }, spec: { hard, ...more }, status: { hard, used } });
  const used = (): unknown => cluster.read.get(ResourceQuotas, { namespace: 'default', name: 'q' })?.status?.used;

  it('books usage and refuses what passes the limit', async () => {
    quota({ pods: '2', 'requests.cpu': '1' }, { pods: '1', 'requests.cpu': '500m' });
    const plugin = resourceQuota(cluster);
    const small = (): Pod => pod({ containers: [{ name: 'c', resources: { requests: { cpu: '300m' } } }] });
    await run(plugin, creating(small()));
    expect(used()).toEqual({ pods: '2', 'requests.cpu': '800m' });
    await expect(run(plugin, creating(small()))).rejects.toThrow(
      'pods "p" is forbidden: exceeded quota: q, requested: pods=1,requests.cpu=300m, used: pods=2,requests.cpu=800m, limited: pods=2,requests.cpu=1',
    );
    await expect(run(plugin, creating(pod()))).rejects.toThrow('failed quota: q: must specify requests.cpu for: c');
  });
  it('never books more than there is, however many ask at once, with few writes', async () => {
    quota({ pods: '10' }, { pods: '0' });
    const plugin = resourceQuota(cluster);
    const results = await Promise.allSettled(Array.from({ length: 25 }, (_, i) => run(plugin, creating(pod({}, { name: `p${i}` })))));
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(10);
    expect(used()).toEqual({ pods: '10' });
    expect(cluster.writes).toBeLessThan(5);
  });
  it('gives back what came to nothing', async () => {
    quota({ pods: '5' }, { pods: '0' });
    const attributes = attempt(creating(pod()));
    await resourceQuota(cluster).validate?.(attributes);
    expect(used()).toEqual({ pods: '1' });
    await attributes.finish(false);
    expect(used()).toEqual({ pods: '0' });
  });
  it('keeps to its scopes, counts any kind, waits for its first count', async () => {
    quota({ pods: '0' }, { pods: '0' }, { scopes: ['Terminating'] });
    await expect(run(resourceQuota(cluster), creating(pod()))).resolves.toBeDefined();
    await expect(run(resourceQuota(cluster), creating(pod({ activeDeadlineSeconds: 5 })))).rejects.toThrow('exceeded quota');
    quota({ 'count/deployments.apps': '0' }, { 'count/deployments.apps': '0' });
    await expect(run(resourceQuota(cluster), { resource: 'deployments', group: 'apps', object: { metadata: { name: 'd', namespace: 'default' } } })).rejects.toThrow('exceeded quota: q, requested: count/deployments.apps=1');
    quota({ pods: '5' }, {});
    await expect(run(resourceQuota(cluster), creating(pod()))).rejects.toThrow('status unknown for quota: q, resources: pods');
    cluster.put(ResourceQuotas, { metadata: { name: 'q', namespace: 'default' }, spec: { hard: { pods: '0' } }, status: {} });
    await expect(run(resourceQuota(cluster), creating(pod()))).resolves.toBeDefined();
  });
  it('refuses what is only tried as well, and books none of it', async () => {
    quota({ pods: '1' }, { pods: '0' });
    const tried = (): Attempt => ({ ...creating(pod()), dryRun: true });
    await run(resourceQuota(cluster), tried());
    expect(used()).toEqual({ pods: '0' });
    quota({ pods: '1' }, { pods: '1' });
    await expect(run(resourceQuota(cluster), tried())).rejects.toThrow('exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1');
  });
  it('refuses what the configuration limits and no quota speaks of', async () => {
    const matchScopes = [{ scopeName: 'PriorityClass', operator: 'In', values: ['critical', 'vital'] }];
    const limitedResources = [{ resource: 'pods', matchScopes }, { resource: 'persistentvolumeclaims', matchContains: ['.storageclass.storage.k8s.io/requests.storage'] }];
    const limited = (): AdmissionPlugin => resourceQuota(cluster, { apiVersion: 'apiserver.config.k8s.io/v1', kind: 'ResourceQuotaConfiguration', limitedResources });
    const critical = (): Attempt => creating(pod({ priorityClassName: 'critical' }));
    const claim: Attempt = { resource: 'persistentvolumeclaims', object: { metadata: { name: 'c', namespace: 'default' }, spec: { storageClassName: 'gold', resources: { requests: { storage: '1Gi' } } } } };
    await run(limited(), creating(pod()));
    await expect(run(limited(), critical())).rejects.toThrow('insufficient quota to match these scopes: [{PriorityClass In [critical vital]}]');
    await expect(run(limited(), claim)).rejects.toThrow('persistentvolumeclaims "c" is forbidden: insufficient quota to consume: gold.storageclass.storage.k8s.io/requests.storage');
    quota({ pods: '9' }, { pods: '0' }, { scopeSelector: { matchExpressions: matchScopes } });
    await run(limited(), critical());
    expect(used()).toEqual({ pods: '1' });
    quota({ 'gold.storageclass.storage.k8s.io/requests.storage': '2Gi' }, { 'gold.storageclass.storage.k8s.io/requests.storage': '0' });
    await run(limited(), claim);
    expect(() => resourceQuota(cluster, { apiVersion: 'v9', kind: 'ResourceQuotaConfiguration' })).toThrow('ResourceQuota: no kind "ResourceQuotaConfiguration" is registered for version "v9"');
    expect(() => resourceQuota(cluster, { apiVersion: 'apiserver.config.k8s.io/v1', kind: 'ResourceQuotaConfiguration', limitedResources: [{}] })).toThrow('limitedResources[0].resource: Required value');
  });
  it('charges a resize, and never refuses what a status tells', async () => {
    quota({ 'requests.cpu': '1' }, { 'requests.cpu': '500m' });
    const sized = (cpu: string): Pod => pod({ containers: [{ name: 'c', resources: { requests: { cpu } } }] });
    const resize = (cpu: string): Attempt => ({ resource: 'pods', operation: 'UPDATE', subresource: 'resize', object: sized(cpu), oldObject: sized('500m') });
    await run(resourceQuota(cluster), resize('900m'));
    expect(used()).toEqual({ 'requests.cpu': '900m' });
    await expect(run(resourceQuota(cluster), resize('700m'))).rejects.toThrow('pods "p" is forbidden: exceeded quota: q, requested: requests.cpu=200m, used: requests.cpu=900m, limited: requests.cpu=1');
    const claim = (more: object): object => ({ metadata: { name: 'c', namespace: 'default' }, spec: { volumeAttributesClassName: 'silver', resources: { requests: { storage: '1Gi' } } }, ...more });
    quota({ persistentvolumeclaims: '0' }, { persistentvolumeclaims: '0' }, { scopeSelector: { matchExpressions: [{ scopeName: 'VolumeAttributesClass', operator: 'In', values: ['gold'] }] } });
    await run(resourceQuota(cluster), { resource: 'persistentvolumeclaims', operation: 'UPDATE', subresource: 'status', object: claim({ status: { currentVolumeAttributesClassName: 'gold' } }), oldObject: claim({}) });
    expect(used()).toEqual({ persistentvolumeclaims: '1' });
  });
});

describe('NodeRestriction', () => {
  const node = { username: 'system:node:n1', groups: ['system:nodes'] };
  const plugin = (): AdmissionPlugin => nodeRestriction({ read: cluster.read, authorize: allowNothing });
  const mirror = { annotations: { 'kubernetes.io/config.mirror': 'x' }, ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: 'n1', uid: 'u', controller: true }] };
  it.each<[string, Attempt, string]>([
    ['plain pod', creating(pod({ nodeName: 'n1' })), 'can only create mirror pods'],
    ['mirror pod elsewhere', creating(pod({ nodeName: 'n2' }, mirror)), 'node "n1" can only create pods with spec.nodeName set to itself'],
    ['mirror pod with a secret', creating(pod({ nodeName: 'n1', volumes: [{ name: 'v', secret: { secretName: 's' } }] }, mirror)), 'node "n1" can not create pods that reference secrets'],
    ['other node', { resource: 'nodes', operation: 'UPDATE', subresource: 'status', object: { metadata: { name: 'n2' } }, oldObject: { metadata: { name: 'n2' } } }, 'node "n1" is not allowed to modify node "n2"'],
    ['taints', { resource: 'nodes', operation: 'UPDATE', object: { metadata: { name: 'n1' }, spec: { taints: [] } }, oldObject: { metadata: { name: 'n1' }, spec: { taints: [{ key: 'a', effect: 'NoSchedule' }] } } }, 'is not allowed to modify taints'],
    ['labels', { resource: 'nodes', object: { metadata: { name: 'n1', labels: { 'node-restriction.kubernetes.io/x': 'y', 'node-role.kubernetes.io/control-plane': '' } } } }, 'is not allowed to set the following labels: node-restriction.kubernetes.io/x, node-role.kubernetes.io/control-plane'],
    ['lease', { resource: 'leases', group: 'coordination.k8s.io', object: { metadata: { name: 'n2', namespace: 'kube-node-lease' } } }, 'can only access node lease with the same name as the requesting node'],
    ['two owners', creating(pod({ nodeName: 'n1' }, { ...mirror, ownerReferences: [...mirror.ownerReferences, ...mirror.ownerReferences] })), 'node "n1" can only create pods with a single owner reference set to itself'],
    ['devices elsewhere', { resource: 'resourceslices', group: 'resource.k8s.io', object: { metadata: { name: 's' }, spec: { nodeName: 'n2' } } }, 'can only create ResourceSlice with the same NodeName as the requesting node'],
    ['a certificate of another', { resource: 'certificatesigningrequests', group: 'certificates.k8s.io', object: { metadata: { name: 'c' }, spec: { signerName: 'kubernetes.io/kubelet-serving', request: Buffer.from(createCsr({ subject: { commonName: 'system:node:n2', organizations: ['system:nodes'] }, key: generateKey().key })).toString('base64') } } }, 'can only create a node CSR with CN=system:node:n1'],
    ['claims of devices', { resource: 'pods', subresource: 'status', operation: 'UPDATE', object: { metadata: { name: 'p' }, spec: { nodeName: 'n1' }, status: { resourceClaimStatuses: [{ name: 'a' }] } }, oldObject: { metadata: { name: 'p' }, spec: { nodeName: 'n1' } } }, 'node "n1" cannot update resource claim statues'],
    ['unbound token', { resource: 'serviceaccounts', subresource: 'token', object: { metadata: { name: 's', namespace: 'default' }, spec: {} } }, 'node requested token not bound to a pod'],
  ])('refuses %s', async (_name, options, message) => {
    await expect(run(plugin(), { ...options, user: node })).rejects.toThrow(message);
    await expect(run(plugin(), options)).resolves.not.toThrow();
  });
  it('gives tokens for the audiences that the pod calls for', async () => {
    cluster.put(Pods, pod({ nodeName: 'n1', volumes: [{ name: 'v', projected: { sources: [{ serviceAccountToken: { path: 't', audience: 'vault' } }, { serviceAccountToken: { path: 'own' } }] } }, { name: 'd', csi: { driver: 'driver' } }] }, { uid: 'u' }));
    cluster.put(CSIDrivers, { metadata: { name: 'driver' }, spec: { tokenRequests: [{ audience: 'cloud' }] } });
    const token = (...audiences: string[]): Attempt => ({ resource: 'serviceaccounts', subresource: 'token', object: { metadata: { name: 's', namespace: 'default' }, spec: { audiences, boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: 'p', uid: 'u' } } }, user: node });
    for (const fine of [token(), token('vault'), token('cloud')]) await expect(run(plugin(), fine)).resolves.toBeDefined();
    await expect(run(plugin(), token('a', 'b'))).rejects.toThrow('node may only request 0 or 1 audiences');
    await expect(run(plugin(), token('bank'))).rejects.toThrow('audience "bank" not found in pod spec volume, system:node:n1 is not authorized to request tokens for this audience');
    await expect(run(nodeRestriction({ read: cluster.read, authorize: allowAll }), token('bank'))).resolves.toBeDefined();
  });
  it('lets a kubelet do its work', async () => {
    await expect(run(plugin(), { ...creating(pod({ nodeName: 'n1' }, mirror)), user: node })).resolves.toBeDefined();
    await expect(run(plugin(), { resource: 'nodes', object: { metadata: { name: 'n1', labels: { 'kubernetes.io/hostname': 'n1', 'node.kubernetes.io/instance-type': 'x', own: 'label' } } }, user: node })).resolves.toBeDefined();
    cluster.put(PersistentVolumeClaims, { metadata: { name: 'c', namespace: 'default' } });
    const claim = { metadata: { name: 'c', namespace: 'default' }, spec: {}, status: {} };
    await expect(run(plugin(), { resource: 'persistentvolumeclaims', subresource: 'status', operation: 'UPDATE', object: { ...claim, status: { phase: 'Bound' } }, oldObject: claim, user: node })).resolves.toBeDefined();
  });
});

describe('certificates', () => {
  const csr = (organizations: string[]) => ({ metadata: { name: 'c' }, spec: { signerName: 'kubernetes.io/kube-apiserver-client', request: Buffer.from(createCsr({ subject: { commonName: 'x', organizations }, key: generateKey().key })).toString('base64'), usages: [], username: 'forged' } });
  const base = { resource: 'certificatesigningrequests', group: 'certificates.k8s.io' };
  it('are requested in one’s own name', async () => {
    expect((await run(certificateRequester, { ...base, object: csr([]), user: { username: 'jane', groups: ['devs'] } })).spec).toMatchObject({ username: 'jane', groups: ['devs'] });
  });
  it('never make masters', async () => {
    await expect(run(certificateSubjectRestriction, { ...base, object: csr(['devs']) })).resolves.toBeDefined();
    await expect(run(certificateSubjectRestriction, { ...base, object: csr(['system:masters']) })).rejects.toThrow('use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed');
  });
  it('are approved by those who may', async () => {
    const approving: Attempt = { ...base, subresource: 'approval', operation: 'UPDATE', object: csr([]), oldObject: csr([]) };
    await expect(run(certificateApproval(allowAll), approving)).resolves.toBeDefined();
    await expect(run(certificateApproval(allowNothing), approving)).rejects.toThrow('user not permitted to approve requests with signerName "kubernetes.io/kube-apiserver-client"');
  });
});
