import { PersistentVolumeClaims, Pods } from '@orrery/api';
import type { PersistentVolumeClaim, Pod } from '@orrery/api/types';
import { ephemeralClaimName, notOwnClaim } from '@orrery/api/volumes';
import { defineController, newControllerRef, watch } from '@orrery/controller';
import { isAlreadyExists } from '@orrery/errors';
import { isTerminal } from '../pods/pod-state.ts';
import { ephemeralMetrics } from './metrics.ts';

export interface EphemeralPlan {
  readonly create: readonly PersistentVolumeClaim[];
  /** Claims by the names of the pod's that are not its own, as errors. */
  readonly conflicts: readonly string[];
}

/** The claims that a pod's ephemeral volumes still need: one a volume, owned by the pod, gone with it. */
export function planEphemeral(pod: Pod, claimOf: (name: string) => PersistentVolumeClaim | undefined): EphemeralPlan {
  const create: PersistentVolumeClaim[] = [];
  const conflicts: string[] = [];
  for (const { name: volume = '', ephemeral } of pod.spec?.volumes ?? []) {
    if (!ephemeral?.volumeClaimTemplate) continue;
    const name = ephemeralClaimName(pod, volume);
    const found = claimOf(name);
    const conflict = found && notOwnClaim(pod, found);
    if (conflict) conflicts.push(conflict);
    if (found) continue;
    const { metadata, spec } = ephemeral.volumeClaimTemplate;
    const { annotations, labels } = metadata ?? {};
    const own = { name, namespace: pod.metadata?.namespace ?? '', ownerReferences: [newControllerRef(Pods, pod)], ...(annotations ? { annotations } : {}), ...(labels ? { labels } : {}) };
    create.push({ apiVersion: 'v1', kind: PersistentVolumeClaims.kind, metadata: own, spec });
  }
  return { create, conflicts };
}

const hasEphemeral = (pod: Pod): boolean => (pod.spec?.volumes ?? []).some(({ ephemeral }) => ephemeral);

/** Makes the claims of generic ephemeral volumes. */
export const ephemeralVolumeController = defineController({
  name: 'ephemeral-volume-controller',
  queue: 'ephemeral_volume',
  eventSource: 'ephemeral_volume',
  watches: [
    watch(Pods, ({ object, gone }) => (gone || !hasEphemeral(object) ? [] : [`${object.metadata?.namespace ?? ''}/${object.metadata?.name ?? ''}`])),
    // A claim that stood in the way may be gone.
    watch(PersistentVolumeClaims, function* ({ object, gone }, context) {
      if (!gone) return;
      const { namespace = '', name = '' } = object.metadata ?? {};
      for (const pod of context.store(Pods).byIndex('namespace', namespace)) {
        if ((pod.spec?.volumes ?? []).some((volume) => volume.ephemeral && ephemeralClaimName(pod, volume.name ?? '') === name)) yield `${namespace}/${pod.metadata?.name ?? ''}`;
      }
    }),
  ],
  async reconcile(key, { api, env, events, store }) {
    const pod = store(Pods).get(key);
    if (!pod || pod.metadata?.deletionTimestamp || isTerminal(pod)) return;
    const { namespace = '' } = pod.metadata ?? {};
    const plan = planEphemeral(pod, (name) => store(PersistentVolumeClaims).get(`${namespace}/${name}`));
    const warn = (message: string): void => events.event(Pods, pod, { type: 'Warning', reason: 'FailedBinding', message: `ephemeral volume: ${message}` });
    for (const conflict of plan.conflicts) warn(conflict);
    const told = ephemeralMetrics(env.metrics);
    for (const claim of plan.create) {
      told.made.inc();
      try {
        await api.create(PersistentVolumeClaims, claim);
      } catch (error) {
        told.failed.inc();
        if (isAlreadyExists(error)) throw error;
        warn(`create PVC ${namespace}/${claim.metadata?.name ?? ''}: ${(error as Error).message}`);
        throw error;
      }
    }
    if (plan.conflicts.length) throw new Error(plan.conflicts.join('; '));
  },
});
