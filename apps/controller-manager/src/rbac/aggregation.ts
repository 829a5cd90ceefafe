import { ClusterRoles } from '@orrery/api';
import type { ClusterRole, PolicyRule } from '@orrery/api/types';
import { deepEqual, keyOf, labelSelectorMatcher } from '@orrery/client';
import { defineController, watch } from '@orrery/controller';

/** The rules an aggregated role should have: those of every role it selects, by name, each once. Undefined: it aggregates nothing. */
export function plan(role: ClusterRole, roles: Iterable<ClusterRole>): PolicyRule[] | undefined {
  const selectors = role.aggregationRule?.clusterRoleSelectors;
  if (!selectors) return undefined;
  const rules: PolicyRule[] = [];
  const sorted = [...roles].sort((a, b) => ((a.metadata?.name ?? '') < (b.metadata?.name ?? '') ? -1 : 1));
  const chosen = new Set<ClusterRole>();
  for (const selector of selectors) {
    const matches = labelSelectorMatcher(selector);
    for (const other of sorted) {
      if (other.metadata?.name === role.metadata?.name || chosen.has(other) || !matches(other.metadata?.labels)) continue;
      chosen.add(other);
      for (const rule of other.rules ?? []) if (!rules.some((known) => deepEqual(known, rule))) rules.push(rule);
    }
  }
  return rules;
}

/** Fills roles with an aggregation rule, such as admin, edit and view. */
export const clusterRoleAggregationController = defineController<ClusterRole>({
  name: 'clusterrole-aggregation-controller',
  queue: 'ClusterRoleAggregator',
  for: ClusterRoles,
  watches: [
    watch(ClusterRoles, function* (_change, { store }) {
      for (const role of store(ClusterRoles).list()) if (role.aggregationRule) yield keyOf(role);
    }),
  ],
  coalesceMs: () => 20,
  async reconcile(key, { api, store }) {
    const role = store(ClusterRoles).get(key);
    const rules = role && plan(role, store(ClusterRoles).list());
    if (role && rules && !deepEqual(role.rules ?? [], rules)) await api.update(ClusterRoles, { ...role, rules });
  },
});
