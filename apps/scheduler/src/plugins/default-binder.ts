import { Pods } from '@orrery/api';
import type { Pod } from '@orrery/api/types';
import type { ApiClient } from '@orrery/client';
import { toStatusError } from '@orrery/errors';
import type { Clock } from '@orrery/runtime';
import { failed } from '../framework/status.ts';
import { definePlugin } from '../framework/types.ts';

const firstWaitMs = 100;
const maxWaitMs = 5_000;

interface LookUp {
  readonly api: ApiClient;
  readonly clock: Clock;
  readonly pod: Pod;
  readonly signal: AbortSignal;
}

/** The node that the server says the pod has. Asks until the server answers: until then the pod keeps the room that was assumed for it. */
async function nodeNow({ api, clock, pod: { metadata: { name = '', namespace = '', uid } = {} }, signal }: LookUp): Promise<string | undefined> {
  for (let waitMs = firstWaitMs; !signal.aborted; waitMs = Math.min(maxWaitMs, waitMs * 2)) {
    try {
      const { metadata, spec } = await api.get(Pods, { namespace, name });
      return metadata?.uid === uid ? spec?.nodeName : undefined;
    } catch (error) {
      const { code } = toStatusError(error);
      if (code < 500 && code !== 429) return undefined;
    }
    await clock.sleep(waitMs, signal).catch(() => undefined);
  }
  return undefined;
}

/** Binds through the API server's `pods/binding`. What a server that failed did not say, whether the pod is bound, is looked up. */
export const defaultBinder = definePlugin({
  name: 'DefaultBinder',
  create: ({ api, env: { clock } }) => ({
    name: 'DefaultBinder',
    async bind(_state, { pod }, nodeName, signal) {
      const { name = '', namespace = '', uid = '' } = pod.metadata ?? {};
      const binding = { apiVersion: 'v1', kind: 'Binding', metadata: { name, namespace, uid }, target: { kind: 'Node', name: nodeName } };
      try {
        await api.createSubresource(Pods, { namespace, name }, 'binding', binding);
        return undefined;
      } catch (error) {
        const isOpen = toStatusError(error).code >= 500;
        return isOpen && (await nodeNow({ api, clock, pod, signal })) === nodeName ? undefined : failed(error);
      }
    },
  }),
});
