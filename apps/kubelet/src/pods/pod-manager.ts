import type { Pod } from '@orrery/api/types';
import { parseGoDuration } from '@orrery/runtime';
import type { KubeletContext } from '../kubelet-context.ts';
import type { KnownPod } from '../runtime/cri-runtime.ts';
import type { RuntimeEvent } from '../runtime/pod-runtime.ts';
import { type Rejection, admitPod, mismatch, shortfall } from './admission.ts';
import { type ResizePending, judgeResize } from './allocation.ts';
import { NodeLedger } from './pod-resources.ts';
import { graceSeconds, isCritical, isTerminal, uidOf } from './pod-spec.ts';
import { PodWorker } from './pod-worker.ts';
import { podsToPreempt } from './preemption.ts';
import { admitSysctls } from './sysctls.ts';

/** The pods of one node: a worker each, from the feed of the API server and the runtime's own memory. */
export class PodManager {
  private readonly workers = new Map<string, PodWorker>();
  private readonly context: KubeletContext;
  private readonly ledger = new NodeLedger();
  private known = new Map<string, KnownPod>();
  /** Pods whose resize waited for room when it was asked for last. */
  private readonly deferred = new Set<string>();

  private readonly finished: (uid: string) => void;
  private readonly maxRestartMs: number;

  /** `finished` is told of each pod that has left the node. */
  constructor(context: KubeletContext, options: { finished: (uid: string) => void }) {
    this.context = context;
    this.finished = options.finished;
    this.maxRestartMs = parseGoDuration(context.config.maxContainerRestartPeriod);
  }

  /** Takes note of what the runtime holds already; called before the first pods arrive. */
  adopt(known: Map<string, KnownPod>): void {
    this.known = known;
  }

  add(pod: Pod): void {
    const uid = uidOf(pod);
    const existing = this.workers.get(uid);
    if (existing) return existing.update(pod);
    this.note('a pod has come', pod);
    const sandboxIds = this.known.get(uid)?.sandboxIds ?? [];
    this.known.delete(uid);
    const rejection = this.mustAdmit(pod, sandboxIds) ? this.admit(pod) : undefined;
    if (!rejection && !isTerminal(pod.status?.phase)) this.ledger.add(uid, pod);
    this.begin(pod, sandboxIds, rejection).trigger();
  }

  update(pod: Pod): void {
    const worker = this.workers.get(uidOf(pod));
    if (!worker) return this.add(pod);
    if (isTerminal(pod.status?.phase)) {
      this.ledger.remove(worker.uid);
      this.context.devices?.release(worker.uid);
      this.freed();
    }
    worker.update(pod);
  }

  /** A new state under the same name; another uid means that the old pod was deleted unnoticed. */
  replace(pod: Pod, old: Pod): void {
    if (uidOf(pod) !== uidOf(old)) this.remove(old);
    this.update(pod);
  }

  remove(pod: Pod): void {
    const uid = uidOf(pod);
    this.note('a pod is to go', pod);
    this.ledger.remove(uid);
    this.freed();
    const worker = this.workers.get(uid);
    worker?.remove(pod);
  }

  /** Ends what the runtime still runs of pods that are no more; called when the feed has handed over all pods. */
  removeOrphans(): void {
    for (const { uid, name, namespace, sandboxIds } of this.known.values()) {
      const pod: Pod = { metadata: { uid, name, namespace }, spec: { containers: [] } };
      this.begin(pod, sandboxIds, undefined).remove();
    }
    this.known.clear();
  }

  /** Something happened in the runtime to the pod, given by uid or, by the event, by one of its sandboxes. */
  runtimeChanged(uid: string | undefined, event?: RuntimeEvent): void {
    const worker = uid ? this.workers.get(uid) : event && [...this.workers.values()].find((one) => one.ownsSandbox(event.id));
    if (event) worker?.tell(event);
    else worker?.trigger({ runtimeChanged: true });
  }

  /** Anything may have happened. */
  runtimeLost(): void {
    for (const worker of this.workers.values()) worker.trigger({ runtimeChanged: true });
  }

  trigger(uid: string): void {
    this.workers.get(uid)?.trigger();
  }

  refreshVolumes(uids: Iterable<string>): void {
    for (const uid of uids) this.workers.get(uid)?.trigger({ volumesChanged: true });
  }

  get(uid: string): PodWorker | undefined {
    return this.workers.get(uid);
  }

  list(): Iterable<PodWorker> {
    return this.workers.values();
  }

  find(namespace: string, name: string, uid?: string): PodWorker | undefined {
    if (uid) return this.workers.get(uid);
    for (const worker of this.workers.values()) if (worker.pod.metadata?.name === name && worker.pod.metadata.namespace === namespace) return worker;
    return undefined;
  }

  stop(): void {
    for (const worker of this.workers.values()) worker.stop();
    this.workers.clear();
  }

  /** Counts a pod with what it asks for now, if the node has it. */
  private readonly allocate = (asked: Pod, granted: Pod): ResizePending | undefined => {
    const pending = judgeResize(asked, granted, { node: this.context.node(), ledger: this.ledger });
    if (!pending) this.ledger.replace(uidOf(asked), asked);
    else if (pending.reason === 'Deferred') this.deferred.add(uidOf(asked));
    return pending;
  };

  private note(what: string, { metadata }: Pod): void {
    const { log } = this.context.env;
    if (log.isDebugging?.()) log.debug(what, { node: this.context.nodeName, pod: `${metadata?.namespace ?? ''}/${metadata?.name ?? ''}`, uid: metadata?.uid });
  }

  /** Something has become free: resizes that waited for it are tried again. */
  private freed(): void {
    for (const uid of this.deferred) {
      const worker = this.workers.get(uid);
      if (worker?.resizeDeferred) worker.trigger();
      else this.deferred.delete(uid);
    }
  }

  private admit(pod: Pod): Rejection | undefined {
    return this.context.admit(pod) ?? admitSysctls(pod, this.context.config.allowedUnsafeSysctls) ?? this.fit(pod) ?? this.context.devices?.admit(pod);
  }

  /** Room for the pod, if need be made by ending others: only for a critical pod that lacks nothing else. */
  private fit(pod: Pod): Rejection | undefined {
    const node = this.context.node();
    const rejection = admitPod(pod, node, this.ledger);
    if (!rejection || !isCritical(pod) || mismatch(pod, node, this.ledger)) return rejection;
    const running = [...this.workers.values()].filter((worker) => !worker.ended && this.ledger.has(worker.uid)).map((worker) => worker.pod);
    const missing = shortfall(pod, node, this.ledger);
    const victims = podsToPreempt(pod, running, missing);
    if (!victims) return { reason: 'UnexpectedAdmissionError', message: `Pod was rejected: Unexpected error while attempting to recover from admission failure: preemption: error finding a set of pods to preempt: no set of running pods found to reclaim resources: [${[...missing].map(([name, amount]) => `(res: ${name}, q: ${amount}), `).join('')}]` };
    for (const victim of victims) {
      const message = 'Preempted in order to admit critical pod';
      this.workers.get(uidOf(victim))?.evict({ reason: 'Preempting', message, graceSeconds: graceSeconds(victim), event: true, disruption: true });
      this.ledger.remove(uidOf(victim));
      this.context.env.metrics.counter('kubelet_preemptions', 'Cumulative number of pod preemptions by preemption resource').inc({ preemption_signal: [...missing.keys()][0] ?? '' });
    }
    return undefined;
  }

  /** Pods that were taken before, by this kubelet or an earlier one, are not asked again. */
  private mustAdmit(pod: Pod, sandboxIds: readonly string[]): boolean {
    return sandboxIds.length === 0 && !pod.status?.startTime && !pod.metadata?.deletionTimestamp && !isTerminal(pod.status?.phase);
  }

  private readonly forget = (uid: string): void => {
    this.workers.delete(uid);
    this.context.devices?.release(uid);
    this.finished(uid);
  };

  private begin(pod: Pod, sandboxIds: readonly string[], rejection: Rejection | undefined): PodWorker {
    const { context, allocate, forget, maxRestartMs } = this;
    const worker = new PodWorker({ context, pod, sandboxIds, rejection, maxRestartMs, allocate, finished: forget });
    this.workers.set(worker.uid, worker);
    return worker;
  }
}
