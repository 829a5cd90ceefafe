import { Pods } from '@orrery/api';
import type { Pod } from '@orrery/api/types';
import { containerLogsDir } from '@orrery/cri';
import { StatusError, isNotFound } from '@orrery/errors';
import type { KubeletContext } from '../kubelet-context.ts';
import { podLogDirectory } from '../runtime/sandbox-config.ts';
import { nameOf, namespaceOf, uidOf } from './pod-spec.ts';

/**
 * How long a pod of a StatefulSet is still shown after its end. kubectl, told to delete it, gets it, then lists by its name and waits for
 * what it found to go: a successor that is there by then is taken for it, and kubectl waits for ever. Emulated containers
 * end within milliseconds, which makes likely what takes a second elsewhere.
 */
const shownMs = 250;

const hasSuccessor = ({ metadata }: Pod): boolean => metadata?.ownerReferences?.some(({ controller, kind }) => controller && kind === 'StatefulSet') ?? false;

/** How long a pod that the API server is about to remove may still be there. */
const goingMs = 200;

/**
 * Who deletes a pod without giving it time has the API server remove it, in two writes: emulated containers end before the second is on
 * disk, and what is told of the pod then would be told in vain. Rejects when `signal` says that it is gone.
 */
export async function letGo({ env }: KubeletContext, { metadata = {} }: Pod, signal: AbortSignal): Promise<void> {
  const isGoing = metadata.deletionTimestamp !== undefined && metadata.deletionGracePeriodSeconds === 0 && !metadata.finalizers?.length;
  if (isGoing) await env.clock.sleep(goingMs, signal);
}

/** The last step of a deletion: nothing of the pod runs any more. A pod that is gone, or another of its name, is fine. */
export async function deleteFromApi({ api, env }: KubeletContext, pod: Pod): Promise<void> {
  const key = { namespace: namespaceOf(pod), name: nameOf(pod) };
  if (hasSuccessor(pod)) await env.clock.sleep(shownMs);
  try {
    await api.delete(Pods, key, { gracePeriodSeconds: 0, preconditions: { uid: uidOf(pod) } });
  } catch (error) {
    const gone = isNotFound(error) || (error instanceof StatusError && error.code === 409);
    if (!gone) throw error;
  }
}

/** Removes what a pod has left on the node: sandboxes with their containers, volumes, logs. */
export async function wipePod(context: KubeletContext, pod: Pod, sandboxIds: Iterable<string>): Promise<void> {
  for (const id of sandboxIds) {
    await context.runtime.stopSandbox(id);
    await context.runtime.removeSandbox(id);
  }
  await context.volumes.remove(uidOf(pod));
  context.userNamespaces.release(uidOf(pod));
  const logs = podLogDirectory(pod, context.config.podLogsDir);
  await context.logs.remove(logs);
  await context.logs.unlink?.(containerLogsDir, logs);
  context.images.forget(uidOf(pod));
}
