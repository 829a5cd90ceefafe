import { Pods } from '@orrery/api';
import type { Pod } from '@orrery/api/types';
import { keyOf } from '@orrery/client';
import type { ControllerContext } from '@orrery/controller';
import { isNotFound } from '@orrery/errors';
import { rfc3339 } from '@orrery/runtime';
import { isTerminal, podCondition } from '../pods/pod-state.ts';

/** How long a pod may be announced as disrupted without being deleted (upstream's two minutes). */
const staleAfterMs = 120_000;
const prefix = 'stale:';

/** Milliseconds until the announcement is to be taken back; undefined when there is none or it came true. */
export function planStale(pod: Pod, nowMs: number): number | undefined {
  const condition = podCondition(pod, 'DisruptionTarget');
  if (condition?.status !== 'True' || pod.metadata?.deletionTimestamp || isTerminal(pod)) return undefined;
  return Math.max(0, Date.parse(condition.lastTransitionTime ?? '') + staleAfterMs - nowMs);
}

/** The queue's key for a pod that is announced as disrupted. */
export function staleKey(pod: Pod): string | undefined {
  return planStale(pod, 0) === undefined ? undefined : prefix + keyOf(pod);
}

export function podOfStaleKey(key: string): string | undefined {
  return key.startsWith(prefix) ? key.slice(prefix.length) : undefined;
}

/** Sets DisruptionTarget to False on a pod that was announced as disrupted and is still there. */
export async function endStaleDisruption(key: string, { api, env, store }: ControllerContext): Promise<{ requeueAfterMs: number } | undefined> {
  const pod = store(Pods).get(key);
  const nowMs = env.clock.now();
  const waitMs = pod && planStale(pod, nowMs);
  if (!pod || waitMs === undefined) return undefined;
  if (waitMs > 0) return { requeueAfterMs: waitMs };
  const { name = '', namespace = '', resourceVersion, uid } = pod.metadata ?? {};
  const condition = { type: 'DisruptionTarget', status: 'False', lastTransitionTime: rfc3339(nowMs) };
  const patch = { metadata: { uid, resourceVersion }, status: { conditions: [condition] } };
  await api.patch(Pods, { namespace, name }, patch, { type: 'application/strategic-merge-patch+json', subresource: 'status' }).catch((error: unknown) => {
    if (!isNotFound(error)) throw error;
  });
  return undefined;
}
