import { givenGate } from '@orrery/runtime';

/** Gates that this server minds, all of them beta and on unless turned off. */
export type MindedGate = 'APIServerIdentity' | 'PodTopologyLabelsAdmission' | 'StorageVersionHash' | 'WatchList';

/** Cheap where nothing was said of gates. */
export function isFeatureOn(gates: readonly string[], name: MindedGate): boolean {
  return gates.length === 0 || (givenGate(gates, name) ?? givenGate(gates, 'AllBeta') ?? true);
}
