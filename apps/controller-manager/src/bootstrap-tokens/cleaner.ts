import { Secrets } from '@orrery/api';
import { keyOf } from '@orrery/client';
import { defineController, watch } from '@orrery/controller';
import { isConflict, isNotFound } from '@orrery/errors';
import { endsInMs, isBootstrapToken } from './token.ts';

/** Deletes bootstrap tokens that have ended. */
export const tokenCleaner = defineController({
  name: 'token-cleaner-controller',
  queue: 'token_cleaner',
  account: 'token-cleaner',
  watches: [watch(Secrets, ({ object, gone }) => (!gone && isBootstrapToken(object) ? [keyOf(object)] : []))],
  async reconcile(key, { api, env, store }) {
    const secret = store(Secrets).get(key);
    const leftMs = secret && isBootstrapToken(secret) ? endsInMs(secret, env.clock.now()) : undefined;
    if (!secret || leftMs === undefined) return undefined;
    if (leftMs > 0) return { requeueAfterMs: leftMs };
    const { namespace = '', name = '', uid } = secret.metadata ?? {};
    await api.delete(Secrets, { namespace, name }, uid ? { preconditions: { uid } } : {}).catch((error: unknown) => {
      if (!isNotFound(error) && !isConflict(error)) throw error;
    });
    return undefined;
  },
});
