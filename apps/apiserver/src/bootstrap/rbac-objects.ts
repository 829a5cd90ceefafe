import { ClusterRoleBindings, ClusterRoles, RoleBindings, Roles } from '@orrery/api';
import type { PolicyRule, Subject } from '@orrery/api/types';
import type { ObjectMeta } from '@orrery/apimachinery';
import { uncoveredRules } from '../authorization/policy-rule.ts';
import { clusterRoleBindings, componentRoles } from './cluster-role-bindings.ts';
import { clusterRoles } from './cluster-roles.ts';
import { controllerRoles } from './controller-roles.ts';
import { type Wanted, wanted } from './ensure.ts';
import { namespaceRoleBindings, namespaceRoles } from './namespace-roles.ts';
import type { RoleRow } from './rules.ts';

const autoupdate = 'rbac.authorization.kubernetes.io/autoupdate';
const rbacGroup = 'rbac.authorization.k8s.io';

function metadata(name: string, options: { namespace?: string; labels?: Readonly<Record<string, string>> } = {}): ObjectMeta {
  return {
    name,
    ...(options.namespace ? { namespace: options.namespace } : {}),
    labels: { 'kubernetes.io/bootstrapping': 'rbac-defaults', ...options.labels },
    annotations: { [autoupdate]: 'true' },
  };
}

type RoleLike = { metadata?: ObjectMeta; rules?: PolicyRule[] };

/** Adds the rules and labels that are missing; never takes any away. Objects marked `autoupdate: "false"` are left alone. */
function mendRole<T extends RoleLike>(want: RoleLike): (existing: T) => T | undefined {
  return (existing) => {
    if (existing.metadata?.annotations?.[autoupdate] !== 'true') return undefined;
    const missing = uncoveredRules(existing.rules ?? [], want.rules ?? []);
    const labels = Object.entries(want.metadata?.labels ?? {}).filter(([key, value]) => existing.metadata?.labels?.[key] !== value);
    if (!missing.length && !labels.length) return undefined;
    return { ...existing, metadata: { ...existing.metadata, labels: { ...existing.metadata.labels, ...Object.fromEntries(labels) } }, rules: [...(existing.rules ?? []), ...missing] };
  };
}

type BindingLike = { metadata?: ObjectMeta; subjects?: Subject[] };

const subjectId = (subject: Subject): string => `${subject.kind}/${subject.namespace ?? ''}/${subject.name}`;

function mendBinding<T extends BindingLike>(subjects: readonly Subject[]): (existing: T) => T | undefined {
  return (existing) => {
    if (existing.metadata?.annotations?.[autoupdate] !== 'true') return undefined;
    const present = new Set((existing.subjects ?? []).map(subjectId));
    const missing = subjects.filter((subject) => !present.has(subjectId(subject)));
    return missing.length ? { ...existing, subjects: [...(existing.subjects ?? []), ...missing] } : undefined;
  };
}

/** What the aggregation controller will find; written at once, so that `admin`, `edit` and `view` work before it runs. */
function aggregatedRules(rows: readonly RoleRow[], label: string): PolicyRule[] {
  const members = rows.filter((row) => row.labels?.[label]).sort((a, b) => (a.name < b.name ? -1 : 1));
  return members.flatMap((row) => (row.aggregates ? aggregatedRules(rows, row.aggregates) : [...row.rules]));
}

function clusterRole(row: RoleRow, rows: readonly RoleRow[]): Wanted {
  const rules = row.aggregates ? aggregatedRules(rows, row.aggregates) : [...row.rules];
  const aggregation = row.aggregates ? { aggregationRule: { clusterRoleSelectors: [{ matchLabels: { [row.aggregates]: 'true' } }] } } : {};
  const object = { metadata: metadata(row.name, row.labels ? { labels: row.labels } : {}), ...aggregation, rules };
  return wanted(ClusterRoles, object, row.aggregates ? mendRole({ metadata: object.metadata }) : mendRole(object));
}

/** All default roles and bindings. */
export function rbacObjects(): Wanted[] {
  const rows = [...clusterRoles, ...controllerRoles, ...componentRoles];
  return [
    ...rows.map((row) => clusterRole(row, rows)),
    ...clusterRoleBindings.map((row) =>
      wanted(
        ClusterRoleBindings,
        { metadata: metadata(row.name), roleRef: { apiGroup: rbacGroup, kind: 'ClusterRole', name: row.role }, ...(row.subjects.length ? { subjects: [...row.subjects] } : {}) },
        mendBinding(row.subjects),
      ),
    ),
    ...namespaceRoles.map((row) => {
      const object = { metadata: metadata(row.name, row), rules: [...row.rules] };
      return wanted(Roles, object, mendRole(object));
    }),
    ...namespaceRoleBindings.map((row) =>
      wanted(
        RoleBindings,
        { metadata: metadata(row.name, row), roleRef: { apiGroup: rbacGroup, kind: 'Role', name: row.role }, subjects: [...row.subjects] },
        mendBinding(row.subjects),
      ),
    ),
  ];
}
