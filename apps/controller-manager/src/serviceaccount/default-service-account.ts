import { Namespaces, ServiceAccounts } from '@orrery/api';
import type { Namespace } from '@orrery/api/types';
import { defineController, watch } from '@orrery/controller';
import { isAlreadyExists } from '@orrery/errors';
import { isNamespaceTerminating } from '../pods/pod-control.ts';

/** Account names that every namespace must have and lacks. */
export function plan(observed: { namespace: Namespace | undefined; has: (name: string) => boolean }): string[] {
  const { namespace, has } = observed;
  if (!namespace || namespace.metadata?.deletionTimestamp || namespace.status?.phase === 'Terminating') return [];
  return ['default'].filter((name) => !has(name));
}

/** Keeps a `default` service account in every namespace. */
export const serviceAccountController = defineController<Namespace>({
  name: 'serviceaccount-controller',
  queue: 'serviceaccount',
  account: 'service-account-controller',
  for: Namespaces,
  watches: [watch(ServiceAccounts, ({ object, gone }) => (gone ? [object.metadata?.namespace ?? ''] : []))],
  async reconcile(key, { api, store }) {
    const missing = plan({ namespace: store(Namespaces).get(key), has: (name) => store(ServiceAccounts).has(`${key}/${name}`) });
    for (const name of missing) {
      await api.create(ServiceAccounts, { metadata: { name, namespace: key } }).catch((error: unknown) => {
        if (!isAlreadyExists(error) && !isNamespaceTerminating(error)) throw error;
      });
    }
  },
});
