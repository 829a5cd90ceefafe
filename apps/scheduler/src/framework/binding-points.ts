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

export function bindingPoints(options: {
  readonly at: Readonly<Record<Point, readonly Plugin[]>>;
  readonly waitingPods: WaitingPods;
  readonly timer: CycleTimer;
  readonly named: (status: Status, plugin: Plugin) => Status;
}): BindingPoints {
  const { at, waitingPods, timer, named } = options;
  const runBind = async (state: CycleState, pod: PodInfo, nodeName: string): Promise<Status | undefined> => {
    for (const plugin of at.bind) {
      const status = await timer.wait(plugin.name, 'Bind', () => plugin.bind?.(state, pod, nodeName));
      if (status?.code === 'Skip') continue;
      return status && named(status, plugin);
    }
    return unschedulable('no bind plugin took the pod');
  };
  return {
    permit(state, pod, nodeName) {
      const waits = new Map<string, number>();
      for (const plugin of at.permit) {
        const result = timer.run(plugin.name, 'Permit', () => plugin.permit?.(state, pod, nodeName));
        if (isStatus(result)) return { refusal: named(result, plugin) };
        if (result) waits.set(plugin.name, result.waitMs);
      }
      return waits.size ? { held: waitingPods.hold(pod, nodeName, waits) } : {};
    },
    async bind(state, pod, nodeName, { signal, extender }) {
      try {
        for (const plugin of at.preBind) {
          const status = await timer.wait(plugin.name, 'PreBind', () => plugin.preBind?.(state, pod, nodeName, signal));
          if (status) return named(status, plugin);
        }
        const status = extender ? await extender(pod, nodeName) : await runBind(state, pod, nodeName);
        if (status) return status;
        for (const plugin of at.postBind) plugin.postBind?.(state, pod, nodeName);
        return undefined;
      } catch (error) {
        return failed(error);
      }
    },
  };
}
