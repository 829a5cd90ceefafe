import { ClusterRoles, Roles } from '@orrery/api';
import type { ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding } from '@orrery/api/types';
import { type KubeObject, deepEqual } from '@orrery/apimachinery';
import { type StatusError, forbidden, notFound } from '@orrery/errors';
import type { AdmissionAttributes, AdmissionPlugin, PluginContext } from '../pipeline/index.ts';
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

const refused = (attributes: AdmissionAttributes, why: string): StatusError => forbidden({ group, resource: attributes.kind.resource, name: attributes.name }, why);

/** Why the user must not give these rules away; undefined when they hold them all. In upstream's words. */
function escalation({ index }: Checks, { user, namespace }: AdmissionAttributes, wanted: readonly PolicyRule[]): string | undefined {
  const { all, missing: unresolved } = index.grantsOf(user, namespace);
  const missing = uncoveredRules(all.map(({ rule }) => rule), wanted);
  if (!missing.length) return undefined;
  const rules = [...new Set(missing.map(compactRule))].sort().join('\n');
  const errors = unresolved.length > 1 ? `[${unresolved.join(', ')}]` : unresolved[0];
  const note = errors === undefined ? '' : `; resolution errors: [${errors}]`;
  return `user ${JSON.stringify(user.username)} (groups=${quoteList(user.groups)}) is attempting to grant RBAC permissions not currently held:\n${rules}${note}`;
}

/** The garbage collector may tend to an object whose rights it does not hold. */
function onlyMaintained(object: KubeObject, old: KubeObject | undefined): boolean {
  if (!old) return false;
  const bare = ({ metadata = {}, ...rest }: KubeObject): object => {
    const { ownerReferences: _o, finalizers: _f, managedFields: _m, resourceVersion: _r, generation: _g, ...kept } = metadata as Record<string, unknown>;
    return { ...rest, metadata: kept };
  };
  return deepEqual(bare(object), bare(old));
}

const everything: PolicyRule[] = [
  { apiGroups: ['*'], resources: ['*'], verbs: ['*'] },
  { nonResourceURLs: ['*'], verbs: ['*'] },
];

/** A role may hold only what its writer holds, unless the writer may `escalate`. */
async function checkRole(checks: Checks, attributes: AdmissionAttributes): Promise<void> {
  const role = attributes.object as Role & ClusterRole;
  const old = attributes.oldObject as ClusterRole | undefined;
  const { resource } = attributes.kind;
  // A request that creates has no name of its own yet.
  if (await may(checks, attributes, { verb: 'escalate', resource, name: attributes.operation === 'CREATE' ? '' : attributes.name })) return;
  if (onlyMaintained(role, old)) return;
  const why = escalation(checks, attributes, role.rules ?? []);
  if (why) throw refused(attributes, why);
  // Whoever writes an aggregation rule decides about rules nobody has seen yet.
  if ((role.aggregationRule || old?.aggregationRule) && escalation(checks, attributes, everything)) throw refused(attributes, 'must have cluster-admin privileges to use the aggregationRule');
}

/** A binding may grant only what its writer holds, unless the writer may `bind` the role. */
async function checkBinding(checks: Checks, attributes: AdmissionAttributes): Promise<void> {
  const binding = attributes.object as RoleBinding | ClusterRoleBinding;
  if (onlyMaintained(binding, attributes.oldObject as RoleBinding | undefined)) return;
  const { kind = '', name = '' } = binding.roleRef ?? {};
  const cluster = kind === 'ClusterRole';
  const resource = cluster ? 'clusterroles' : 'roles';
  if (await may(checks, attributes, { verb: 'bind', resource, name })) return;
  const role = cluster ? checks.context.read.get(ClusterRoles, { name }) : checks.context.read.get(Roles, { namespace: attributes.namespace, name });
  if (!role) throw notFound({ group, resource, name });
  const why = escalation(checks, attributes, role.rules ?? []);
  if (why) throw refused(attributes, why);
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
