import { ClusterRoleBindings, ClusterRoles, RoleBindings, Roles } from '@orrery/api';
import type { ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, Subject } from '@orrery/api/types';
import type { ObjectReader, PluginContext, UserInfo } from '../pipeline/index.ts';

/** A rule that applies to somebody, and by which binding. */
export interface GrantedRule {
  readonly rule: PolicyRule;
  /** `ClusterRoleBinding "x" of ClusterRole "y" to Group "z"`. */
  readonly origin: string;
}

/** All that applies to one user in one namespace ('' for the cluster scope). */
export interface Grants {
  /** By `group/resource` (with `/subresource`) for rules that name both. */
  readonly exact: ReadonlyMap<string, readonly GrantedRule[]>;
  /** Rules with a wildcard in groups or resources. */
  readonly wild: readonly GrantedRule[];
  readonly paths: readonly GrantedRule[];
  readonly all: readonly GrantedRule[];
  /** Roles that bindings name but that do not exist. */
  readonly missing: readonly string[];
}

interface Binding {
  readonly name: string;
  /** '' for cluster role bindings. */
  readonly namespace: string;
  readonly kind: 'ClusterRoleBinding' | 'RoleBinding';
  readonly role: { readonly kind: string; readonly name: string };
  readonly subjects: readonly string[];
}

const maxCachedGrants = 10_000;

/** `u:NAME` or `g:NAME`; a service account is the user it acts as. */
function subjectKey(subject: Subject, namespace: string): string | undefined {
  if (subject.kind === 'User') return `u:${subject.name}`;
  if (subject.kind === 'Group') return `g:${subject.name}`;
  if (subject.kind === 'ServiceAccount') return `u:system:serviceaccount:${subject.namespace || namespace}:${subject.name}`;
  return undefined;
}

function describeSubject(key: string): string {
  const name = key.slice(2);
  const account = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(name);
  if (key.startsWith('g:')) return `Group ${JSON.stringify(name)}`;
  return account ? `ServiceAccount ${JSON.stringify(`${account[2]}/${account[1]}`)}` : `User ${JSON.stringify(name)}`;
}

/**
 * Roles and bindings, indexed by subject and kept up to date change by change. What applies to a user is put together
 * once and kept until any role or binding changes.
 */
export class RbacIndex {
  /** `namespace/name`, namespace empty for cluster roles. */
  private readonly roles = new Map<string, readonly PolicyRule[]>();
  private readonly bindings = new Map<string, Binding>();
  /** `namespace` + NUL + subject key → bindings. */
  private readonly bySubject = new Map<string, Set<Binding>>();
  private readonly grants = new Map<string, Grants>();

  /** Reads everything and follows changes; returns how to stop. */
  follow(read: ObjectReader): () => void {
    const stops = [
      read.onChange(ClusterRoles, (change) => this.setRole(change.object, change.old)),
      read.onChange(Roles, (change) => this.setRole(change.object, change.old)),
      read.onChange(ClusterRoleBindings, (change) => this.setBinding('ClusterRoleBinding', change)),
      read.onChange(RoleBindings, (change) => this.setBinding('RoleBinding', change)),
    ];
    for (const role of [...read.list(ClusterRoles), ...read.list(Roles)]) this.setRole(role, undefined);
    for (const object of read.list(ClusterRoleBindings)) this.setBinding('ClusterRoleBinding', { object, old: undefined });
    for (const object of read.list(RoleBindings)) this.setBinding('RoleBinding', { object, old: undefined });
    return () => {
      for (const stop of stops) stop();
    };
  }

  setRole(role: ClusterRole | Role | undefined, old: ClusterRole | Role | undefined): void {
    const { metadata } = (role ?? old) as Role;
    const key = `${metadata?.namespace ?? ''}/${metadata?.name ?? ''}`;
    this.grants.clear();
    if (role) this.roles.set(key, role.rules ?? []);
    else this.roles.delete(key);
  }

  setBinding(kind: Binding['kind'], change: { object: ClusterRoleBinding | RoleBinding | undefined; old: ClusterRoleBinding | RoleBinding | undefined }): void {
    const { metadata } = (change.object ?? change.old) as RoleBinding;
    const namespace = metadata?.namespace ?? '';
    const key = `${namespace}/${metadata?.name ?? ''}`;
    const before = this.bindings.get(key);
    this.grants.clear();
    if (before) {
      for (const subject of before.subjects) this.bySubject.get(`${before.namespace}\0${subject}`)?.delete(before);
      this.bindings.delete(key);
    }
    if (!change.object) return;
    const subjects = (change.object.subjects ?? []).flatMap((subject) => subjectKey(subject, namespace) ?? []);
    const binding: Binding = { name: metadata?.name ?? '', namespace, kind, role: change.object.roleRef ?? { kind: '', name: '' }, subjects };
    this.bindings.set(key, binding);
    for (const subject of subjects) {
      const at = `${namespace}\0${subject}`;
      const set = this.bySubject.get(at);
      if (set) set.add(binding);
      else this.bySubject.set(at, new Set([binding]));
    }
  }

  /** The rules of a role, or undefined when it does not exist. `namespace` '' looks for a cluster role. */
  roleRules(namespace: string, name: string): readonly PolicyRule[] | undefined {
    return this.roles.get(`${namespace}/${name}`);
  }

  /** Everything that applies to a user in a namespace, cluster-wide bindings included. */
  grantsOf(user: UserInfo, namespace: string): Grants {
    const key = `${namespace}\0${user.username}\0${user.groups.join('\0')}`;
    let grants = this.grants.get(key);
    if (!grants) {
      if (this.grants.size >= maxCachedGrants) this.grants.clear();
      this.grants.set(key, (grants = this.collect(user, namespace)));
    }
    return grants;
  }

  private collect(user: UserInfo, namespace: string): Grants {
    const all: GrantedRule[] = [];
    const missing = new Set<string>();
    const subjects = [`u:${user.username}`, ...user.groups.map((group) => `g:${group}`)];
    for (const scope of namespace ? ['', namespace] : ['']) {
      for (const subject of subjects) {
        for (const binding of this.bySubject.get(`${scope}\0${subject}`) ?? []) this.addGrants(binding, { subject, all, missing });
      }
    }
    const exact = new Map<string, GrantedRule[]>();
    const wild: GrantedRule[] = [];
    for (const granted of all) {
      const { apiGroups = [], resources = [] } = granted.rule;
      if (apiGroups.includes('*') || resources.some((resource) => resource === '*' || resource.startsWith('*/'))) wild.push(granted);
      else for (const group of apiGroups) for (const resource of resources) add(exact, `${group}/${resource}`, granted);
    }
    return { exact, wild, all, paths: all.filter(({ rule }) => rule.nonResourceURLs?.length), missing: [...missing] };
  }

  private addGrants(binding: Binding, out: { subject: string; all: GrantedRule[]; missing: Set<string> }): void {
    const clusterRole = binding.role.kind === 'ClusterRole';
    const rules = this.roleRules(clusterRole ? '' : binding.namespace, binding.role.name);
    if (!rules) {
      out.missing.add(`${clusterRole ? 'clusterrole' : 'role'}.rbac.authorization.k8s.io ${JSON.stringify(binding.role.name)} not found`);
      return;
    }
    const name = binding.namespace ? `${binding.name}/${binding.namespace}` : binding.name;
    const origin = `${binding.kind} ${JSON.stringify(name)} of ${binding.role.kind} ${JSON.stringify(binding.role.name)} to ${describeSubject(out.subject)}`;
    for (const rule of rules) out.all.push({ rule, origin });
  }
}

function add(map: Map<string, GrantedRule[]>, key: string, granted: GrantedRule): void {
  const list = map.get(key);
  if (list) list.push(granted);
  else map.set(key, [granted]);
}

const indexes = new WeakMap<PluginContext, RbacIndex>();

/** The one index of an API server. */
export function rbacIndexOf(context: PluginContext): RbacIndex {
  let index = indexes.get(context);
  if (!index) indexes.set(context, (index = new RbacIndex()));
  return index;
}
