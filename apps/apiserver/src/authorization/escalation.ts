import { ClusterRoles, Roles } from '@orrery/api';
import type { ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding } from '@orrery/api/types';
import { type StatusError, forbidden, notFound } from '@orrery/errors';
import type { AdmissionAttributes, AdmissionPlugin, PluginContext, UserInfo } from '../pipeline/index.ts';
import { compactRule, quoteList, uncoveredRules } from './policy-rule.ts';
import type { RbacIndex } from './rbac-index.ts';
import { systemMasters } from './system-masters.ts';

const group = 'rbac.authorization.k8s.io';
const guarded = new Set(['roles', 'clusterroles', 'rolebindings', 'clusterrolebindings']);

interface Checks {
  readonly index: RbacIndex;
  readonly context: Pick<PluginContext, 'authorize' | 'read'>;
}

async function may(checks: Checks, attributes: AdmissionAttributes, question: { verb: string; resource: string; name: string }): Promise<boolean> {
  const { namespace } = attributes;
  const decision = await checks.context.authorize({ user: attributes.user, info: { isResource: true, path: '', group, version: 'v1', subresource: '', namespace, ...question } });
  return decision.decision === 'allow';
}

function escalation(attributes: AdmissionAttributes, missing: readonly PolicyRule[]): StatusError {
  const { user } = attributes;
  const rules = missing.map(compactRule).sort().join('\n');
  const why = `user ${JSON.stringify(user.username)} (groups=${quoteList(user.groups)}) is attempting to grant RBAC permissions not currently held:\n${rules}`;
  return forbidden({ group, resource: attributes.kind.resource, name: attributes.name }, why);
}

function heldRules(index: RbacIndex, user: UserInfo, namespace: string): PolicyRule[] {
  return index.grantsOf(user, namespace).all.map(({ rule }) => rule);
}

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a ?? null) === JSON.stringify(b ?? null);

/** A role may hold only what its writer holds, unless the writer may `escalate`. */
async function checkRole(checks: Checks, attributes: AdmissionAttributes): Promise<void> {
  const role = attributes.object as Role | ClusterRole;
  const old = attributes.oldObject as Role | ClusterRole | undefined;
  if (old && same(old.rules, role.rules) && same((old as ClusterRole).aggregationRule, (role as ClusterRole).aggregationRule)) return;
  const { resource } = attributes.kind;
  if (await may(checks, attributes, { verb: 'escalate', resource, name: attributes.name })) return;
  // Whoever writes an aggregation rule decides about rules nobody has seen yet.
  const wanted = (role as ClusterRole).aggregationRule && !same((old as ClusterRole | undefined)?.aggregationRule, (role as ClusterRole).aggregationRule) ? everything : (role.rules ?? []);
  const missing = uncoveredRules(heldRules(checks.index, attributes.user, attributes.namespace), wanted);
  if (missing.length) throw escalation(attributes, missing);
}

const everything: PolicyRule[] = [
  { apiGroups: ['*'], resources: ['*'], verbs: ['*'] },
  { nonResourceURLs: ['*'], verbs: ['*'] },
];

/** A binding may grant only what its writer holds, unless the writer may `bind` the role. */
async function checkBinding(checks: Checks, attributes: AdmissionAttributes): Promise<void> {
  const binding = attributes.object as RoleBinding | ClusterRoleBinding;
  const old = attributes.oldObject as RoleBinding | ClusterRoleBinding | undefined;
  if (old && same(old.roleRef, binding.roleRef) && same(old.subjects, binding.subjects)) return;
  const { kind = '', name = '' } = binding.roleRef ?? {};
  const cluster = kind === 'ClusterRole';
  const resource = cluster ? 'clusterroles' : 'roles';
  if (await may(checks, attributes, { verb: 'bind', resource, name })) return;
  const role = cluster ? checks.context.read.get(ClusterRoles, { name }) : checks.context.read.get(Roles, { namespace: attributes.namespace, name });
  if (!role) throw notFound({ group, resource, name });
  const missing = uncoveredRules(heldRules(checks.index, attributes.user, attributes.namespace), role.rules ?? []);
  if (missing.length) throw escalation(attributes, missing);
}

/** Nobody grants more than they hold. Part of the storage of roles upstream; a validating plug-in here. */
export function escalationCheck(checks: Checks): AdmissionPlugin {
  return {
    name: 'RBACEscalationCheck',
    handles: ({ kind, operation, subresource }) => kind.group === group && guarded.has(kind.resource) && !subresource && (operation === 'CREATE' || operation === 'UPDATE'),
    validate(attributes) {
      if (attributes.user.groups.includes(systemMasters)) return undefined;
      return attributes.kind.resource.endsWith('bindings') ? checkBinding(checks, attributes) : checkRole(checks, attributes);
    },
  };
}
