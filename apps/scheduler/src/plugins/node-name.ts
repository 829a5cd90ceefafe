import { unresolvable } from '../framework/status.ts';
import { definePlugin } from '../framework/types.ts';

const refused = unresolvable("node(s) didn't match the requested node name");

/** A pod that names its node fits only there. */
export const nodeName = definePlugin({
  name: 'NodeName',
  create: () => ({
    name: 'NodeName',
    local: true,
    events: [{ resource: 'Node', actions: ['Add'] }],
    filter: (_state, { pod }, node) => (pod.spec?.nodeName && pod.spec.nodeName !== node.name ? refused : undefined),
  }),
});
