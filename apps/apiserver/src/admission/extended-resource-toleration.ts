import type { Pod } from '@orrery/api/types';
import type { AdmissionPlugin } from '../pipeline/index.ts';
import { createsOrUpdates, wants } from './match.ts';

/** Of a domain that is not Kubernetes' own. */
const isExtended = (name: string): boolean => name.includes('/') && !/(^|\.)kubernetes\.io\//.test(name) && !name.startsWith('requests.');

/** Whoever asks for an extended resource tolerates the taint that keeps others off its nodes. */
export const extendedResourceToleration: AdmissionPlugin = {
  name: 'ExtendedResourceToleration',
  handles: wants(createsOrUpdates('pods')),
  admit({ object }) {
    const { spec } = object as Pod;
    if (!spec) return;
    const names = [...(spec.containers ?? []), ...(spec.initContainers ?? [])].flatMap(({ resources }) => Object.keys(resources?.requests ?? {})).filter(isExtended);
    for (const key of [...new Set(names)].sort()) {
      const known = (spec.tolerations ?? []).some((one) => one.key === key && one.operator === 'Exists' && !one.effect);
      if (!known) spec.tolerations = [...(spec.tolerations ?? []), { key, operator: 'Exists' }];
    }
  },
};
