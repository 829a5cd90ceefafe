import { Pods } from '@orrery/api';
import type { Pod } from '@orrery/api/types';
import type { ApiClient } from '@orrery/client';
import { isNotFound } from '@orrery/errors';
import { type Env, rfc3339 } from '@orrery/runtime';

/** Writes condition PodScheduled=False (and the nominated node; '' takes it back), unless it says so already. */
export async function writeRefusal(input: { env: Env; api: ApiClient; pod: Pod; reason: string; message: string; nominatedNode: string | undefined }): Promise<void> {
  const { env, api, pod, reason, message, nominatedNode } = input;
  const { name = '', namespace = '' } = pod.metadata ?? {};
  const old = pod.status?.conditions?.find((condition) => condition.type === 'PodScheduled');
  const before = pod.status?.nominatedNodeName ?? '';
  const nominated = nominatedNode ?? before;
  if (old?.status === 'False' && old.reason === reason && old.message === message && nominated === before) return;
  const condition = {
    type: 'PodScheduled',
    status: 'False',
    observedGeneration: pod.metadata?.generation ?? 0,
    reason,
    message,
    lastProbeTime: null,
    lastTransitionTime: old?.status === 'False' ? (old.lastTransitionTime ?? rfc3339(env.clock.now())) : rfc3339(env.clock.now()),
  };
  const patch = { status: { conditions: [condition], ...(nominated === before ? {} : { nominatedNodeName: nominated || null }) } };
  try {
    await api.patch(Pods, { namespace, name }, patch, { type: 'application/strategic-merge-patch+json', subresource: 'status' });
  } catch (error) {
    if (!isNotFound(error)) env.log.warn('cannot write the PodScheduled condition', { pod: `${namespace}/${name}`, error });
  }
}
