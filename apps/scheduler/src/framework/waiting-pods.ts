import { type Clock, type Timer, formatGoDuration } from '@orrery/runtime';
import type { PodInfo } from '../cache/pod-info.ts';
import { type Status, unschedulable } from './status.ts';

/** No plugin may hold a pod back for longer. */
const maxWaitMs = 15 * 60_000;

/** A pod that has a place and that Permit plugins hold back. */
export interface WaitingPod {
  readonly pod: PodInfo;
  readonly nodeName: string;
  /** The plugins that have not allowed it yet. */
  pending(): readonly string[];
  /** One plugin lets it go; it goes when all have. */
  allow(plugin: string): void;
  /** It loses its place and goes back to the queue, refused by that plugin. */
  reject(plugin: string, message: string): void;
}

/** The pods held back, of all profiles of a scheduler. */
export interface WaitingPods {
  get(uid: string): WaitingPod | undefined;
  list(): Iterable<WaitingPod>;
  /** Held back from now on, by plugin for how long (milliseconds). Resolves when it is let go (undefined) or rejected. */
  hold(pod: PodInfo, nodeName: string, waits: ReadonlyMap<string, number>): Promise<Status | undefined>;
}

export function createWaitingPods(clock: Pick<Clock, 'after'>): WaitingPods {
  const held = new Map<string, WaitingPod>();
  return {
    get: (uid) => held.get(uid),
    list: () => [...held.values()],
    hold(pod, nodeName, waits) {
      const timers = new Map<string, Timer>();
      const { promise, resolve } = Promise.withResolvers<Status | undefined>();
      const settle = (status: Status | undefined): void => {
        for (const timer of timers.values()) timer.cancel();
        held.delete(pod.uid);
        resolve(status);
      };
      const reject = (plugin: string, message: string): void => settle({ ...unschedulable(message), plugin });
      for (const [plugin, wanted] of waits) {
        const waitMs = Math.min(wanted, maxWaitMs);
        timers.set(plugin, clock.after(waitMs, () => reject(plugin, `rejected due to timeout after waiting ${formatGoDuration(waitMs)} at plugin ${plugin}`)));
      }
      const allow = (plugin: string): void => {
        timers.get(plugin)?.cancel();
        if (timers.delete(plugin) && timers.size === 0) settle(undefined);
      };
      held.set(pod.uid, { pod, nodeName, pending: () => [...timers.keys()], allow, reject });
      return promise;
    },
  };
}
