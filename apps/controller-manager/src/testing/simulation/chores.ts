import { CertificateSigningRequests, ClusterRoles, ConfigMaps, CSIDrivers, Deployments, EndpointSlices, Endpoints, Jobs, Nodes, PersistentVolumeClaims, PersistentVolumes, Pods, ResourceClaimTemplates, ResourceClaims, ResourceQuotas, Secrets, ServiceAccounts, Services, VolumeAttachments } from '@orrery/api';
import type { Pod, PodSpec } from '@orrery/api/types';
import type { KubeObject } from '@orrery/apimachinery';
import { deepEqual } from '@orrery/client';
import type { FakeApi } from '@orrery/client/testing';
import { controllerOf } from '@orrery/controller';
import type { Random } from '@orrery/runtime';
import { isActive } from '../../pods/pod-state.ts';
import { moreChores } from './more-chores.ts';
import { type Workload, namespace } from './workloads.ts';

/** The controllers beside those of workloads. */
export const choreControllers: readonly string[] = [
  ...['namespace', 'serviceaccount', 'root-ca-certificate-publisher', 'token-cleaner', 'bootstrap-signer', 'replicaset', 'deployment', 'job', 'ttl-after-finished', 'garbage-collector', 'pod-garbage-collector'],
  ...['endpoints', 'endpointslice-mirroring', 'resourcequota', 'clusterrole-aggregation', 'persistentvolume-binder', 'persistentvolume-attach-detach', 'persistentvolume-protection', 'persistentvolumeclaim-protection'],
  ...['ephemeral-volume', 'resourceclaim', 'node-ipam', 'node-lifecycle', 'taint-eviction', 'ttl', 'certificatesigningrequest-approving', 'certificatesigningrequest-signing', 'certificatesigningrequest-cleaner'],
  ...['horizontal-pod-autoscaler', 'persistentvolume-expander', 'service-cidr', 'validatingadmissionpolicy-status', 'storageversion-garbage-collector', 'device-taint-eviction'],
  ...['serviceaccount-token', 'legacy-serviceaccount-token-cleaner', 'volumeattributesclass-protection'],
].map((name) => `${name}-controller`).concat('local-volume-provisioner');

const unchanged = (): undefined => undefined;
const when = (wrong: boolean, text: string): string[] => (wrong ? [text] : []);
const pick = <T>(random: Random, list: readonly T[]): T => list[random.int(list.length)] as T;
const inNamespace = (objects: readonly KubeObject[]): KubeObject[] => objects.filter(({ metadata }) => metadata?.namespace === namespace);

const storage = (size: string) => ({ resources: { requests: { storage: size } } });
const oneNode: string[] = ['ReadWriteOnce'];

/** Two claims that either of two volumes fits. */
function claims(): Workload {
  const claim = (name: string, size: string) => ({ metadata: { name, namespace }, spec: { accessModes: oneNode, storageClassName: '', ...storage(size) } });
  const volume = (name: string, size: string) => ({ metadata: { name }, spec: { accessModes: oneNode, capacity: { storage: size }, persistentVolumeReclaimPolicy: 'Retain', hostPath: { path: '/x' } } });
  return {
    resource: PersistentVolumeClaims,
    object: claim('first', '1Gi'),
    companions: [{ resource: PersistentVolumeClaims, object: claim('second', '1Gi') }, { resource: PersistentVolumes, object: volume('larger', '5Gi') }, { resource: PersistentVolumes, object: volume('just', '1Gi') }],
    change: unchanged,
    wrong: (api) =>
      ['first', 'second'].flatMap((name) => {
        const found = api.find(PersistentVolumeClaims, name, namespace);
        const bound = api.find(PersistentVolumes, found?.spec?.volumeName ?? '');
        return when(found?.status?.phase !== 'Bound' || bound?.spec?.claimRef?.uid !== found.metadata?.uid || bound?.status?.phase !== 'Bound', `${name} is ${found?.status?.phase} to ${bound?.metadata?.name}, which is ${bound?.status?.phase}`);
      }),
  };
}

/** A Deployment whose one pod has a disk that only one node at a time may have. */
function disk(): Workload {
  const volumes = [{ name: 'd', persistentVolumeClaim: { claimName: 'disk' } }];
  const spec = { replicas: 1, selector: { matchLabels: { app: 'disk' } }, strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } }, template: { metadata: { labels: { app: 'disk' } }, spec: { containers: [{ name: 'c', image: 'v1' }], volumes } } };
  const csi = { driver: 'disks', volumeHandle: 'd1' };
  return {
    resource: Deployments,
    object: { metadata: { name: 'disk', namespace }, spec } as KubeObject,
    companions: [
      { resource: CSIDrivers, object: { metadata: { name: 'disks' }, spec: { attachRequired: true } } as KubeObject },
      { resource: PersistentVolumes, object: { metadata: { name: 'disk' }, spec: { accessModes: oneNode, capacity: { storage: '1Gi' }, persistentVolumeReclaimPolicy: 'Retain', csi } } as KubeObject },
      { resource: PersistentVolumeClaims, object: { metadata: { name: 'disk', namespace }, spec: { accessModes: oneNode, storageClassName: '', volumeName: 'disk', ...storage('1Gi') } } as KubeObject },
    ],
    change: (random) => ({ spec: { template: { spec: { containers: [{ name: 'c', image: pick(random, ['v1', 'v2']) }] } } } }),
    wrong(api) {
      const nodes = api.objects(Pods).filter((pod) => pod.metadata?.labels?.['app'] === 'disk' && isActive(pod)).map((pod) => pod.spec?.nodeName ?? '');
      const attached = api.objects(VolumeAttachments).map((attachment) => attachment.spec?.nodeName ?? '');
      return when(nodes.length !== 1 || nodes.join() !== attached.join(), `pods on ${nodes.join()}, attached to ${attached.join()}`);
    },
  };
}

/** A pod by itself, that may end before the time. */
function lonePod(name: string, spec: Partial<PodSpec>, wrong: (api: FakeApi, pod: Pod | undefined) => string[]): Workload {
  const object = { metadata: { name, namespace }, spec: { containers: [{ name: 'c', image: 'v1' }], ...spec } };
  return { resource: Pods, object, change: unchanged, wrong: (api) => wrong(api, [api.find(Pods, name, namespace)].find((pod) => pod && isActive(pod))) };
}

function ephemeral(): Workload {
  const volumes = [{ name: 'e', ephemeral: { volumeClaimTemplate: { spec: { accessModes: oneNode, storageClassName: 'none', ...storage('1Gi') } } } }];
  return lonePod('scratch', { volumes }, (api, pod) => {
    const made = api.find(PersistentVolumeClaims, 'scratch-e', namespace);
    return when(pod !== undefined && (!made || controllerOf(made)?.uid !== pod.metadata?.uid), 'a running pod is without its claim');
  });
}

function devices(): Workload {
  const requests = [{ name: 'r', exactly: { deviceClassName: 'c', allocationMode: 'ExactCount', count: 1 } }];
  const pod = lonePod('device', { resourceClaims: [{ name: 'd', resourceClaimTemplateName: 'template' }] }, (api, found) => {
    const made = api.objects(ResourceClaims).flatMap(({ metadata }) => (metadata?.name?.startsWith('device-') ? [metadata.name] : []));
    const told = found?.status?.resourceClaimStatuses?.map(({ resourceClaimName }) => resourceClaimName) ?? [];
    return when(made.join() !== told.join() || told.length !== (found ? 1 : 0), `claims ${made.join()}, the pod was told of ${told.join()}`);
  });
  return { ...pod, companions: [{ resource: ResourceClaimTemplates, object: { metadata: { name: 'template', namespace }, spec: { spec: { devices: { requests } } } } as KubeObject }] };
}

function quota(): Workload {
  const object = { metadata: { name: 'quota', namespace }, spec: { hard: { configmaps: '9', pods: '9', 'count/jobs.batch': '9' } } };
  return {
    resource: ResourceQuotas,
    object,
    change: (random) => ({ spec: { hard: { configmaps: String(5 + random.int(5)) } } }),
    wrong(api) {
      const now = api.find(ResourceQuotas, 'quota', namespace);
      const pods = api.objects(Pods).filter(({ metadata, status }) => metadata?.namespace === namespace && status?.phase !== 'Failed' && status?.phase !== 'Succeeded').length;
      const used = { configmaps: String(inNamespace(api.objects(ConfigMaps)).length), 'count/jobs.batch': String(api.objects(Jobs).length), pods: String(pods) };
      return [...when(!deepEqual(now?.status?.hard, now?.spec?.hard), 'limits not told'), ...when(!deepEqual({ ...now?.status?.used }, used), `told ${JSON.stringify(now?.status?.used)}, used ${JSON.stringify(used)}`)];
    },
  };
}

function mirror(): Workload {
  const subsets = (ip: string) => [{ addresses: [{ ip }, { ip: '10.9.0.9' }], ports: [{ port: 80, protocol: 'TCP' }] }];
  return {
    resource: Endpoints,
    object: { metadata: { name: 'kept', namespace }, subsets: subsets('10.9.0.1') } as KubeObject,
    companions: [{ resource: Services, object: { metadata: { name: 'kept', namespace }, spec: { clusterIP: '10.96.0.7', clusterIPs: ['10.96.0.7'], ports: [{ port: 80, protocol: 'TCP' }] } } as KubeObject }],
    change: (random) => ({ subsets: subsets(`10.9.0.${1 + random.int(5)}`) }),
    wrong(api) {
      const wanted = (api.find(Endpoints, 'kept', namespace)?.subsets ?? []).flatMap(({ addresses = [] }) => addresses.map(({ ip }) => ip)).sort();
      const slices = api.objects(EndpointSlices).filter(({ metadata }) => metadata?.labels?.['kubernetes.io/service-name'] === 'kept');
      const listed = slices.flatMap(({ endpoints }) => endpoints ?? []).flatMap(({ addresses }) => addresses ?? []).sort();
      return when(listed.join() !== wanted.join(), `mirrored ${listed.join()}, kept ${wanted.join()}`);
    },
  };
}

function aggregated(): Workload {
  const part = { metadata: { name: 'part', labels: { to: 'whole' } }, rules: [{ apiGroups: [''], verbs: ['get'], resources: ['pods'] }] };
  return {
    resource: ClusterRoles,
    object: part,
    companions: [{ resource: ClusterRoles, object: { metadata: { name: 'whole' }, aggregationRule: { clusterRoleSelectors: [{ matchLabels: { to: 'whole' } }] }, rules: [] } as KubeObject }],
    change: (random) => ({ rules: [{ apiGroups: [''], verbs: [pick(random, ['get', 'list', 'watch'])], resources: ['pods'] }] }),
    wrong: (api) => when(!deepEqual(api.find(ClusterRoles, 'whole')?.rules, api.find(ClusterRoles, 'part')?.rules), 'the whole is not its part'),
  };
}

/** Nodes that nobody has heard of yet: each gets a range of its own. */
function newNodes(): Workload {
  return {
    resource: Nodes,
    object: { metadata: { name: 'x1' } },
    companions: [{ resource: Nodes, object: { metadata: { name: 'x2' } } }],
    change: unchanged,
    wrong(api) {
      const ranges = api.objects(Nodes).map(({ spec }) => spec?.podCIDR);
      const late = api.objects(Nodes).filter(({ metadata }) => metadata?.annotations?.['node.alpha.kubernetes.io/ttl'] !== '0');
      const silent = api.objects(Nodes).filter(({ metadata, spec, status }) => metadata?.name?.startsWith('x') && (!spec?.taints?.some(({ effect }) => effect === 'NoExecute') || !status?.conditions?.length));
      return [...when(silent.length > 0, 'nodes that never were heard are not tainted'), ...when(ranges.includes(undefined) || new Set(ranges).size !== ranges.length, `ranges ${ranges.join()}`), ...when(late.length > 0, 'nodes do not know how long to keep Secrets')];
    },
  };
}

/** The last node falls silent; no other is thought to have. */
function silence(nodes: number): Workload {
  const name = `n${nodes - 1}`;
  return {
    resource: ConfigMaps,
    object: { metadata: { name: 'silence', namespace } },
    silent: [name],
    change: unchanged,
    wrong(api) {
      const unreachable = api.objects(Nodes).filter(({ spec }) => spec?.taints?.some(({ key, effect }) => key === 'node.kubernetes.io/unreachable' && effect === 'NoExecute')).map(({ metadata }) => metadata?.name ?? '');
      const there = api.objects(Pods).filter((pod) => pod.spec?.nodeName === name && isActive(pod)).map(({ metadata }) => metadata?.name);
      const heard = unreachable.filter((one) => one.startsWith('n') && one !== name);
      return [...when(!unreachable.includes(name), 'the silent node is not tainted'), ...when(heard.length > 0, `${heard.join()} are tainted`), ...when(there.length > 0, `${there.join()} stay on the silent node`)];
    },
  };
}

function finishedJob(): Workload {
  const spec = { selector: { matchLabels: { app: 'short' } }, template: { metadata: { labels: { app: 'short' } }, spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'v1' }] } }, completions: 2, parallelism: 2, backoffLimit: 100, ttlSecondsAfterFinished: 5 };
  return { resource: Jobs, object: { metadata: { name: 'short', namespace }, spec } as KubeObject, change: unchanged, wrong: (api) => [...when(api.find(Jobs, 'short', namespace) !== undefined, 'is still there'), ...when(api.objects(Pods).some(({ metadata }) => metadata?.labels?.['app'] === 'short'), 'its pods are still there')] };
}

/** What every namespace has, even if somebody changes it. */
function basics(): Workload {
  return {
    resource: ConfigMaps,
    object: { metadata: { name: 'kube-root-ca.crt', namespace }, data: { 'ca.crt': 'another' } } as KubeObject,
    change: (random) => pick(random, [{ data: { 'ca.crt': 'forged' } }, { data: { more: 'x' } }]),
    wrong: (api) => [...when(!deepEqual(api.find(ConfigMaps, 'kube-root-ca.crt', namespace)?.data, { 'ca.crt': 'PEM' }), 'forged'), ...when(!api.find(ServiceAccounts, 'default', namespace), 'no default service account')],
  };
}

function certificate(): Workload {
  const spec = { request: Buffer.from('n1').toString('base64'), signerName: 'kubernetes.io/kube-apiserver-client-kubelet', username: 'system:node:n1', usages: ['digital signature', 'client auth'] };
  return { resource: CertificateSigningRequests, object: { metadata: { name: 'n1' }, spec } as KubeObject, change: unchanged, wrong: (api) => when(!api.find(CertificateSigningRequests, 'n1')?.status?.certificate, 'not signed') };
}

/** A bootstrap token that stays and one whose time comes. */
function tokens(): Workload {
  const token = (id: string, more: object) => ({ metadata: { name: `bootstrap-token-${id}`, namespace: 'kube-system' }, type: 'bootstrap.kubernetes.io/token', data: Object.fromEntries(Object.entries({ 'token-id': id, 'token-secret': 'abcdefghijklmnop', 'usage-bootstrap-signing': 'true', ...more }).map(([key, value]) => [key, Buffer.from(String(value)).toString('base64')])) });
  return {
    resource: Secrets,
    object: token('aaaaaa', {}) as KubeObject,
    companions: [
      { resource: Secrets, object: token('ending', { expiration: '2026-01-01T00:01:00Z' }) as KubeObject },
      { resource: ConfigMaps, object: { metadata: { name: 'cluster-info', namespace: 'kube-public' }, data: { kubeconfig: 'content' } } as KubeObject },
    ],
    change: unchanged,
    wrong: (api) => [...when(api.find(Secrets, 'bootstrap-token-ending', 'kube-system') !== undefined, 'a token outlives its time'), ...when(Object.keys(api.find(ConfigMaps, 'cluster-info', 'kube-public')?.data ?? {}).sort().join() !== 'jws-kubeconfig-aaaaaa,kubeconfig', 'cluster-info is not signed by the token that is left')],
  };
}

/** Some of what other controllers do, in a cluster of so many nodes. */
export function drawChores(random: Random, nodes: number): Workload[] {
  const makers: (() => Workload)[] = [claims, disk, ephemeral, devices, quota, mirror, aggregated, newNodes, () => silence(nodes), finishedJob, basics, certificate, tokens, ...moreChores];
  return Array.from({ length: 4 }, () => makers.splice(random.int(makers.length), 1).map((make) => make())).flat();
}
