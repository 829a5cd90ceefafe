import type { Clock, Timer } from '@orrery/runtime';
import type { PodInfo } from '../cache/pod-info.ts';
import { type ClusterEvent, type EventInterest, type QueuedPod, eventName } from '../framework/types.ts';
import type { Status } from '../framework/status.ts';
import { createEventLog } from './event-log.ts';
import { createHeap } from './heap.ts';

export type QueueName = 'active' | 'backoff' | 'unschedulable' | 'gated';

export interface QueueOptions {
  readonly clock: Clock;
  readonly less: (a: QueuedPod, b: QueuedPod) => boolean;
  readonly preEnqueue: (pod: PodInfo) => Status | undefined;
  /** The interests of a plugin that refused a pod. */
  readonly interests: (plugin: string, pod: PodInfo) => readonly EventInterest[];
  /** Whether any plugin is interested in such events at all. */
  readonly matters?: (event: ClusterEvent) => boolean;
  readonly initialBackoffMs: number;
  readonly maxBackoffMs: number;
  /** Pods refused longer ago than this are tried again without an event (upstream: 5 minutes). */
  readonly flushAfterMs: number;
  /** A pod came to a queue, because of an event by upstream's name. */
  readonly incoming?: (queue: QueueName, event: string) => void;
  /** A plugin was asked whether an event may help. */
  readonly hinted?: (plugin: string, event: ClusterEvent, hint: 'Queue' | 'QueueSkip' | 'Error', seconds: number) => void;
}

/**
 * Where pods wait: the active queue (ready to be tried), the back-off queue (tried and failed lately) and the
 * unschedulable pool (waiting for an event that may help, or gated). Events that come while a pod is being tried count
 * for it too.
 */
export interface SchedulingQueue {
  add(pod: PodInfo): void;
  /** The pod changed while it waited; a change may open its gates or make it fit. */
  update(old: PodInfo, pod: PodInfo): void;
  remove(key: string): void;
  pop(): QueuedPod | undefined;
  /** A try ended without a node. */
  refuse(pod: QueuedPod, refusedBy: ReadonlySet<string>): void;
  /** A try ended by an error or a failed binding: back off, then try again. */
  retry(pod: QueuedPod): void;
  /** A try ended well. */
  done(key: string): void;
  onEvent(event: ClusterEvent): void;
  /** Called whenever a pod becomes ready to be tried. */
  onReady(listener: () => void): void;
  counts(): { active: number; backoff: number; unschedulable: number; gated: number };
  /** What is kept for the pods being tried, by upstream's names of events; the pods themselves as `PodPopped`. */
  inFlight(): ReadonlyMap<string, number>;
  /** The pods that wait for an event. */
  refused(): Iterable<QueuedPod>;
  close(): void;
}

/** Upstream's names of what brings a pod to a queue. */
const attemptFailed = 'ScheduleAttemptFailure';
const backoffComplete = 'BackoffComplete';
const podAdded = eventName({ resource: 'Pod', action: 'Add' });
const podUpdated = eventName({ resource: 'Pod', action: 'Update' });

const nobody: ReadonlySet<string> = new Set();

/** A pod being tried. */
interface InFlight {
  /** The pod as it has become meanwhile. */
  updated?: PodInfo;
  removed?: boolean;
  /** Another pod of the same name, which came after this one was removed: it is next once the try ends. */
  next?: PodInfo | undefined;
}

export function createSchedulingQueue(options: QueueOptions): SchedulingQueue {
  const { clock, less, incoming = () => undefined, hinted: tell = () => undefined, matters = () => true } = options;
  const keyOf = (pod: QueuedPod): string => pod.info.key;
  const backoffMs = (pod: QueuedPod): number => Math.min(options.maxBackoffMs, options.initialBackoffMs * 2 ** Math.max(0, pod.attempts - 1));
  const readyAt = (pod: QueuedPod): number => pod.enteredMs + backoffMs(pod);
  const active = createHeap<QueuedPod>(keyOf, less);
  const backoff = createHeap<QueuedPod>(keyOf, (a, b) => readyAt(a) < readyAt(b));
  /** Pods that failed by an error: they wait in any case. */
  const errors = createHeap<QueuedPod>(keyOf, (a, b) => readyAt(a) < readyAt(b));
  const unschedulable = new Map<string, QueuedPod>();
  const gated = new Map<string, QueuedPod>();
  const inFlight = new Map<string, InFlight>();
  const meanwhile = createEventLog();
  let listener: () => void = () => undefined;
  let backoffTimer: Timer | undefined;

  const activate = (pod: QueuedPod, event: string): void => {
    const gate = options.preEnqueue(pod.info);
    if (gate) {
      pod.refusedBy = new Set(gate.plugin ? [gate.plugin] : []);
      gated.set(keyOf(pod), pod);
      incoming('gated', event);
      return;
    }
    active.push(pod);
    incoming('active', event);
    listener();
  };
  const nextReady = (): number => Math.min(...[backoff, errors].flatMap((heap) => heap.peek() ?? []).map(readyAt));
  const armBackoff = (): void => {
    backoffTimer?.cancel();
    const next = nextReady();
    backoffTimer = Number.isFinite(next) ? clock.after(Math.max(0, next - clock.monotonic()), flushBackoff) : undefined;
  };
  const flushBackoff = (): void => {
    const now = clock.monotonic();
    for (const heap of [backoff, errors]) {
      for (let first = heap.peek(); first && readyAt(first) <= now; first = heap.peek()) activate(heap.pop() as QueuedPod, backoffComplete);
    }
    armBackoff();
  };
  const requeue = (pod: QueuedPod, event: string, heap = backoff): void => {
    if (readyAt(pod) <= clock.monotonic()) {
      activate(pod, event);
      return;
    }
    heap.push(pod);
    incoming('backoff', event);
    if (heap.peek() === pod) armBackoff();
    // With nothing else to do, it need not wait.
    if (heap === backoff) listener();
  };
  /** Upstream's SchedulerPopFromBackoffQ: while nothing is active, the pod nearest to its end of back-off goes first. */
  const popBackoff = (): QueuedPod | undefined => {
    for (let pod = backoff.pop(); pod; pod = backoff.pop()) {
      const gate = options.preEnqueue(pod.info);
      if (!gate) return pod;
      pod.refusedBy = new Set(gate.plugin ? [gate.plugin] : []);
      gated.set(keyOf(pod), pod);
      incoming('gated', backoffComplete);
    }
    return undefined;
  };
  /** A hint that fails says nothing against a try. */
  const hinted = (plugin: string, interest: EventInterest, pod: QueuedPod, event: ClusterEvent): boolean => {
    if (!interest.hint) return true;
    const began = clock.monotonic();
    let hint: 'Queue' | 'QueueSkip' | 'Error';
    try {
      hint = interest.hint(pod.info, event) === 'Queue' ? 'Queue' : 'QueueSkip';
    } catch {
      hint = 'Error';
    }
    tell(plugin, event, hint, (clock.monotonic() - began) / 1000);
    return hint !== 'QueueSkip';
  };
  const helps = (pod: QueuedPod, event: ClusterEvent): boolean => {
    if (pod.refusedBy.size === 0) return true;
    for (const plugin of pod.refusedBy) {
      for (const interest of options.interests(plugin, pod.info)) {
        if (interest.resource === event.resource && interest.actions.includes(event.action) && hinted(plugin, interest, pod, event)) return true;
      }
    }
    return false;
  };
  const flushOld = clock.every(30_000, () => {
    for (const pod of [...unschedulable.values()]) {
      if (clock.monotonic() - pod.enteredMs < options.flushAfterMs) continue;
      unschedulable.delete(keyOf(pod));
      pod.flushed = true;
      requeue(pod, 'UnschedulableTimeout');
    }
  });
  const enter = (info: PodInfo): void => {
    const flight = inFlight.get(info.key);
    if (flight?.removed) flight.next = info;
    if (flight || active.get(info.key) || backoff.get(info.key) || errors.get(info.key) || unschedulable.has(info.key)) return;
    const now = clock.monotonic();
    gated.delete(info.key);
    activate({ info, firstMs: now, enteredMs: now, attempts: 0, refusedBy: nobody }, podAdded);
  };
  const land = (key: string): void => {
    const next = inFlight.get(key)?.next;
    inFlight.delete(key);
    if (next) enter(next);
  };
  const finish = (pod: QueuedPod): InFlight & { events: readonly ClusterEvent[] } => {
    const key = keyOf(pod);
    const flight = inFlight.get(key) ?? {};
    land(key);
    pod.enteredMs = clock.monotonic();
    if (flight.updated) pod.info = flight.updated;
    return { ...flight, events: meanwhile.end(key) };
  };

  return {
    add: enter,
    update(_old, info) {
      const { key } = info;
      const waiting = active.get(key) ?? backoff.get(key) ?? errors.get(key) ?? unschedulable.get(key) ?? gated.get(key);
      if (!waiting) {
        const flight = inFlight.get(key);
        if (!flight || flight.removed) enter(info);
        else flight.updated = info;
        return;
      }
      waiting.info = info;
      if (active.get(key)) active.push(waiting);
      if (gated.delete(key)) activate(waiting, podUpdated);
      else if (unschedulable.delete(key)) requeue(waiting, podUpdated);
    },
    remove(key) {
      active.remove(key);
      backoff.remove(key);
      errors.remove(key);
      unschedulable.delete(key);
      gated.delete(key);
      const flight = inFlight.get(key);
      if (!flight) return;
      flight.removed = true;
      flight.next = undefined;
    },
    pop() {
      const pod = active.pop() ?? popBackoff();
      if (!pod) return undefined;
      pod.attempts += 1;
      inFlight.set(keyOf(pod), {});
      meanwhile.begin(keyOf(pod));
      return pod;
    },
    refuse(pod, refusedBy) {
      const { events, updated, removed } = finish(pod);
      if (removed) return;
      pod.refusedBy = refusedBy;
      pod.flushed = false;
      if (updated || events.some((event) => helps(pod, event))) requeue(pod, attemptFailed);
      else {
        unschedulable.set(keyOf(pod), pod);
        incoming('unschedulable', attemptFailed);
      }
    },
    retry(pod) {
      if (finish(pod).removed) return;
      pod.refusedBy = nobody;
      requeue(pod, attemptFailed, errors);
    },
    done(key) {
      meanwhile.drop(key);
      land(key);
    },
    onEvent(event) {
      if (!matters(event)) return;
      meanwhile.add(event);
      if (unschedulable.size === 0 && gated.size === 0) return;
      const name = eventName(event);
      for (const pod of [...unschedulable.values()]) {
        if (!helps(pod, event)) continue;
        unschedulable.delete(keyOf(pod));
        requeue(pod, name);
      }
      for (const pod of [...gated.values()]) {
        if (!helps(pod, event)) continue;
        gated.delete(keyOf(pod));
        activate(pod, name);
      }
    },
    onReady: (fn) => void (listener = fn),
    counts: () => ({ active: active.size, backoff: backoff.size + errors.size, unschedulable: unschedulable.size, gated: gated.size }),
    inFlight() {
      const counts = new Map([['PodPopped', inFlight.size]]);
      for (const event of meanwhile.kept()) counts.set(eventName(event), (counts.get(eventName(event)) ?? 0) + 1);
      return counts;
    },
    refused: () => unschedulable.values(),
    close() {
      flushOld.cancel();
      backoffTimer?.cancel();
    },
  };
}
