import { Pods } from '@orrery/api';
import { isConflict, isNotFound } from '@orrery/errors';
import { rfc3339 } from '@orrery/runtime';
import type { PodInfo } from '../../cache/pod-info.ts';
import type { PluginHandle } from '../../framework/types.ts';

const merge = { type: 'application/strategic-merge-patch+json', subresource: 'status' } as const;

/** Runs a write; that the pod is gone, or another has its name, is as good as done. */
async function unlessGone(write: () => Promise<unknown>): Promise<boolean> {
  try {
    await write();
    return true;
  } catch (error) {
    if (isNotFound(error) || isConflict(error)) return false;
    throw error;
  }
}

/** Marks a victim as disrupted and deletes it with its own grace period. Fails as the API server does. */
export async function evict(handle: PluginHandle, victim: PodInfo, by: { readonly pod: PodInfo; readonly nodeName: string }): Promise<void> {
  const { api, env, recorder } = handle;
  const { name = '', namespace = '', uid, generation = 0, deletionTimestamp } = victim.pod.metadata ?? {};
  if (deletionTimestamp) return;
  const condition = {
    type: 'DisruptionTarget',
    status: 'True',
    observedGeneration: generation,
    reason: 'PreemptionByScheduler',
    message: `${by.pod.pod.spec?.schedulerName || handle.schedulerName}: preempting to accommodate a higher priority pod`,
    lastTransitionTime: rfc3339(env.clock.now()),
  };
  const deleted = await unlessGone(async () => {
    await api.patch(Pods, { namespace, name }, { metadata: { uid }, status: { conditions: [condition] } }, merge);
    await api.delete(Pods, { namespace, name }, uid ? { preconditions: { uid } } : {});
  });
  if (!deleted) return;
  recorder.event(Pods, victim.pod, { type: 'Normal', reason: 'Preempted', message: `Preempted by pod ${by.pod.uid} on node ${by.nodeName}` });
  env.log.info('preempted', { pod: victim.key, by: by.pod.key, node: by.nodeName });
}

/** Pods of lower priority that waited for the same node have to look again. What cannot be written is logged: it only shows an old node. */
export async function clearNominations(handle: PluginHandle, waiting: readonly PodInfo[]): Promise<void> {
  for (const { pod, uid } of waiting) {
    const { name = '', namespace = '' } = pod.metadata ?? {};
    handle.nominations.delete(uid);
    try {
      await unlessGone(() => handle.api.patch(Pods, { namespace, name }, { metadata: { uid }, status: { nominatedNodeName: null } }, merge));
    } catch (error) {
      handle.env.log.warn('cannot clear a nomination', { pod: `${namespace}/${name}`, error });
    }
  }
}
