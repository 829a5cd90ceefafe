import { isGateOn } from '@orrery/runtime';

/** Gates that this server minds. */
export type MindedGate = 'APIServerIdentity' | 'MaxUnavailableStatefulSet' | 'PodTopologyLabelsAdmission' | 'StorageVersionHash' | 'WatchList';

/** Cheap where nothing was said of gates. */
export function isFeatureOn(gates: readonly string[], name: MindedGate): boolean {
  return isGateOn(gates, name);
}
