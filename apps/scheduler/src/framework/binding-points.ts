import type { PodInfo } from '../cache/pod-info.ts';
import type { CycleTimer } from './cycle-timer.ts';
import type { Point } from './profile-plugins.ts';
import { type Status, failed, unschedulable } from './status.ts';
import { type CycleState, type Plugin, isStatus } from './types.ts';
import type { WaitingPods } from './waiting-pods.ts';

/** What Permit says: a refusal, a promise of the outcome when the pod is held back, or neither. */
export interface Permission {
  readonly refusal?: Status;
  readonly held?: Promise<Status | undefined>;
}

/** The points of a profile that come after a node was chosen. */
export interface BindingPoints {
  permit(state: CycleState, pod: PodInfo, nodeName: string): Permission;
  /** PreBind, Bind and PostBind. `extender` binds instead of the profile's plugins. */
  bind(state: CycleState, pod: PodInfo, nodeName: string, by: { signal: AbortSignal; extender?: ((pod: PodInfo, nodeName: string) => Promise<Status | undefined>) | undefined }): Promise<Status | undefined>;
}

interface BindingPointOptions {
  readonly at: Readonly<Record<Point, readonly Plugin[]>>;
  readonly waitingPods: WaitingPods;
  readonly timer: CycleTimer;
  readonly named: (status: Status, plugin: Plugin) => Status;
}

const granted: Permission = {};

/** The first plugin that does not skip binds. */
async function runBind({ at, timer, named }: BindingPointOptions, state: CycleState, pod: PodInfo, { nodeName, signal }: { nodeName: string; signal: AbortSignal }): Promise<Status | undefined> {
  for (const plugin of at.bind) {
    const began = timer.begin();
    const status = await plugin.bind?.(state, pod, nodeName, signal);
    timer.end(plugin.name, 'Bind', began, status);
    if (status?.code === 'Skip') continue;
    return status && named(status, plugin);
  }
  return unschedulable('no bind plugin took the pod');
}

export function bindingPoints(options: BindingPointOptions): BindingPoints {
  const { at, waitingPods, timer, named } = options;
  return {
    permit(state, pod, nodeName) {
      let waits: Map<string, number> | undefined;
      for (const plugin of at.permit) {
        const began = timer.begin();
        const result = plugin.permit?.(state, pod, nodeName);
        timer.end(plugin.name, 'Permit', began, result);
        if (isStatus(result)) return { refusal: named(result, plugin) };
        if (result) (waits ??= new Map()).set(plugin.name, result.waitMs);
      }
      return waits ? { held: waitingPods.hold(pod, nodeName, waits) } : granted;
    },
    async bind(state, pod, nodeName, { signal, extender }) {
      try {
        for (const plugin of at.preBind) {
          const began = timer.begin();
          const answer = plugin.preBind?.(state, pod, nodeName, signal);
          // Most have nothing to wait for.
          const status = answer instanceof Promise ? await answer : answer;
          timer.end(plugin.name, 'PreBind', began, status);
          if (status) return named(status, plugin);
        }
        const status = await (extender ? extender(pod, nodeName) : runBind(options, state, pod, { nodeName, signal }));
        if (status) return status;
        for (const plugin of at.postBind) plugin.postBind?.(state, pod, nodeName);
        return undefined;
      } catch (error) {
        return failed(error);
      }
    },
  };
}
