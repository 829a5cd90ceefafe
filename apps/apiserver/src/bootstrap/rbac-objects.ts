import { ClusterRoleBindings, ClusterRoles, RoleBindings, Roles } from '@orrery/api';
import type { ClusterRole, LabelSelector, PolicyRule, RoleBinding, Subject } from '@orrery/api/types';
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

type RoleLike = Pick<ClusterRole, 'metadata' | 'rules' | 'aggregationRule'>;

const isLeftAlone = ({ metadata }: { metadata?: ObjectMeta }): boolean => metadata?.annotations?.[autoupdate] === 'false';

/** Labels and annotations that are missing are added; those that differ are somebody's choice. Undefined when nothing is missing. */
function mendMetadata(existing: ObjectMeta = {}, want: ObjectMeta = {}): ObjectMeta | undefined {
  const isFull = (have: Record<string, string> = {}, wanted: Record<string, string> = {}): boolean => Object.keys(wanted).every((key) => have[key] !== undefined);
  if (isFull(existing.labels, want.labels) && isFull(existing.annotations, want.annotations)) return undefined;
  return { ...existing, labels: { ...want.labels, ...existing.labels }, annotations: { ...want.annotations, ...existing.annotations } };
}

/** The selectors of an aggregated role that are missing. */
function missingSelectors(existing: RoleLike, want: RoleLike): LabelSelector[] {
  const present = new Set((existing.aggregationRule?.clusterRoleSelectors ?? []).map((selector) => JSON.stringify(selector.matchLabels)));
  return (want.aggregationRule?.clusterRoleSelectors ?? []).filter((selector) => !present.has(JSON.stringify(selector.matchLabels)));
}

/** Adds the rules, selectors and labels that are missing; never takes any away. Objects marked `autoupdate: "false"` are left alone. */
function mendRole<T extends RoleLike>(want: RoleLike): (existing: T) => T | undefined {
  return (existing) => {
    if (isLeftAlone(existing)) return undefined;
    const missing = uncoveredRules(existing.rules ?? [], want.rules ?? []);
    const selectors = missingSelectors(existing, want);
    const metadata = mendMetadata(existing.metadata, want.metadata);
    if (!missing.length && !selectors.length && !metadata) return undefined;
    return {
      ...existing,
      ...(metadata ? { metadata } : {}),
      ...(missing.length ? { rules: [...(existing.rules ?? []), ...missing] } : {}),
      ...(selectors.length ? { aggregationRule: { clusterRoleSelectors: [...(existing.aggregationRule?.clusterRoleSelectors ?? []), ...selectors] } } : {}),
    };
  };
}

type BindingLike = Pick<RoleBinding, 'metadata' | 'subjects' | 'roleRef'>;

const subjectId = (subject: Subject): string => `${subject.kind}/${subject.namespace ?? ''}/${subject.name}`;

/** Adds the subjects that are missing. */
function mendBinding<T extends BindingLike>(want: BindingLike): (existing: T) => T | undefined {
  return (existing) => {
    if (isLeftAlone(existing)) return undefined;
    const present = new Set((existing.subjects ?? []).map(subjectId));
    const missing = (want.subjects ?? []).filter((subject) => !present.has(subjectId(subject)));
    const metadata = mendMetadata(existing.metadata, want.metadata);
    if (!missing.length && !metadata) return undefined;
    return { ...existing, ...(metadata ? { metadata } : {}), subjects: [...(existing.subjects ?? []), ...missing] };
  };
}

/** A binding to another role cannot be changed, only made anew. */
function bindsOther<T extends BindingLike>(want: BindingLike): (existing: T) => boolean {
  return (existing) => !isLeftAlone(existing) && (existing.roleRef?.name !== want.roleRef?.name || existing.roleRef?.kind !== want.roleRef?.kind);
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
  return wanted(ClusterRoles, object, row.aggregates ? mendRole({ ...object, rules: [] }) : mendRole(object));
}

/**
 * The default roles and bindings of a server that serves these resources (`RESOURCE.GROUP`). Those of a resource that was served once stay, as all that
 * upstream's reconciliation has made: it takes nothing away.
 */
export function rbacObjects(served: ReadonlySet<string>): Wanted[] {
  const rows = [...clusterRoles, ...controllerRoles, ...componentRoles].filter(({ withResource }) => withResource === undefined || served.has(withResource));
  const roles = new Set(rows.map(({ name }) => name));
  return [
    ...rows.map((row) => clusterRole(row, rows)),
    ...clusterRoleBindings.filter(({ role }) => roles.has(role)).map((row) => {
      const object = { metadata: metadata(row.name), roleRef: { apiGroup: rbacGroup, kind: 'ClusterRole', name: row.role }, ...(row.subjects.length ? { subjects: [...row.subjects] } : {}) };
      return wanted(ClusterRoleBindings, object, mendBinding(object), bindsOther(object));
    }),
    ...namespaceRoles.map((row) => {
      const object = { metadata: metadata(row.name, row), rules: [...row.rules] };
      return wanted(Roles, object, mendRole(object));
    }),
    ...namespaceRoleBindings.map((row) => {
      const object = { metadata: metadata(row.name, row), roleRef: { apiGroup: rbacGroup, kind: 'Role', name: row.role }, subjects: [...row.subjects] };
      return wanted(RoleBindings, object, mendBinding(object), bindsOther(object));
    }),
  ];
}
