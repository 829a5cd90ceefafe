import { ConfigMaps, Deployments, HorizontalPodAutoscalers, IPAddresses, Leases, PersistentVolumeClaims, PersistentVolumes, Pods, ResourceClaims, ResourceSlices, Secrets, ServiceAccounts, ServiceCIDRs, StorageClasses, StorageVersions, ValidatingAdmissionPolicies, VolumeAttributesClasses } from '@orrery/api';
import type { Deployment, PersistentVolumeClaim, Pod } from '@orrery/api/types';
import { type KubeObject, type ResourceRef, compareQuantity, parseQuantity } from '@orrery/apimachinery';
import { localProvisioner } from '@orrery/api/volumes';
import type { ApiClient, ListOptions, ObjectKey, ReadOptions } from '@orrery/client';
import type { FakeApi } from '@orrery/client/testing';
import { type Clock, type Random, rfc3339 } from '@orrery/runtime';
import { isActive, isReady } from '../../pods/pod-state.ts';
import { rangeFinalizer } from '../../service-cidrs/plan.ts';
import { accountNameAnnotation, tokenType } from '../../serviceaccount/token-controller.ts';
import { invalidSinceLabel } from '../../serviceaccount/legacy-token-cleaner.ts';
import { attributesClassFinalizer } from '../../volumes/protection.ts';
import { type Workload, namespace } from './workloads.ts';

const when = (wrong: boolean, text: string): string[] => (wrong ? [text] : []);
const pick = <T>(random: Random, list: readonly T[]): T => list[random.int(list.length)] as T;
const unchanged = (): undefined => undefined;
const named = (resource: ResourceRef, name: string, object: object, metadata: object = {}) => ({ resource, object: { metadata: { name, ...(resource.namespaced ? { namespace } : {}), ...metadata }, ...object } as KubeObject });
/** Begun to be deleted long ago. */
const going = (finalizer: string) => ({ deletionTimestamp: '2025-12-01T00:00:00Z', finalizers: [finalizer] });

const app = 'scaled';
const loadKey = 'load';
const scaler = 'scaler';
const perPod = 50;
/** A little less than it takes for so many pods: rounded, it must not be more. */
const loadOf = (pods: number): number => pods * (perPod - 2);
const podsOfApp = (api: FakeApi): Pod[] => api.objects(Pods).filter((pod) => pod.metadata?.labels?.['app'] === app && isActive(pod) && isReady(pod));

/** A Deployment whose load changes, in millicores: an autoscaler gives each pod half of what it asks for. */
function autoscaled(): Workload {
  const container = { name: 'c', image: 'v1', resources: { requests: { cpu: `${2 * perPod}m` } } };
  const deployment = { replicas: 2, selector: { matchLabels: { app } }, strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 1 } }, template: { metadata: { labels: { app } }, spec: { containers: [container] } } };
  const metrics = [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } } }];
  const load = (pods: number) => ({ annotations: { [loadKey]: String(loadOf(pods)) } });
  return {
    ...named(HorizontalPodAutoscalers, scaler, { spec: { minReplicas: 1, maxReplicas: 8, metrics, scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: app } } }, load(2)),
    companions: [named(Deployments, app, { spec: deployment })],
    change: (random) => ({ metadata: load(1 + random.int(5)) }),
    wrong(api) {
      const { metadata, status } = api.find(HorizontalPodAutoscalers, scaler, namespace) ?? {};
      const wanted = Number(metadata?.annotations?.[loadKey]) / loadOf(1);
      const found = [api.find(Deployments, app, namespace)?.spec?.replicas, podsOfApp(api).length, status?.currentReplicas, status?.desiredReplicas];
      return when(found.some((count) => count !== wanted), `for ${wanted} pods: ${found.join()}`);
    },
  };
}

/** What other servers say: the scale of the Deployment, and its pods' metrics. */
export function withAutoscaling(api: FakeApi, clock: Clock): FakeApi {
  const scale = (object: Deployment): KubeObject => ({ apiVersion: 'autoscaling/v1', kind: 'Scale', metadata: object.metadata ?? {}, spec: { replicas: object.spec?.replicas }, status: { replicas: api.objects(Pods).filter((pod) => pod.metadata?.labels?.['app'] === app && isActive(pod)).length, selector: `app=${app}` } }) as KubeObject;
  const usage = (): KubeObject[] => {
    const pods = podsOfApp(api);
    const load = Number(api.find(HorizontalPodAutoscalers, scaler, namespace)?.metadata?.annotations?.[loadKey] ?? 0);
    const cpu = `${Math.round((load * 1e6) / Math.max(1, pods.length))}n`;
    return pods.map(({ metadata }) => ({ metadata: { name: metadata?.name ?? '', namespace }, timestamp: rfc3339(clock.now()), window: '15s', containers: [{ name: 'c', usage: { cpu } }] }) as KubeObject);
  };
  const get: ApiClient['get'] = async <T extends KubeObject>(resource: ResourceRef<T>, key: ObjectKey, options: ReadOptions = {}) => {
    const found = await api.get(resource, key, options);
    return options.subresource === 'scale' ? (scale(found as Deployment) as T) : found;
  };
  const list: ApiClient['list'] = <T extends KubeObject>(resource: ResourceRef<T>, options?: ListOptions) =>
    resource.group === 'metrics.k8s.io' ? Promise.resolve({ items: usage() as T[], resourceVersion: '' }) : api.list(resource, options);
  return { ...api, get, list };
}

/** A claim whose volume is made for it, and grows. */
function grown(): Workload {
  const storage = (size: string) => ({ spec: { resources: { requests: { storage: size } } } });
  return {
    ...named(PersistentVolumeClaims, 'grown', { spec: { accessModes: ['ReadWriteOnce'], storageClassName: 'local', ...storage('1Gi').spec } }),
    companions: [named(StorageClasses, 'local', { provisioner: localProvisioner, reclaimPolicy: 'Delete', volumeBindingMode: 'Immediate', allowVolumeExpansion: true })],
    // An API server lets only bound claims grow, and none shrink.
    change: (_random, { spec, status }: PersistentVolumeClaim) => (status?.phase === 'Bound' ? storage(`${parseInt(spec?.resources?.requests?.['storage'] ?? '1Gi', 10) + 1}Gi`) : undefined),
    wrong(api) {
      const claim = api.find(PersistentVolumeClaims, 'grown', namespace);
      const volumes = api.objects(PersistentVolumes).filter(({ spec }) => spec?.claimRef?.name === 'grown');
      const asked = claim?.spec?.resources?.requests?.['storage'] ?? '0';
      const small = [claim?.status?.capacity, volumes[0]?.spec?.capacity].some((has) => compareQuantity(parseQuantity(has?.['storage'] ?? '0'), parseQuantity(asked)) < 0);
      return [...when(claim?.status?.phase !== 'Bound' || volumes.length !== 1, `is ${claim?.status?.phase}, with ${volumes.length} volumes`), ...when(small || Boolean(claim?.status?.conditions?.length), `asked for ${asked}: ${JSON.stringify(claim?.status)}`)];
    },
  };
}

/** A range of Services, one that may go, and one that an address holds. */
function ranges(): Workload {
  const cidrs = (name: string, cidr: string, metadata: object = {}) => named(ServiceCIDRs, name, { spec: { cidrs: [cidr] } }, metadata);
  return {
    ...cidrs('more', '10.1.0.0/24'),
    seeds: [
      cidrs('going', '10.2.0.0/24', going(rangeFinalizer)),
      cidrs('held', '10.3.0.0/24', going(rangeFinalizer)),
      named(IPAddresses, '10.3.0.7', { spec: { parentRef: { resource: 'services', namespace, name: 's' } } }, { labels: { 'ipaddress.kubernetes.io/managed-by': 'ipallocator.k8s.io' } }),
    ],
    change: unchanged,
    wrong(api) {
      const ready = (name: string): string => api.find(ServiceCIDRs, name)?.status?.conditions?.map(({ type, status }) => `${type}=${status}`).join() ?? 'untold';
      const isProtected = api.find(ServiceCIDRs, 'more')?.metadata?.finalizers?.includes(rangeFinalizer);
      return [...when(ready('more') !== 'Ready=True' || !isProtected, `is ${ready('more')}, ${isProtected ? '' : 'not '}protected`), ...when(api.find(ServiceCIDRs, 'going') !== undefined, 'another does not go'), ...when(ready('held') !== 'Ready=False', `one that is held is ${ready('held')}`)];
    },
  };
}

function policy(): Workload {
  const [good, bad] = ['object.spec.replicas <= 5', 'object.spec.nope <= 5'];
  const matchConstraints = { resourceRules: [{ operations: ['*'], apiGroups: ['apps'], apiVersions: ['v1'], resources: ['deployments'] }] };
  return {
    ...named(ValidatingAdmissionPolicies, 'checked', { spec: { matchConstraints, validations: [{ expression: good }] } }),
    change: (random) => ({ spec: { validations: [{ expression: pick(random, [good, bad]) }] } }),
    wrong(api) {
      const { metadata, spec, status } = api.find(ValidatingAdmissionPolicies, 'checked') ?? {};
      const isBad = spec?.validations?.[0]?.expression === bad;
      return when(status?.observedGeneration !== metadata?.generation || (isBad && !status?.typeChecking?.expressionWarnings?.length), `generation ${metadata?.generation}, told ${JSON.stringify(status)}`);
    },
  };
}

/** Records of API servers of which one is gone. */
function storageVersions(): Workload {
  const encoding = (apiServerID: string, encodingVersion: string) => ({ apiServerID, encodingVersion, decodableVersions: ['v1'], servedVersions: ['v1'] });
  return {
    ...named(StorageVersions, 'apps.deployments', { spec: {}, status: { storageVersions: [encoding('apiserver-a', 'v1'), encoding('apiserver-b', 'v2')] } }),
    companions: [named(StorageVersions, 'batch.jobs', { spec: {}, status: { storageVersions: [encoding('apiserver-b', 'v1')] } })],
    seeds: [named(Leases, 'apiserver-a', { spec: {} }, { namespace: 'kube-system', labels: { 'apiserver.kubernetes.io/identity': 'kube-apiserver' } })],
    change: unchanged,
    wrong(api) {
      const { status } = api.find(StorageVersions, 'apps.deployments') ?? {};
      const servers = status?.storageVersions?.map(({ apiServerID }) => apiServerID).join();
      return [...when(servers !== 'apiserver-a' || status?.commonEncodingVersion !== 'v1', `of ${servers} in ${status?.commonEncodingVersion}`), ...when(api.find(StorageVersions, 'batch.jobs') !== undefined, 'that of no server is still there')];
    },
  };
}

/** A pod that holds a device, which breaks now and then. */
function brokenDevice(): Workload {
  const [driver, pool, uid] = ['d', 'p', 'holder-uid'];
  const results = [{ request: 'r', driver, pool, device: 'd0' }];
  const device = (...taints: object[]) => ({ name: 'd0', taints });
  const slice = (one: object) => ({ spec: { driver, pool: { name: pool, generation: 1, resourceSliceCount: 1 }, nodeName: 'n0', devices: [one] } });
  const broken = device({ key: 'broken', effect: 'NoExecute' });
  return {
    ...named(ResourceSlices, 's', slice(device())),
    seeds: [
      named(Pods, 'holder', { spec: { nodeName: 'n0', containers: [{ name: 'c', image: 'v1' }], resourceClaims: [{ name: 'd', resourceClaimName: 'held' }] }, status: { phase: 'Pending' } }, { uid }),
      named(ResourceClaims, 'held', { spec: { devices: { requests: [{ name: 'r', exactly: { deviceClassName: 'c', allocationMode: 'ExactCount', count: 1 } }] } }, status: { allocation: { devices: { results } }, reservedFor: [{ resource: 'pods', name: 'holder', uid }] } }),
    ],
    change: (random) => slice(pick(random, [device(), broken])),
    wrong(api) {
      const pod = api.find(Pods, 'holder', namespace);
      const isBroken = Boolean(api.find(ResourceSlices, 's')?.spec?.devices?.[0]?.taints?.length);
      return when(isBroken && pod !== undefined && isActive(pod), 'a pod keeps a broken device');
    },
  };
}

/** Tokens in Secrets: one to be filled, one of no account, and two of old, of which one is used. */
function secretTokens(): Workload {
  const secret = (name: string, account: string, more: object = {}, data: object = {}) => named(Secrets, name, { type: tokenType, data }, { annotations: { [accountNameAnnotation]: account }, ...more });
  const old = (labels: object) => ({ creationTimestamp: '2025-06-01T00:00:00Z', labels });
  const token = { token: 'b2xk' };
  return {
    ...secret('asked', 'robot'),
    companions: [secret('stray', 'nobody')],
    seeds: [
      named(ConfigMaps, 'kube-apiserver-legacy-service-account-token-tracking', { data: { since: '2025-06-01' } }, { namespace: 'kube-system' }),
      named(ServiceAccounts, 'robot', { secrets: [{ name: 'unused' }, { name: 'used' }, { name: 'gone' }] }),
      secret('unused', 'robot', old({}), token),
      secret('used', 'robot', old({ 'kubernetes.io/legacy-token-last-used': '2025-12-31' }), token),
    ],
    change: unchanged,
    wrong(api) {
      const dataOf = (name: string): string => Object.keys(api.find(Secrets, name, namespace)?.data ?? {}).sort().join();
      const since = (name: string): string | undefined => api.find(Secrets, name, namespace)?.metadata?.labels?.[invalidSinceLabel];
      const kept = ['unused', 'used'].every((name) => api.find(Secrets, name, namespace)?.data?.['token'] === token.token);
      return [...when(dataOf('asked') !== 'ca.crt,namespace,token', `asked has ${dataOf('asked')}`), ...when(api.find(Secrets, 'stray', namespace) !== undefined, 'a token of no account stays'), ...when(!since('unused') || since('used') !== undefined, `not valid since ${since('unused')} and ${since('used')}`), ...when(!kept, 'a token was replaced')];
    },
  };
}

/** A class of volumes that a claim names, and one that nobody does. */
function attributes(): Workload {
  const driverName = 'disks';
  return {
    ...named(VolumeAttributesClasses, 'gold', { driverName }),
    companions: [named(PersistentVolumeClaims, 'golden', { spec: { accessModes: ['ReadWriteOnce'], storageClassName: '', volumeAttributesClassName: 'gold', resources: { requests: { storage: '1Gi' } } } })],
    seeds: [named(VolumeAttributesClasses, 'leaving', { driverName }, going(attributesClassFinalizer))],
    change: unchanged,
    wrong: (api) => [...when(!api.find(VolumeAttributesClasses, 'gold')?.metadata?.finalizers?.includes(attributesClassFinalizer), 'is not protected'), ...when(api.find(VolumeAttributesClasses, 'leaving') !== undefined, 'one that nobody names does not go')],
  };
}

export const moreChores: readonly (() => Workload)[] = [autoscaled, grown, ranges, policy, storageVersions, brokenDevice, secretTokens, attributes];
