import type { Pod, Toleration } from '@orrery/api/types';
import type { AdmissionPlugin } from '../pipeline/index.ts';
import { createsOrUpdates, wants } from './match.ts';

const keys = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable'];
const defaultSeconds = 300;

const tolerates = (toleration: Toleration, key: string): boolean => (!toleration.key || toleration.key === key) && (!toleration.effect || toleration.effect === 'NoExecute');

/** Pods stay five minutes on a node that is gone or not ready, unless they say otherwise. */
export const defaultTolerationSeconds: AdmissionPlugin = {
  name: 'DefaultTolerationSeconds',
  handles: wants(createsOrUpdates('pods')),
  admit({ object }) {
    const { spec } = object as Pod;
    if (!spec) return;
    const tolerations = spec.tolerations ?? [];
    const missing = keys.filter((key) => !tolerations.some((toleration) => tolerates(toleration, key)));
    if (!missing.length) return;
    spec.tolerations = [...tolerations, ...missing.map((key) => ({ key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: defaultSeconds }))];
  },
};
