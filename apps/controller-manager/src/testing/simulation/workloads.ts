import { CronJobs, DaemonSets, Deployments, EndpointSlices, Jobs, PodDisruptionBudgets, Pods, ReplicaSets, Services, StatefulSets } from '@orrery/api';
import type { CronJob, DaemonSet, Deployment, Job, Pod, PodTemplateSpec, StatefulSet } from '@orrery/api/types';
import type { KubeObject, ResourceRef } from '@orrery/apimachinery';
import type { FakeApi } from '@orrery/client/testing';
import { controllerOf } from '@orrery/controller';
import type { Random } from '@orrery/runtime';
import { isFinished } from '../../job/conditions.ts';
import { isActive, isReady } from '../../pods/pod-state.ts';

/** Something that a user makes and changes, and how it is seen to be as it should. */
export interface Workload {
  readonly resource: ResourceRef;
  readonly object: KubeObject;
  /** What goes with it, and is made after it. */
  readonly companions?: readonly { readonly resource: ResourceRef; readonly object: KubeObject }[];
  /** What was there before everything else, exactly as it is written here. */
  readonly seeds?: readonly { readonly resource: ResourceRef; readonly object: KubeObject }[];
  /** Nodes that fall silent half-way. */
  readonly silent?: readonly string[];
  /** A change a user makes to what it is now, as a merge patch; undefined when the user has none in mind. */
  change(random: Random, now: KubeObject): object | undefined;
  /** What is not as the spec says; empty when all is. */
  wrong(api: FakeApi): string[];
}

export const namespace = 'sim';

const labels = (app: string) => ({ app });
const template = (app: string, image: string, restartPolicy?: string): PodTemplateSpec => ({ metadata: { labels: labels(app) }, spec: { ...(restartPolicy ? { restartPolicy } : {}), containers: [{ name: 'c', image }] } });
const images = ['v1', 'v2', 'v3'];
const pick = <T>(random: Random, list: readonly T[]): T => list[random.int(list.length)] as T;
const newImage = (random: Random) => ({ spec: { template: { spec: { containers: [{ name: 'c', image: pick(random, images) }] } } } });
const resize = (random: Random, most = 5) => ({ spec: { replicas: random.int(most + 1) } });

function ownedBy(api: FakeApi, owner: KubeObject | undefined): Pod[] {
  return api.objects(Pods).filter((pod) => controllerOf(pod)?.uid === owner?.metadata?.uid);
}

function wrongPods(pods: readonly Pod[], wanted: number, image: string | undefined): string[] {
  const alive = pods.filter(isActive);
  const right = alive.filter((pod) => isReady(pod) && pod.spec?.containers[0]?.image === image);
  return alive.length === wanted && right.length === wanted ? [] : [`${right.length} of ${alive.length} pods are right, ${wanted} wanted`];
}

const imageOf = (object: { spec?: { template?: PodTemplateSpec } }): string | undefined => object.spec?.template?.spec?.containers[0]?.image;
const unseen = (object: KubeObject & { status?: { observedGeneration?: number } }): string[] => (object.status?.observedGeneration === object.metadata?.generation ? [] : ['generation not observed']);

/** A Service and a budget over the pods of a workload. */
function companionsOf(name: string): NonNullable<Workload['companions']> {
  const spec = { selector: labels(name), clusterIP: '10.96.0.9', clusterIPs: ['10.96.0.9'], ipFamilies: ['IPv4'], ports: [{ port: 80, targetPort: 80, protocol: 'TCP' }] };
  return [
    { resource: Services, object: { metadata: { name, namespace }, spec } as KubeObject },
    { resource: PodDisruptionBudgets, object: { metadata: { name, namespace }, spec: { maxUnavailable: 1, selector: { matchLabels: labels(name) } }, status: {} } as KubeObject },
  ];
}

/** Slices and budget tell of the pods there are. */
function wrongCompanions(api: FakeApi, name: string, wanted: number): string[] {
  const ready = api.objects(Pods).filter((pod) => pod.metadata?.labels?.['app'] === name && isActive(pod) && isReady(pod)).map((pod) => pod.status?.podIP ?? '');
  const slices = api.objects(EndpointSlices).filter((slice) => slice.metadata?.labels?.['kubernetes.io/service-name'] === name);
  const listed = slices.flatMap(({ endpoints }) => endpoints ?? []).filter(({ conditions }) => conditions?.ready).flatMap(({ addresses }) => addresses ?? []);
  const { currentHealthy, expectedPods } = api.find(PodDisruptionBudgets, name, namespace)?.status ?? {};
  return [
    ...(ready.sort().join() === listed.sort().join() ? [] : [`slices list ${listed.join()} for ${ready.join()}`]),
    ...(currentHealthy === wanted && expectedPods === wanted ? [] : [`budget sees ${currentHealthy} of ${expectedPods}, ${wanted} there`]),
  ];
}

function deployment(name: string, random: Random): Workload {
  const strategy = pick(random, [
    { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
    { type: 'RollingUpdate', rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } },
    { type: 'RollingUpdate', rollingUpdate: { maxSurge: '50%', maxUnavailable: '30%' } },
    { type: 'Recreate' },
  ]);
  const object: Deployment = { metadata: { name, namespace }, spec: { replicas: 1 + random.int(5), selector: { matchLabels: labels(name) }, template: template(name, 'v1'), strategy, revisionHistoryLimit: 1, progressDeadlineSeconds: 600 } };
  return {
    resource: Deployments,
    object,
    companions: companionsOf(name),
    change: (r) => pick(r, [newImage, newImage, resize])(r),
    wrong(api) {
      const now = api.find(Deployments, name, namespace);
      if (!now) return ['is gone'];
      const sets = api.objects(ReplicaSets).filter((set) => controllerOf(set)?.uid === now.metadata?.uid);
      const wanted = now.spec?.replicas ?? 1;
      const { replicas = 0, updatedReplicas = 0, availableReplicas = 0 } = now.status ?? {};
      return [
        ...unseen(now),
        ...wrongPods(sets.flatMap((set) => ownedBy(api, set)), wanted, imageOf(now)),
        ...([replicas, updatedReplicas, availableReplicas].every((count) => count === wanted) ? [] : [`status ${JSON.stringify(now.status)}`]),
        ...(sets.length > 2 ? [`${sets.length} ReplicaSets`] : []),
        ...wrongCompanions(api, name, wanted),
      ];
    },
  };
}

function statefulSet(name: string, random: Random): Workload {
  const object: StatefulSet = {
    metadata: { name, namespace },
    spec: { replicas: 1 + random.int(4), serviceName: name, selector: { matchLabels: labels(name) }, template: template(name, 'v1'), podManagementPolicy: random.int(3) ? 'OrderedReady' : 'Parallel', updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 0 } }, ordinals: { start: random.int(2) } },
  };
  return {
    resource: StatefulSets,
    object,
    change: (r) => pick(r, [newImage, newImage, (x: Random) => resize(x, 4)])(r),
    wrong(api) {
      const now = api.find(StatefulSets, name, namespace);
      if (!now) return ['is gone'];
      const wanted = now.spec?.replicas ?? 1;
      const names = ownedBy(api, now).map((pod) => pod.metadata?.name ?? '').sort();
      const expected = Array.from({ length: wanted }, (_, i) => `${name}-${i + (now.spec?.ordinals?.start ?? 0)}`).sort();
      return [
        ...unseen(now),
        ...wrongPods(ownedBy(api, now), wanted, imageOf(now)),
        ...(names.join() === expected.join() ? [] : [`pods ${names.join()}`]),
        ...(now.status?.currentRevision === now.status?.updateRevision ? [] : ['revisions differ']),
      ];
    },
  };
}

function daemonSet(name: string, random: Random): Workload {
  const rollingUpdate = pick(random, [{ maxUnavailable: 1, maxSurge: 0 }, { maxUnavailable: 2, maxSurge: 0 }, { maxUnavailable: 0, maxSurge: 1 }]);
  const object: DaemonSet = { metadata: { name, namespace }, spec: { selector: { matchLabels: labels(name) }, template: template(name, 'v1'), updateStrategy: { type: 'RollingUpdate', rollingUpdate } } };
  return {
    resource: DaemonSets,
    object,
    change: newImage,
    wrong(api) {
      const now = api.find(DaemonSets, name, namespace);
      if (!now) return ['is gone'];
      const { desiredNumberScheduled = 0, numberAvailable = 0, updatedNumberScheduled = 0 } = now.status ?? {};
      const nodes = new Set(ownedBy(api, now).filter(isActive).map((pod) => pod.spec?.nodeName));
      return [...unseen(now), ...wrongPods(ownedBy(api, now), 4, imageOf(now)), ...(nodes.size === 4 && desiredNumberScheduled === 4 && numberAvailable === 4 && updatedNumberScheduled === 4 ? [] : [`status ${JSON.stringify(now.status)}`])];
    },
  };
}

function job(name: string, random: Random): Workload {
  const indexed = random.int(2) === 0;
  const object: Job = {
    metadata: { name, namespace },
    spec: { selector: { matchLabels: labels(name) }, template: template(name, 'v1', 'Never'), completions: 2 + random.int(4), parallelism: 1 + random.int(4), backoffLimit: 100, ...(indexed ? { completionMode: 'Indexed' } : {}), ...(indexed && random.int(2) ? { backoffLimitPerIndex: 3, backoffLimit: 2_147_483_647 } : {}), ...(random.int(2) ? { podReplacementPolicy: 'Failed' } : {}) },
  };
  return {
    resource: Jobs,
    object,
    change: (r) => pick(r, [{ spec: { suspend: true } }, { spec: { suspend: false } }, { spec: { suspend: false, parallelism: 1 + r.int(4) } }]),
    wrong(api) {
      const now = api.find(Jobs, name, namespace);
      if (!now) return ['is gone'];
      if (!isFinished(now)) return [`not finished: ${JSON.stringify(now.status)}`];
      const pods = ownedBy(api, now);
      return [...(pods.some((pod) => pod.metadata?.finalizers?.length) ? ['pods keep their finalizer'] : []), ...(pods.some(isActive) ? ['pods still run'] : []), ...(Object.keys(now.status?.uncountedTerminatedPods ?? {}).length ? ['uncounted pods'] : [])];
    },
  };
}

function cronJob(name: string, random: Random): Workload {
  const concurrencyPolicy = pick(random, ['Allow', 'Forbid', 'Replace']);
  const jobTemplate = { spec: { selector: { matchLabels: labels(name) }, template: template(name, 'v1', 'Never'), completions: 1, parallelism: 1, backoffLimit: 2 } };
  const object: CronJob = { metadata: { name, namespace }, spec: { schedule: '* * * * *', concurrencyPolicy, jobTemplate, successfulJobsHistoryLimit: 1, failedJobsHistoryLimit: 1 } };
  return {
    resource: CronJobs,
    object,
    change: () => undefined,
    wrong(api) {
      const now = api.find(CronJobs, name, namespace);
      if (!now) return ['is gone'];
      const jobs = api.objects(Jobs).filter((found) => controllerOf(found)?.uid === now.metadata?.uid);
      return [...(now.status?.lastScheduleTime ? [] : ['never ran']), ...(jobs.filter(isFinished).length > 3 ? [`${jobs.length} Jobs are kept`] : [])];
    },
  };
}

/** A few workloads of different kinds. */
export function drawWorkloads(random: Random): Workload[] {
  const makers = [deployment, deployment, statefulSet, statefulSet, daemonSet, job, job, cronJob];
  return Array.from({ length: 2 + random.int(2) }, (_, i) => pick(random, makers)(`w${i}`, random));
}
