import type { Pod } from '@orrery/api/types';
import { forbidden } from '@orrery/errors';
import type { AdmissionPlugin } from '../pipeline/index.ts';
import { createsOrUpdates, subjectOf, wants } from './match.ts';

const hostname = 'kubernetes.io/hostname';

/** Pods may keep others off their node, not off more than that. */
export const limitPodHardAntiAffinityTopology: AdmissionPlugin = {
  name: 'LimitPodHardAntiAffinityTopology',
  handles: wants(createsOrUpdates('pods')),
  validate(attributes) {
    const terms = (attributes.object as Pod).spec?.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [];
    const wide = terms.find(({ topologyKey }) => topologyKey !== hostname);
    if (wide) throw forbidden(subjectOf(attributes), `affinity.PodAntiAffinity.RequiredDuringScheduling has TopologyKey ${wide.topologyKey} but only key ${hostname} is allowed`);
  },
};
