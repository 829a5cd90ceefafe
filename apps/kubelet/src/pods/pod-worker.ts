import { Pods } from '@orrery/api';
import type { Container, Pod, PodStatus } from '@orrery/api/types';
import { deepEqual } from '@orrery/client';
import type { PodSandboxConfig } from '@orrery/proto/cri';
import { type Timer, latencyBuckets, rfc3339 } from '@orrery/runtime';
import { usesClaims } from '../claims/pod-claims.ts';
import { StartFault } from '../images/image-manager.ts';
import type { KubeletContext } from '../kubelet-context.ts';
import { type PodRuntime, type RuntimeContainer, type RuntimeEvent, type RuntimeSandbox, afterReset } from '../runtime/pod-runtime.ts';
import { PodView } from '../runtime/pod-view.ts';
import { knownStatus, podStatus } from '../status/pod-status.ts';
import { qosClass } from '../status/qos-class.ts';
import type { Eviction, Rejection } from './admission.ts';
import { BackOff } from './back-off.ts';
import { type PodActions, computePodActions, hasActions, resetTrigger, runsWhole } from './compute-pod-actions.ts';
import { killAllContainers, killContainer } from './kill-containers.ts';
import { deleteFromApi, letGo, wipePod } from './pod-removal.ts';
import { PodVolumes } from './pod-volumes.ts';
import type { PodWorkerOptions, Trigger } from './pod-worker-options.ts';
import { podSandboxConfig, prepareClaims, runSandbox, writeHostsFile } from './pod-sandbox.ts';
import { ephemeralContainers, graceSeconds, isHostNetwork, isTerminal, nameOf, namespaceOf, placeOfContainer, uidOf } from './pod-spec.ts';
import { removeInstances, startContainer } from './start-container.ts';
import { Resizer } from './resize.ts';

const firstRetryMs = 500;
const maxRetryMs = 122_000;
const networkRetryMs = 5_000;
const resizeRetryMs = 30_000;

const noReason: Trigger = {};
const runtimeNews: Trigger = { runtimeChanged: true };

/**
 * Drives one pod. One sync runs at a time; whatever happens meanwhile (a change of the pod, an event of the runtime, a
 * probe's verdict, a timer) makes one more run after it. The runtime is the truth about containers and is asked again
 * after every change.
 */
export class PodWorker {
  readonly uid: string;
  pod: Pod;
  /** Nothing of the pod runs, nor will again. */
  ended = false;
  private readonly context: KubeletContext;
  private readonly finished: (uid: string) => void;
  private readonly resizer: Resizer;
  private readonly backOff: BackOff;
  private readonly view: PodView;
  private waiting: Map<string, { reason: string; message: string }> | undefined;
  private readonly startMs: number;
  private readonly volumes: PodVolumes;
  private verdict: Rejection | undefined;
  /** Seconds that containers get to end by the verdict. */
  private verdictGrace: number | undefined;
  /** Message of the condition DisruptionTarget. */
  private disruption: string | undefined;
  private rejected: boolean;
  /** The first sync has had its turn. */
  private begun = false;
  private running = false;
  private pending = false;
  private told = false; // of a change in the runtime, during the sync under way
  private removed = false;
  private stopped = false;
  private wakeTimer: Timer | undefined;
  private wakeAtMs = Infinity;
  private retryMs = firstRetryMs;
  private current: AbortController | undefined; // of the sync under way
  /** Grace period of a kill under way, 0 when there is none. */
  private killGrace = 0;
  private runtimeListeners: Set<() => void> | undefined;

  constructor(options: PodWorkerOptions) {
    this.context = options.context;
    this.backOff = new BackOff({ maxMs: options.maxRestartMs });
    this.resizer = new Resizer(options.pod, options);
    this.pod = this.resizer.observe(options.pod);
    this.uid = uidOf(options.pod);
    this.view = new PodView(options.context, options);
    this.volumes = new PodVolumes(options.context, this);
    this.finished = options.finished;
    this.rejected = options.rejection !== undefined;
    this.verdict = options.rejection ?? this.earlierVerdict(options.pod);
    this.startMs = options.context.env.clock.now();
  }

  /** Asks for a sync; `runtimeChanged`: something happened to the pod's containers. */
  trigger(options: Trigger = noReason): void {
    if (options.runtimeChanged || options.wake) this.view.stale = true;
    if (options.volumesChanged) this.volumes.stale = true;
    if (this.killGrace > 0 && !options.runtimeChanged && !this.verdict && this.isOver()) this.report();
    if (this.running && options.runtimeChanged) this.told = true;
    else if (this.running) this.pending = true;
    else if (!this.stopped) {
      this.running = true;
      void this.loop();
    }
  }

  /** Something happened in the runtime; what was seen already asks for nothing. */
  tell(event: RuntimeEvent): void {
    if (this.view.isNews(event)) this.trigger(runtimeNews);
  }

  update(asked: Pod): void {
    const old = this.pod;
    const pod = this.resizer.observe(asked);
    this.pod = pod;
    this.context.statuses.observe(pod);
    const { labels, annotations } = old.metadata ?? {};
    if (!deepEqual(pod.metadata?.labels, labels) || !deepEqual(pod.metadata?.annotations, annotations)) this.volumes.stale = true;
    const begun = pod.metadata?.deletionTimestamp && !old.metadata?.deletionTimestamp;
    if (begun || graceSeconds(pod) < this.killGrace) this.interrupt();
    const debugged = ephemeralContainers(pod).length !== ephemeralContainers(old).length;
    if (begun || debugged || this.volumes.stale || pod.metadata?.generation !== old.metadata?.generation || this.gatesChanged(pod, old)) this.trigger();
  }

  /** The pod has vanished from the API server, which is told nothing more of it. */
  remove(last: Pod = this.pod): void {
    this.removed = true;
    this.pod = last;
    this.interrupt();
    this.trigger();
  }

  /** Ends the pod for good: its phase becomes Failed with this reason. False when it is ending already. */
  evict(eviction: Eviction): boolean {
    const isOver = this.verdict !== undefined || this.rejected || this.isOver() || isTerminal(this.reportedPhase);
    if (isOver || this.stopped) return false;
    const { reason, message, disruption, event } = eviction;
    this.verdict = { reason, message };
    this.verdictGrace = eviction.graceSeconds;
    if (disruption) this.disruption = message;
    if (event) this.context.events.event(Pods, this.pod, { type: 'Warning', reason, message });
    this.interrupt();
    this.trigger();
    return true;
  }

  /** Stops driving; containers are left as they are. */
  stop(): void {
    this.stopped = true;
    this.wakeTimer?.cancel();
    this.current?.abort(new Error('kubelet stopped'));
    this.volumes.release();
  }

  /** Calls back after each look at the runtime. Returns what ends that. */
  onRuntimeChange(changed: () => void): () => void {
    (this.runtimeListeners ??= new Set()).add(changed);
    return () => void this.runtimeListeners?.delete(changed);
  }

  /** A resize of the pod waits for room on the node. */
  get resizeDeferred(): boolean {
    return this.resizer.status.pending?.reason === 'Deferred';
  }

  ownsSandbox(id: string): boolean {
    return this.view.sandboxIds.has(id);
  }

  get runtime(): PodRuntime {
    return this.view.runtime;
  }

  /** The newest ready sandbox. */
  get sandbox(): RuntimeSandbox | undefined {
    const [newest] = this.runtime.sandboxes;
    return newest?.ready ? newest : undefined;
  }

  private earlierVerdict({ status }: Pod): Rejection | undefined {
    return status?.phase === 'Failed' && status.reason ? { reason: status.reason, message: status.message ?? '' } : undefined;
  }

  private gatesChanged(pod: Pod, old: Pod): boolean {
    return Boolean(pod.spec?.readinessGates?.length) && pod.status?.conditions !== old.status?.conditions;
  }

  /** Ends waits of the sync under way: it is about the wrong thing now. */
  private interrupt(): void {
    const { current } = this;
    this.current = undefined;
    current?.abort(new Error('interrupted'));
  }

  private async loop(): Promise<void> {
    const turn = this.begun ? undefined : this.context.starts?.enter();
    this.begun = true;
    const began = turn instanceof Promise ? await turn : turn;
    while (!this.stopped) {
      this.pending = this.told = false;
      this.wakeTimer?.cancel();
      this.wakeAtMs = Infinity;
      const { signal } = (this.current ??= new AbortController());
      try {
        await this.sync(signal);
        this.retryMs = firstRetryMs;
      } catch (error) {
        if (signal.aborted) this.pending = true;
        else this.failed(error as Error);
      }
      began?.();
      if (!this.pending && !this.told) break;
    }
    began?.();
    this.running = false;
    this.current = undefined;
  }

  private failed(error: Error): void {
    this.view.stale = true;
    this.context.env.log.warn('pod sync failed', { pod: `${namespaceOf(this.pod)}/${nameOf(this.pod)}`, error: error.message, retryMs: this.retryMs });
    this.wakeIn(this.retryMs);
    this.retryMs = Math.min(maxRetryMs, this.retryMs * 2);
  }

  /** Asks for another sync after a while, unless one is due before. */
  wakeIn(delayMs: number): void {
    const atMs = this.context.env.clock.monotonic() + delayMs;
    if (atMs >= this.wakeAtMs || this.stopped) return;
    this.wakeTimer?.cancel();
    this.wakeAtMs = atMs;
    this.wakeTimer = this.context.env.clock.after(delayMs, () => this.trigger({ wake: true }));
  }

  private async sync(signal: AbortSignal): Promise<void> {
    if (this.removed) return this.syncRemoved(signal);
    if (this.rejected) return this.syncRejected();
    if (this.view.stale && !this.view.isBlank()) await this.refresh();
    this.checkDeadline();
    const over = this.pod.metadata?.deletionTimestamp !== undefined || this.verdict !== undefined || isTerminal(this.reportedPhase);
    if (over) return this.terminate(signal);
    if (!this.context.statuses.has(this.uid)) this.context.statuses.expect(this.pod, this);
    if (!(await this.volumes.mount(this.pod, this.podIps()))) return this.report();
    this.allocate();
    if (this.resizer.differs(this.pod, this.runtime)) await this.resize(signal);
    if (this.resizer.status.error !== undefined) this.wakeIn(resizeRetryMs);
    if (resetTrigger(this.pod, this.runtime)) await this.reset(signal);
    const actions = computePodActions(this.pod, this.runtime, this.context.prober);
    await this.carryOut(actions, signal);
    if (this.view.stale) await this.refresh();
    this.report();
    // Most changes that the runtime tells of are this sync's own doing.
    if (this.told && !this.view.stale && !this.volumes.stale) this.told = !runsWhole(this.pod, this.runtime) && (!!resetTrigger(this.pod, this.runtime) || hasActions(computePodActions(this.pod, this.runtime, this.context.prober)));
  }

  /** A container's rule wants the whole pod anew: all others end, without hooks, and nothing is left of them; sandbox and volumes stay. */
  private async reset(signal: AbortSignal): Promise<void> {
    const { context, pod } = this;
    await killAllContainers(context, this.runtime, { pod, graceSeconds: graceSeconds(pod), signal, withoutHooks: true });
    await removeInstances(context, this.runtime.containers);
    this.view.runtime = afterReset(this.runtime, context.env.clock.now());
    this.waiting = undefined;
    this.view.stale = true;
    await this.refresh();
    this.report();
  }

  /** Gives the pod what it asks for, if the node has it. */
  private allocate(): void {
    const before = this.pod;
    this.pod = this.resizer.allocate(this.pod);
    if (this.pod !== before) this.volumes.stale = true;
  }

  /** Gives the pod's containers what they were granted. */
  private async resize(signal: AbortSignal): Promise<void> {
    for (const container of await this.resizer.actuate(this.pod, this.runtime)) {
      await this.killOne(container, { message: `Container ${container.name} resize requires restart, will be restarted`, cause: 'resize' }, signal);
      const spec = placeOfContainer(this.pod, container.name)?.container;
      const { sandbox } = this;
      if (!spec || !sandbox) continue;
      await this.start(spec, { sandboxId: sandbox.id, config: await podSandboxConfig(this.context, this.pod, { attempt: sandbox.attempt, signal }), signal });
      if (this.view.stale) await this.refresh();
    }
  }

  /** Looks at the runtime again. */
  private async refresh(): Promise<void> {
    if (await this.view.look(this.pod)) this.trigger(runtimeNews);
    if (!this.isOver()) this.context.prober.update(this.pod, this.runtime, this.podIps()[0] ?? '');
    for (const { name, state } of this.runtime.containers) if (state === 'running') this.waiting?.delete(name);
    if (this.runtimeListeners) for (const changed of [...this.runtimeListeners]) changed();
  }

  private isOver(): boolean {
    return this.removed || this.pod.metadata?.deletionTimestamp !== undefined;
  }

  private podIps(): readonly string[] {
    return isHostNetwork(this.pod) ? this.context.hostIps() : (this.runtime.sandboxes[0]?.ips ?? []);
  }

  private checkDeadline(): void {
    const seconds = this.pod.spec?.activeDeadlineSeconds;
    if (seconds === undefined || this.verdict) return;
    const startMs = this.pod.status?.startTime ? Date.parse(this.pod.status.startTime) : this.startMs;
    const leftMs = startMs + seconds * 1000 - this.context.env.clock.now();
    if (leftMs > 0) return this.wakeIn(leftMs);
    const message = 'Pod was active on the node longer than the specified deadline';
    this.verdict = { reason: 'DeadlineExceeded', message };
    this.context.events.event(Pods, this.pod, { type: 'Normal', reason: 'DeadlineExceeded', message });
  }

  private async carryOut(actions: PodActions, signal: AbortSignal): Promise<void> {
    if (actions.killPod) {
      await this.killEverything(signal);
      if (!actions.createSandbox) return;
    }
    for (const { container, message, cause } of actions.kill) await this.killOne(container, { message, cause }, signal);
    const wanted = actions.startInit.length || actions.startEphemeral.length ? [...actions.startInit, ...actions.start, ...actions.startEphemeral] : actions.start;
    if (!actions.createSandbox && wanted.length === 0) return;
    const made = podSandboxConfig(this.context, this.pod, { attempt: actions.attempt, signal });
    const config = made instanceof Promise ? await made : made;
    const sandboxId = actions.createSandbox ? await this.createSandbox(config, signal) : actions.sandbox?.id;
    if (sandboxId === undefined) return;
    let started = 0;
    for (const container of wanted) if (await this.start(container, { sandboxId, config, signal })) started += 1;
    // What a started init container lets follow is decided anew; one that waits (back-off, a pull) wakes the worker itself.
    if (started > 0 && actions.startInit.length && !actions.start.length) this.pending = true;
  }

  private async createSandbox(config: PodSandboxConfig, signal: AbortSignal): Promise<string | undefined> {
    const problem = isHostNetwork(this.pod) ? undefined : this.context.networkProblem();
    if (problem) {
      this.context.events.event(Pods, this.pod, { type: 'Warning', reason: 'NetworkNotReady', message: `network is not ready: ${problem}` });
      this.wakeIn(networkRetryMs);
      return undefined;
    }
    if (this.runtime.containers.some(({ lost }) => !lost)) this.context.events.event(Pods, this.pod, { type: 'Normal', reason: 'SandboxChanged', message: 'Pod sandbox changed, it will be killed and re-created.' });
    if (usesClaims(this.pod)) await prepareClaims(this.context, this.pod, signal);
    const id = await runSandbox(this.context, this.pod, { config, signal }).catch((error: unknown) => {
      this.view.doubt();
      throw error;
    });
    this.view.sandboxIds.add(id);
    this.view.stale = true;
    signal.throwIfAborted();
    await this.refresh();
    await writeHostsFile(this.context, this.pod, this.podIps());
    return id;
  }

  /** Starts one container, or says false: what prevents it becomes its waiting reason. */
  private async start(container: Container, { sandboxId, config, signal }: { sandboxId: string; config: PodSandboxConfig; signal: AbortSignal }): Promise<boolean> {
    signal.throwIfAborted();
    const place = placeOfContainer(this.pod, container.name);
    if (!place) return false;
    const { context, pod, runtime, backOff, volumes } = this;
    try {
      await startContainer({ context, pod, place, sandboxId, sandboxConfig: config, podIps: this.podIps(), runtime, volumes: volumes.mounted, objects: volumes.objects(pod), backOff, signal, created: (id) => this.resizer.made(id, container) });
      this.waiting?.delete(container.name);
      this.view.stale = true;
      return true;
    } catch (error) {
      if (!(error instanceof StartFault)) throw error;
      if (error.reason !== 'CrashLoopBackOff') this.view.stale = true;
      (this.waiting ??= new Map()).set(container.name, { reason: error.reason, message: error.message });
      if (error.retryMs !== undefined) this.wakeIn(error.retryMs);
      return false;
    }
  }

  private async killOne(container: RuntimeContainer, reason: { message: string; cause: string }, signal: AbortSignal): Promise<void> {
    const spec = placeOfContainer(this.pod, container.name)?.container;
    const probe = reason.cause === 'startup' ? spec?.startupProbe : reason.cause === 'liveness' ? spec?.livenessProbe : undefined;
    await killContainer(this.context, container, { pod: this.pod, graceSeconds: probe?.terminationGracePeriodSeconds ?? graceSeconds(this.pod), signal, reason });
    this.view.stale = true;
    await this.refresh();
  }

  /** A deletion may shorten what the kubelet's own verdict gives. */
  private get endGrace(): number {
    const own = graceSeconds(this.pod);
    return this.verdictGrace === undefined ? own : Math.min(own, this.verdictGrace);
  }

  private async killEverything(signal: AbortSignal): Promise<void> {
    const grace = (this.killGrace = this.endGrace);
    await killAllContainers(this.context, this.runtime, { pod: this.pod, graceSeconds: grace, signal });
    for (const id of this.runtime.sandboxes.filter(({ ready }) => ready).map((sandbox) => sandbox.id)) await this.context.runtime.stopSandbox(id);
    this.killGrace = 0;
    this.view.stale = true;
    await this.refresh();
  }

  /** The pod is to end: deleted, timed out, or done. */
  private async terminate(signal: AbortSignal): Promise<void> {
    this.context.prober.endPod(this.uid);
    if (this.runtime.sandboxes.some(({ ready }) => ready) || this.runtime.containers.some(({ state }) => state === 'running')) await this.killEverything(signal);
    this.context.prober.stopPod(this.uid);
    // What there is to do now is another sync's.
    if (this.removed) return;
    await this.context.claims.unprepare(this.uid);
    await letGo(this.context, this.pod, signal);
    this.waiting = undefined;
    this.ended = true;
    this.report();
    if (this.pod.metadata?.deletionTimestamp === undefined) return;
    await this.context.statuses.settled(this.uid);
    await deleteFromApi(this.context, this.pod);
  }

  private async syncRejected(): Promise<void> {
    const { reason = '', message = '' } = this.verdict ?? {};
    if (!this.ended) this.context.events.event(Pods, this.pod, { type: 'Warning', reason, message: message.replace(/^Pod was rejected: /, '') });
    this.ended = true;
    const status: PodStatus = { phase: 'Failed', reason, message, startTime: this.pod.status?.startTime ?? rfc3339(this.startMs), qosClass: qosClass(this.pod), ...(this.pod.metadata?.generation === undefined ? {} : { observedGeneration: this.pod.metadata.generation }) };
    this.context.statuses.set(this.pod, status);
    if (this.pod.metadata?.deletionTimestamp === undefined) return;
    await this.context.statuses.settled(this.uid);
    await deleteFromApi(this.context, this.pod);
  }

  /** Ends what still runs of a pod that is gone, and wipes its traces from the node. */
  private async syncRemoved(signal: AbortSignal): Promise<void> {
    const { context, uid } = this;
    context.prober.stopPod(uid);
    context.statuses.forget(uid);
    // One that has ended was looked at after its end.
    if (!this.ended || this.view.stale) {
      this.view.stale = true;
      await this.refresh();
      await killAllContainers(context, this.runtime, { pod: this.pod, graceSeconds: Math.max(1, graceSeconds(this.pod)), signal });
    }
    await wipePod(context, this.pod, this.view.sandboxIds);
    this.stop();
    this.finished(uid);
  }

  /** Of what was reported last, or of what the API server shows. */
  private get reportedPhase(): string | undefined {
    return this.context.statuses.reported(this.uid)?.phase ?? this.pod.status?.phase;
  }

  /** The pod's status as it is now. */
  status(): PodStatus {
    const { context, runtime } = this;
    const pod = { ...this.pod, status: knownStatus(this.pod, context.statuses.reported(this.uid)) };
    return podStatus({
      pod,
      runtime,
      context: { runtimeName: context.runtimeName(), recursiveReadOnly: context.recursiveReadOnly, devices: (container) => [...(context.devices?.statusOf(pod, container.name) ?? []), ...context.claims.statusOf(pod, container)], waiting: (name) => this.waiting?.get(name), started: (id) => context.prober.started(id), resources: (id) => this.resizer.resourcesOf(id), ready: (id) => (this.killGrace > 0 || !this.isOver()) && context.prober.ready(id) },
      nowMs: context.env.clock.now(),
      startMs: this.startMs,
      hostIps: context.hostIps(),
      ended: this.ended,
      verdict: this.verdict,
      disruption: this.disruption,
      resize: this.isOver() ? {} : this.resizer.status,
    });
  }

  private report(): void {
    const status = this.status();
    if (status.phase === 'Running' && (this.reportedPhase ?? 'Pending') === 'Pending') this.observeStart();
    this.context.statuses.set(this.pod, status);
    if (isTerminal(status.phase) && !this.ended) this.pending = true;
  }

  private observeStart(): void {
    const { clock, metrics } = this.context.env;
    const histogram = metrics.histogram('kubelet_pod_start_duration_seconds', 'Duration in seconds from kubelet seeing a pod for the first time to the pod starting to run', latencyBuckets);
    histogram.observe((clock.now() - this.startMs) / 1000);
  }
}
