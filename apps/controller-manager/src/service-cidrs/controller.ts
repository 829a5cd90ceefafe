import { IPAddresses, ServiceCIDRs } from '@orrery/api';
import type { IPAddress, ServiceCIDR } from '@orrery/api/types';
import { defineController, watch } from '@orrery/controller';
import { isNotFound } from '@orrery/errors';
import { rfc3339 } from '@orrery/runtime';
import { holdersOf, overlaps, plan } from './plan.ts';

const controllerName = 'service-cidr-controller';

const ignoreGone = (error: unknown): void => {
  if (!isNotFound(error)) throw error;
};

const nameOf = ({ metadata }: ServiceCIDR): string => metadata?.name ?? '';

/** Says which ranges of Services are ready, and keeps those that are in use from being removed. */
export const serviceCidrController = defineController<ServiceCIDR>({
  name: controllerName,
  account: 'service-cidrs-controller',
  for: ServiceCIDRs,
  watches: [
    // A range that comes or goes may be what another's removal waits for.
    watch(ServiceCIDRs, ({ object, old, gone }, { store }) => (old && !gone ? [] : [...store(ServiceCIDRs).list()].filter((other) => overlaps(object, other)).map(nameOf))),
    watch(IPAddresses, ({ object, old, gone }, { store }) => (old && !gone ? [] : holdersOf(object as IPAddress, store(ServiceCIDRs).list()).map(nameOf))),
  ],
  async reconcile(key, { api, env, store, events }) {
    const range = store(ServiceCIDRs).get(key);
    if (!range) return;
    const { finalizers, ready, waitMs } = plan({ range, all: [...store(ServiceCIDRs).list()], addresses: store(IPAddresses).list() }, env.clock.now());
    if (finalizers) await api.update(ServiceCIDRs, { ...range, metadata: { ...range.metadata, finalizers: [...finalizers] } }).catch(ignoreGone);
    if (ready) {
      const condition = { ...ready, lastTransitionTime: rfc3339(env.clock.now()) };
      try {
        await api.patch(ServiceCIDRs, { name: key }, { apiVersion: 'networking.k8s.io/v1', kind: 'ServiceCIDR', status: { conditions: [condition] } }, { type: 'application/apply-patch+yaml', subresource: 'status', fieldManager: controllerName, force: true });
      } catch (error) {
        if (isNotFound(error)) return;
        if (ready.status === 'True') events.event(ServiceCIDRs, range, { type: 'Warning', reason: 'KubernetesServiceCIDRError', message: 'The ServiceCIDR Status can not be set to Ready=True' });
        throw error;
      }
    }
    return waitMs === undefined ? undefined : { requeueAfterMs: waitMs };
  },
});
