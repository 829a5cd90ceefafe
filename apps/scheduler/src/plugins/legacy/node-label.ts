import type { NodeInfo } from '../../cache/node-info.ts';
import { unresolvable } from '../../framework/status.ts';
import { definePlugin, maxNodeScore } from '../../framework/types.ts';

/** Label names; a node needs, or must not have, each of them. Preferences score. */
export interface NodeLabelArgs {
  readonly presentLabels?: readonly string[];
  readonly absentLabels?: readonly string[];
  readonly presentLabelsPreference?: readonly string[];
  readonly absentLabelsPreference?: readonly string[];
}

const refused = unresolvable("node(s) didn't have the requested labels");

/** The policies CheckNodeLabelPresence and NodeLabelPriority, whatever the values of the labels are. */
export const nodeLabel = definePlugin<NodeLabelArgs>({
  name: 'NodeLabel',
  create(_handle, { presentLabels = [], absentLabels = [], presentLabelsPreference = [], absentLabelsPreference = [] }) {
    const has = ({ labels }: NodeInfo, label: string): boolean => labels[label] !== undefined;
    const preferences = presentLabelsPreference.length + absentLabelsPreference.length;
    return {
      name: 'NodeLabel',
      local: true,
      events: [{ resource: 'Node', actions: ['Add', 'Update'] }],
      filter: (_state, _pod, node) => (presentLabels.every((label) => has(node, label)) && !absentLabels.some((label) => has(node, label)) ? undefined : refused),
      score(_state, _pod, node) {
        if (preferences === 0) return 0;
        const met = presentLabelsPreference.filter((label) => has(node, label)).length + absentLabelsPreference.filter((label) => !has(node, label)).length;
        return Math.floor((met * maxNodeScore) / preferences);
      },
    };
  },
});
