import { Nodes } from '@orrery/api';
import type { Node } from '@orrery/api/types';
import { type ControllerContext, defineController, watch } from '@orrery/controller';
import { isNotFound } from '@orrery/errors';

export const ttlAnnotation = 'node.alpha.kubernetes.io/ttl';

/** Sizes of a cluster, and how long a kubelet may keep what it read in one; a size is left downwards only well below its start. */
const steps: readonly { readonly from: number; readonly to: number; readonly seconds: number }[] = [
  { from: 0, to: 100, seconds: 0 },
  { from: 90, to: 500, seconds: 15 },
  { from: 450, to: 1000, seconds: 30 },
  { from: 900, to: 2000, seconds: 60 },
  { from: 1800, to: 10_000, seconds: 300 },
  { from: 9000, to: Number.POSITIVE_INFINITY, seconds: 600 },
];

/** The step of a cluster of `nodes`, that was at step `at` before. */
export function nextStep(at: number, nodes: number): number {
  let step = at;
  while (nodes > (steps[step]?.to ?? 0)) step++;
  while (nodes < (steps[step]?.from ?? 0)) step--;
  return step;
}

export const ttlSeconds = (step: number): number => steps[step]?.seconds ?? 0;

interface State {
  step: number;
}

function* nodesToTell({ object, old, gone }: { object: Node; old: Node | undefined; gone: boolean }, { state, store }: ControllerContext<State>): Iterable<string> {
  const step = nextStep(state.step, store(Nodes).size);
  if (step !== state.step) {
    state.step = step;
    yield* store(Nodes).keys();
  } else if (!gone && (!old || object.metadata?.annotations?.[ttlAnnotation] !== old.metadata?.annotations?.[ttlAnnotation])) yield object.metadata?.name ?? '';
}

/** Tells kubelets in an annotation of their node how long they may keep Secrets and ConfigMaps: the longer, the more nodes there are. */
export const ttlController = defineController<Node, State>({
  name: 'ttl-controller',
  queue: 'ttlcontroller',
  watches: [watch<Node, State>(Nodes, nodesToTell)],
  setup: () => ({ step: 0 }),
  async reconcile(key, { api, state, store }) {
    const node = store(Nodes).get(key);
    const wanted = String(ttlSeconds(state.step));
    if (!node || node.metadata?.annotations?.[ttlAnnotation] === wanted) return;
    const patch = { metadata: { uid: node.metadata?.uid, annotations: { [ttlAnnotation]: wanted } } };
    await api.patch(Nodes, { name: key }, patch, { type: 'application/strategic-merge-patch+json' }).catch((error: unknown) => {
      if (!isNotFound(error)) throw error;
    });
  },
});
