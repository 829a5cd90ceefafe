import { ReplicaSets, ReplicationControllers, Services, StatefulSets } from '@orrery/api';
import type { LabelSelector, Pod, TopologySpreadConstraint } from '@orrery/api/types';
import { type Selector, makeRequirement, selectorFromObject, selectorOf } from '@orrery/apimachinery';
import type { KubeObject } from '@orrery/apimachinery';
import type { Informer, InformerFactory } from '@orrery/client';
import type { PodTopologySpreadArgs } from '../../configuration/types.ts';
import { type Constraint, type WhenUnsatisfiable, hostnameKey, parseConstraints } from './constraints.ts';

/** Upstream's defaultingType System. */
const systemDefaults: readonly TopologySpreadConstraint[] = [
  { topologyKey: hostnameKey, whenUnsatisfiable: 'ScheduleAnyway', maxSkew: 3 },
  { topologyKey: 'topology.kubernetes.io/zone', whenUnsatisfiable: 'ScheduleAnyway', maxSkew: 5 },
];

/** The constraints of pods that have none of their own. */
export interface DefaultConstraints {
  /** For a pod that a service or workload selects; none for others. Pods of one workload share them. */
  of(pod: Pod, when: WhenUnsatisfiable): readonly Constraint[];
  /** They are upstream's own: nodes that lack a key are scored all the same. */
  readonly bySystem: boolean;
}

interface Workload {
  readonly spec?: { readonly selector?: LabelSelector };
}

const selectors = new WeakMap<LabelSelector, Selector>();

/** Pods of one workload share it. */
function ofWorkload(selector: LabelSelector): Selector {
  let found = selectors.get(selector);
  if (!found) selectors.set(selector, (found = selectorFromObject(selector)));
  return found;
}

const none: readonly Constraint[] = [];

/** The constraints of one kind, by the selector that they count by. */
function createKind(constraints: readonly TopologySpreadConstraint[], when: WhenUnsatisfiable): { isEmpty: boolean; of(selector: Selector): readonly Constraint[] } {
  const known = new WeakMap<Selector, readonly Constraint[]>();
  return {
    isEmpty: !constraints.some(({ whenUnsatisfiable }) => whenUnsatisfiable === when),
    of(selector) {
      let found = known.get(selector);
      if (!found) known.set(selector, (found = parseConstraints(constraints, when, () => selector)));
      return found;
    },
  };
}

/** Undefined when the profile gives no constraints to pods without. */
export function defaultConstraints(informers: InformerFactory, args: Partial<PodTopologySpreadArgs>): DefaultConstraints | undefined {
  const bySystem = args.defaultingType === 'System';
  const constraints = bySystem ? systemDefaults : (args.defaultConstraints ?? []);
  if (constraints.length === 0) return undefined;
  const services = informers.informer(Services);
  const controllers = informers.informer(ReplicationControllers);
  const workloads: Readonly<Record<string, Informer<KubeObject>>> = {
    ReplicaSet: informers.informer(ReplicaSets) as unknown as Informer<KubeObject>,
    StatefulSet: informers.informer(StatefulSets) as unknown as Informer<KubeObject>,
  };
  const selectorFor = ({ metadata }: Pod): Selector => {
    const { namespace = '', labels = {}, ownerReferences = [] } = metadata ?? {};
    const equal: Record<string, string> = {};
    for (const { spec } of services.byIndex('namespace', namespace)) {
      const entries = Object.entries(spec?.selector ?? {});
      if (entries.length && entries.every(([name, value]) => labels[name] === value)) Object.assign(equal, spec?.selector);
    }
    const owner = ownerReferences.find(({ controller }) => controller);
    const key = `${namespace}/${owner?.name ?? ''}`;
    if (owner?.kind === 'ReplicationController') Object.assign(equal, controllers.get(key)?.spec?.selector);
    const own = Object.entries(equal).map(([name, value]) => makeRequirement(name, '=', [value]));
    const workload = owner && (workloads[owner.kind]?.get(key) as Workload | undefined);
    const selector = workload?.spec?.selector;
    if (own.length === 0 && selector) return ofWorkload(selector);
    return selectorOf([...own, ...(selector ? ofWorkload(selector).requirements : [])]);
  };
  const kinds = { DoNotSchedule: createKind(constraints, 'DoNotSchedule'), ScheduleAnyway: createKind(constraints, 'ScheduleAnyway') };
  return {
    bySystem,
    of(pod, when) {
      const kind = kinds[when];
      if (kind.isEmpty) return none;
      const selector = selectorFor(pod);
      return selector.requirements.length ? kind.of(selector) : none;
    },
  };
}
