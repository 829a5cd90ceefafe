import { Pods, StatefulSets } from '@orrery/api';
import type { StatefulSet } from '@orrery/api/types';
import { type ControllerContext, byControllerUid } from '@orrery/controller';
import type { Sample } from '@orrery/runtime';
import { mostUnavailable, unavailableReplicas } from './plan.ts';

type Context = Pick<ControllerContext, 'env' | 'store'>;

/** Upstream's gauges of sets that say how many of their pods may be away (in others it has nothing to tell), read when scraped. */
export function tellUnavailable({ env: { clock, metrics }, store }: Context): void {
  const gauge = (name: string, help: string, value: (set: StatefulSet) => number): void => {
    metrics.collect(`statefulset_controller_statefulset_${name}`, { type: 'gauge', help }, () =>
      [...store(StatefulSets).list()].filter((set) => mostUnavailable(set) !== undefined).map((set): Sample => {
        const { name: statefulset_name = '', namespace: statefulset_namespace = '' } = set.metadata ?? {};
        return { labels: { statefulset_namespace, statefulset_name, pod_management_policy: set.spec?.podManagementPolicy ?? 'OrderedReady' }, value: value(set) };
      }),
    );
  };
  gauge('max_unavailable', 'Maximum number of unavailable pods allowed during StatefulSet rolling updates', (set) => mostUnavailable(set) ?? 1);
  gauge('unavailable_replicas', 'Current number of unavailable pods in StatefulSet', (set) => unavailableReplicas(set, [...store(Pods).byIndex(byControllerUid, set.metadata?.uid ?? '')], clock.now()));
}
