import { definePlugin, maxNodeScore } from '../../framework/types.ts';

const annotation = 'scheduler.alpha.kubernetes.io/preferAvoidPods';

interface Avoided {
  readonly preferAvoidPods?: readonly { readonly podSignature?: { readonly podController?: { readonly kind?: string; readonly uid?: string } } }[];
}

function avoidedBy(text: string | undefined): Avoided {
  if (!text) return {};
  try {
    return (JSON.parse(text) ?? {}) as Avoided;
  } catch {
    // As in the old scheduler: what cannot be read asks for nothing.
    return {};
  }
}

/** Nodes may ask, by an annotation, not to get the pods of a ReplicationController or ReplicaSet. Made to weigh more than all else (10000). */
export const nodePreferAvoidPods = definePlugin({
  name: 'NodePreferAvoidPods',
  create: () => ({
    name: 'NodePreferAvoidPods',
    score(_state, { pod }, node) {
      const owner = pod.metadata?.ownerReferences?.find(({ controller }) => controller);
      if (owner?.kind !== 'ReplicationController' && owner?.kind !== 'ReplicaSet') return maxNodeScore;
      const { preferAvoidPods = [] } = avoidedBy(node.node?.metadata?.annotations?.[annotation]);
      return preferAvoidPods.some(({ podSignature }) => podSignature?.podController?.kind === owner.kind && podSignature.podController.uid === owner.uid) ? 0 : maxNodeScore;
    },
  }),
});
