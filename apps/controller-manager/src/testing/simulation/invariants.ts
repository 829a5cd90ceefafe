import { CronJobs, DaemonSets, Deployments, Jobs, Pods, ReplicaSets, StatefulSets, VolumeAttachments } from '@orrery/api';
import type { DaemonSet, Deployment, Job, Pod, ReplicaSet, StatefulSet, VolumeAttachment } from '@orrery/api/types';
import type { KubeObject, ResourceRef } from '@orrery/apimachinery';
import type { FakeApi } from '@orrery/client/testing';
import { controllerOf } from '@orrery/controller';
import type { Clock } from '@orrery/runtime';
import { nodeOfPod } from '../../daemonset/placement.ts';
import { fenceposts } from '../../deployment/scaling.ts';
import { parseIndexes } from '../../job/indexes.ts';
import { indexOf } from '../../job/job-pods.ts';
import { isActive, isReady } from '../../pods/pod-state.ts';
import { firstOrdinal, ordinalOf, revisionOfPod } from '../../statefulset/identity.ts';
import type { Write } from './link.ts';

/** How long a controller may act on what was so before: its caches may be so old. */
const staleMs = 60_000;

const same = (a: ResourceRef, b: ResourceRef): boolean => a.group === b.group && a.resource === b.resource;
const replicasOf = (object: KubeObject & { spec?: { replicas?: number } }): number => object.spec?.replicas ?? 1;

/** What must hold after every write of a controller, whatever befell it. Violations are collected, not thrown: a controller would only try again. */
export class Invariants {
  readonly violations: string[] = [];
  private readonly api: FakeApi;
  private readonly clock: Clock;
  /** Earlier states of what users change, by UID. */
  private readonly history = new Map<string, { object: KubeObject; untilMs: number }[]>();
  private mishapMs = Number.NEGATIVE_INFINITY;

  constructor(options: { api: FakeApi; clock: Clock }) {
    this.api = options.api;
    this.clock = options.clock;
  }

  /** A pod ended by itself: for a while counts may be wrong without anybody's fault. */
  mishap(): void {
    this.mishapMs = this.clock.monotonic();
  }

  /** A user is about to change an object. */
  changing(object: KubeObject): void {
    const uid = object.metadata?.uid ?? '';
    this.history.set(uid, [...(this.history.get(uid) ?? []), { object, untilMs: this.clock.monotonic() }]);
  }

  check(write: Write): void {
    const { after, before, resource, verb } = write;
    // An autoscaler changes what the Deployment's own controller may not know yet.
    if (same(resource, Deployments) && before && after && replicasOf(before as Deployment) !== replicasOf(after as Deployment)) this.changing(before);
    if (same(resource, ReplicaSets) && before) {
      const uid = before.metadata?.uid ?? '';
      this.sizes.set(uid, [...(this.sizes.get(uid) ?? []), { size: replicasOf(before as ReplicaSet), untilMs: this.clock.monotonic() }]);
    }
    if (same(resource, ReplicaSets) && after) this.surge(after, before);
    if (same(resource, Jobs) && after && before) this.countsGrow(after, before);
    if (same(resource, Jobs) && verb === 'create' && after) this.oneAtATime(after);
    if (same(resource, VolumeAttachments) && verb === 'create' && after) this.attachedOnce(after);
    if (!same(resource, Pods)) return;
    const pod = (after ?? before) as Pod;
    if (verb === 'create') this.created(pod);
    if (verb === 'delete' && before && !(before as Pod).metadata?.deletionTimestamp) this.deleted(before as Pod);
  }

  private fail(text: string): void {
    this.violations.push(`${(this.clock.monotonic() / 1000).toFixed(1)} s: ${text}`);
  }

  private calm(): boolean {
    return this.clock.monotonic() - this.mishapMs > staleMs;
  }

  /** All states of an object that a controller may still believe in. */
  private states<T extends KubeObject>(object: T): T[] {
    const since = this.clock.monotonic() - staleMs;
    const earlier = (this.history.get(object.metadata?.uid ?? '') ?? []).filter(({ untilMs }) => untilMs >= since);
    return [...earlier.map((entry) => entry.object as T), object];
  }

  private owner<T extends KubeObject>(resource: ResourceRef<T>, object: KubeObject): T | undefined {
    const ref = controllerOf(object);
    const found = ref?.kind === resource.kind ? this.api.find(resource, ref.name, object.metadata?.namespace) : undefined;
    return found?.metadata?.uid === ref?.uid ? found : undefined;
  }

  private owned<T extends KubeObject>(resource: ResourceRef<T>, owner: KubeObject): T[] {
    return this.api.objects(resource).filter((object) => controllerOf(object)?.uid === owner.metadata?.uid);
  }

  private surge(after: ReplicaSet, before: ReplicaSet | undefined): void {
    const deployment = this.owner(Deployments, after);
    if (!deployment || replicasOf(after) <= (before ? replicasOf(before) : 0)) return;
    const total = this.owned(ReplicaSets, deployment).reduce((sum, set) => sum + replicasOf(set), 0);
    const bound = Math.max(...this.states(deployment).map((state) => replicasOf(state) + fenceposts(state).maxSurge));
    if (total > bound) this.fail(`Deployment ${deployment.metadata?.name}: ReplicaSets of ${total} pods, at most ${bound} allowed`);
  }

  /** No volume of the simulation may be on two nodes. */
  private attachedOnce(attachment: VolumeAttachment): void {
    const { nodeName, source } = attachment.spec ?? {};
    const elsewhere = this.api.objects(VolumeAttachments).find(({ spec }) => spec?.source.persistentVolumeName === source?.persistentVolumeName && spec?.nodeName !== nodeName);
    if (elsewhere) this.fail(`volume ${source?.persistentVolumeName}: attached to ${elsewhere.spec?.nodeName} and ${nodeName}`);
  }

  private countsGrow(after: Job, before: Job): void {
    const completions = after.spec?.completions ?? 0;
    const [now, then] = [parseIndexes(after.status?.completedIndexes, completions), parseIndexes(before.status?.completedIndexes, completions)];
    const lost = [...then].filter((index) => !now.has(index));
    const { succeeded = 0, failed = 0 } = after.status ?? {};
    const shrank = succeeded < (before.status?.succeeded ?? 0) || failed < (before.status?.failed ?? 0);
    if (lost.length || shrank) this.fail(`Job ${after.metadata?.name}: counts went back from ${JSON.stringify(before.status)} to ${JSON.stringify(after.status)}`);
  }

  private oneAtATime(job: Job): void {
    const cronJob = this.owner(CronJobs, job);
    if (cronJob?.spec?.concurrencyPolicy !== 'Forbid') return;
    const running = this.owned(Jobs, cronJob).filter((other) => !other.status?.conditions?.some(({ type, status }) => (type === 'Complete' || type === 'Failed') && status === 'True'));
    if (running.length > 1) this.fail(`CronJob ${cronJob.metadata?.name}: ${running.map(({ metadata }) => metadata?.name).join(' and ')} run at once`);
  }

  private created(pod: Pod): void {
    const set = this.owner(ReplicaSets, pod);
    if (set) this.atMost(set, Math.max(...this.states(set).map(replicasOf), this.largestSize(set)), 'ReplicaSet');
    const job = this.owner(Jobs, pod);
    if (job) this.jobPod(job, pod);
    const daemonSet = this.owner(DaemonSets, pod);
    if (daemonSet) this.daemonPod(daemonSet, pod);
    const stateful = this.owner(StatefulSets, pod);
    if (stateful) this.inOrder(stateful, pod);
  }

  /** Sizes that ReplicaSets had, and until when: controllers change them themselves. */
  private readonly sizes = new Map<string, { size: number; untilMs: number }[]>();

  private largestSize(set: ReplicaSet): number {
    const known = (this.sizes.get(set.metadata?.uid ?? '') ?? []).filter(({ untilMs }) => untilMs > this.clock.monotonic() - staleMs);
    return Math.max(0, ...known.map(({ size }) => size));
  }

  private atMost(owner: KubeObject, bound: number, kind: string): void {
    const active = this.owned(Pods, owner).filter(isActive).length;
    if (active > bound) this.fail(`${kind} ${owner.metadata?.name}: ${active} pods, at most ${bound} wanted`);
  }

  private jobPod(job: Job, pod: Pod): void {
    this.atMost(job, Math.max(...this.states(job).map((state) => state.spec?.parallelism ?? 1)), 'Job');
    const index = indexOf(pod, job);
    if (index === undefined) return;
    if (parseIndexes(job.status?.completedIndexes, job.spec?.completions ?? 0).has(index)) this.fail(`Job ${job.metadata?.name}: index ${index} is done and runs again`);
    const running = this.owned(Pods, job).filter((other) => isActive(other) && indexOf(other, job) === index).length;
    if (running > 1) this.fail(`Job ${job.metadata?.name}: index ${index} runs ${running} times`);
  }

  private daemonPod(daemonSet: DaemonSet, pod: Pod): void {
    const node = nodeOfPod(pod);
    const there = this.owned(Pods, daemonSet).filter((other) => isActive(other) && nodeOfPod(other) === node).length;
    const allowed = 1 + (daemonSet.spec?.updateStrategy?.rollingUpdate?.maxSurge ? 1 : 0);
    if (there > allowed) this.fail(`DaemonSet ${daemonSet.metadata?.name}: ${there} pods on ${node ?? 'no node'}`);
  }

  private inOrder(set: StatefulSet, pod: Pod): void {
    if (set.spec?.podManagementPolicy === 'Parallel' || !this.calm() || this.states(set).length > 1) return;
    const ordinal = ordinalOf(set, pod) ?? 0;
    for (let i = firstOrdinal(set); i < ordinal; i++) {
      const other = this.api.find(Pods, `${set.metadata?.name ?? ''}-${i}`, set.metadata?.namespace);
      if (!other || !isReady(other) || other.metadata?.deletionTimestamp) this.fail(`StatefulSet ${set.metadata?.name}: ${pod.metadata?.name} is made before ${i} is ready`);
    }
  }

  private deleted(pod: Pod): void {
    if (!isReady(pod) || !this.calm()) return;
    const set = this.owner(ReplicaSets, pod);
    const deployment = set && this.owner(Deployments, set);
    if (deployment && !deployment.metadata?.deletionTimestamp) this.available(deployment);
    const stateful = this.owner(StatefulSets, pod);
    if (stateful && !stateful.metadata?.deletionTimestamp) this.oneAway(stateful, pod);
    const daemonSet = this.owner(DaemonSets, pod);
    if (daemonSet && !daemonSet.metadata?.deletionTimestamp && this.states(daemonSet).length === 1) this.daemonsAway(daemonSet);
  }

  private available(deployment: Deployment): void {
    // A Deployment that is resized in the middle of a rollout shrinks all its ReplicaSets alike, as upstream's does.
    const resized = this.states(deployment).some((state) => replicasOf(state) !== replicasOf(deployment));
    if (deployment.spec?.strategy?.type === 'Recreate' || resized) return;
    const left = this.owned(ReplicaSets, deployment).flatMap((set) => this.owned(Pods, set)).filter((pod) => isReady(pod) && isActive(pod)).length;
    const bound = Math.min(...this.states(deployment).map((state) => replicasOf(state) - fenceposts(state).maxUnavailable));
    if (left < bound) this.fail(`Deployment ${deployment.metadata?.name}: ${left} pods available, at least ${bound} wanted`);
  }

  private oneAway(set: StatefulSet, pod: Pod): void {
    if (set.spec?.podManagementPolicy === 'Parallel' || this.states(set).some((state) => replicasOf(state) !== replicasOf(set))) return;
    const wanted = Array.from({ length: replicasOf(set) }, (_, i) => this.api.find(Pods, `${set.metadata?.name ?? ''}-${firstOrdinal(set) + i}`, set.metadata?.namespace));
    const away = wanted.filter((other) => !other || !isReady(other) || other.metadata?.deletionTimestamp).length;
    if (away > 1) this.fail(`StatefulSet ${set.metadata?.name}: ${away} pods away after ${pod.metadata?.name} was deleted`);
    const updated = set.status?.updateRevision;
    const above = wanted.slice((ordinalOf(set, pod) ?? 0) - firstOrdinal(set) + 1);
    if (above.some((other) => other && revisionOfPod(other) !== updated)) this.fail(`StatefulSet ${set.metadata?.name}: ${pod.metadata?.name} is replaced before those above it`);
  }

  private daemonsAway(daemonSet: DaemonSet): void {
    const ready = new Set(this.owned(Pods, daemonSet).filter((pod) => isReady(pod) && isActive(pod)).map(nodeOfPod));
    const away = (daemonSet.status?.desiredNumberScheduled ?? 0) - ready.size;
    const allowed = Number(daemonSet.spec?.updateStrategy?.rollingUpdate?.maxUnavailable ?? 1);
    if (away > allowed) this.fail(`DaemonSet ${daemonSet.metadata?.name}: ${away} nodes without a pod, at most ${allowed} allowed`);
  }
}
