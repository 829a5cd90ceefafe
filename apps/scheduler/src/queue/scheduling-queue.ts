import type { Clock, Timer } from '@orrery/runtime';
import type { PodInfo } from '../cache/pod-info.ts';
import type { ClusterEvent, EventInterest, QueuedPod } from '../framework/types.ts';
import type { Status } from '../framework/status.ts';
import { createHeap } from './heap.ts';

export interface QueueOptions {
  readonly clock: Clock;
  readonly less: (a: QueuedPod, b: QueuedPod) => boolean;
  readonly preEnqueue: (pod: PodInfo) => Status | undefined;
  /** The interests of a plugin that refused a pod. */
  readonly interests: (plugin: string) => readonly EventInterest[];
  readonly initialBackoffMs: number;
  readonly maxBackoffMs: number;
  /** Pods refused longer ago than this are tried again without an event (upstream: 5 minutes). */
  readonly flushAfterMs: number;
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
  close(): void;
}

export function createSchedulingQueue(options: QueueOptions): SchedulingQueue {
  const { clock, less } = options;
  const keyOf = (pod: QueuedPod): string => pod.info.key;
  const backoffMs = (pod: QueuedPod): number => Math.min(options.maxBackoffMs, options.initialBackoffMs * 2 ** Math.max(0, pod.attempts - 1));
  const readyAt = (pod: QueuedPod): number => pod.enteredMs + backoffMs(pod);
  const active = createHeap<QueuedPod>(keyOf, less);
  const backoff = createHeap<QueuedPod>(keyOf, (a, b) => readyAt(a) < readyAt(b));
  const unschedulable = new Map<string, QueuedPod>();
  const gated = new Map<string, QueuedPod>();
  /** Pods being tried, with the events that came meanwhile. */
  const inFlight = new Map<string, ClusterEvent[]>();
  let listener: () => void = () => undefined;
  let backoffTimer: Timer | undefined;

  const activate = (pod: QueuedPod): void => {
    const gate = options.preEnqueue(pod.info);
    if (gate) {
      pod.refusedBy = new Set(gate.plugin ? [gate.plugin] : []);
      gated.set(keyOf(pod), pod);
      return;
    }
    active.push(pod);
    listener();
  };
  const armBackoff = (): void => {
    backoffTimer?.cancel();
    const first = backoff.peek();
    backoffTimer = first && clock.after(Math.max(0, readyAt(first) - clock.monotonic()), flushBackoff);
  };
  const flushBackoff = (): void => {
    const now = clock.monotonic();
    for (let first = backoff.peek(); first && readyAt(first) <= now; first = backoff.peek()) activate(backoff.pop() as QueuedPod);
    armBackoff();
  };
  const requeue = (pod: QueuedPod): void => {
    if (readyAt(pod) <= clock.monotonic()) {
      activate(pod);
      return;
    }
    backoff.push(pod);
    armBackoff();
  };
  const helps = (pod: QueuedPod, event: ClusterEvent): boolean => {
    if (pod.refusedBy.size === 0) return true;
    for (const plugin of pod.refusedBy) {
      for (const interest of options.interests(plugin)) {
        if (interest.resource !== event.resource || !interest.actions.includes(event.action)) continue;
        if (!interest.hint || interest.hint(pod.info, event) === 'Queue') return true;
      }
    }
    return false;
  };
  const flushOld = clock.every(30_000, () => {
    for (const pod of [...unschedulable.values()]) {
      if (clock.monotonic() - pod.enteredMs < options.flushAfterMs) continue;
      unschedulable.delete(keyOf(pod));
      requeue(pod);
    }
  });
  const finish = (pod: QueuedPod): ClusterEvent[] => {
    const events = inFlight.get(keyOf(pod)) ?? [];
    inFlight.delete(keyOf(pod));
    pod.enteredMs = clock.monotonic();
    return events;
  };

  return {
    add(info) {
      if (inFlight.has(info.key) || active.get(info.key) || backoff.get(info.key) || unschedulable.has(info.key)) return;
      const now = clock.monotonic();
      gated.delete(info.key);
      activate({ info, firstMs: now, enteredMs: now, attempts: 0, refusedBy: new Set() });
    },
    update(_old, info) {
      const { key } = info;
      const waiting = active.get(key) ?? backoff.get(key) ?? unschedulable.get(key) ?? gated.get(key);
      if (!waiting) {
        if (!inFlight.has(key)) this.add(info);
        return;
      }
      waiting.info = info;
      if (active.get(key)) active.push(waiting);
      if (gated.delete(key)) activate(waiting);
      else if (unschedulable.delete(key)) requeue(waiting);
    },
    remove(key) {
      active.remove(key);
      backoff.remove(key);
      unschedulable.delete(key);
      gated.delete(key);
    },
    pop() {
      const pod = active.pop();
      if (!pod) return undefined;
      pod.attempts += 1;
      inFlight.set(keyOf(pod), []);
      return pod;
    },
    refuse(pod, refusedBy) {
      const events = finish(pod);
      pod.refusedBy = refusedBy;
      if (events.some((event) => helps(pod, event))) requeue(pod);
      else unschedulable.set(keyOf(pod), pod);
    },
    retry(pod) {
      finish(pod);
      pod.refusedBy = new Set();
      requeue(pod);
    },
    done: (key) => void inFlight.delete(key),
    onEvent(event) {
      for (const events of inFlight.values()) events.push(event);
      for (const pod of [...unschedulable.values()]) {
        if (!helps(pod, event)) continue;
        unschedulable.delete(keyOf(pod));
        requeue(pod);
      }
    },
    onReady: (fn) => void (listener = fn),
    counts: () => ({ active: active.size, backoff: backoff.size, unschedulable: unschedulable.size, gated: gated.size }),
    close() {
      flushOld.cancel();
      backoffTimer?.cancel();
    },
  };
}
