import type { Pod } from '../../../../gen/types.ts';
import { compareQuantities } from '../../../validation/quantity.ts';

type Amounts = Record<string, string>;
const counted = ['cpu', 'memory'] as const;

const positive = (amounts: Amounts | undefined, name: string): boolean => compareQuantities(amounts?.[name] ?? '0', '0') > 0;

/** Guaranteed when every container limits cpu and memory and requests just that, BestEffort when none asks for either, else Burstable. */
export function qosClass(pod: Pod): 'Guaranteed' | 'Burstable' | 'BestEffort' {
  const spec = pod.spec;
  const atPodLevel = spec?.resources && counted.some((name) => positive(spec.resources?.requests, name) || positive(spec.resources?.limits, name));
  const holders = atPodLevel ? [spec] : [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])];
  let anything = false;
  let guaranteed = true;
  for (const { resources } of holders) {
    for (const name of counted) {
      const limit = positive(resources?.limits, name);
      if (limit || positive(resources?.requests, name)) anything = true;
      const request = resources?.requests?.[name];
      if (!limit || (request !== undefined && compareQuantities(request, resources?.limits?.[name]) !== 0)) guaranteed = false;
    }
  }
  if (!anything) return 'BestEffort';
  return guaranteed ? 'Guaranteed' : 'Burstable';
}
