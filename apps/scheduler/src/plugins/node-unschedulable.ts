import type { Node } from '@orrery/api/types';
import { unresolvable } from '../framework/status.ts';
import { definePlugin } from '../framework/types.ts';
import { isTolerated } from './tolerations.ts';

const refused = unresolvable('node(s) were unschedulable');
const taint = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' };

/** Cordoned nodes take only pods that tolerate it. */
export const nodeUnschedulable = definePlugin({
  name: 'NodeUnschedulable',
  create: () => ({
    name: 'NodeUnschedulable',
    local: true,
    events: [
      {
        resource: 'Node',
        actions: ['Add', 'Update'],
        hint: (_pod, event) => ((event.object as Node).spec?.unschedulable ? 'Skip' : 'Queue'),
      },
    ],
    filter: (_state, { pod }, node) => (node.node?.spec?.unschedulable && !isTolerated(pod.spec?.tolerations, taint) ? refused : undefined),
  }),
});
