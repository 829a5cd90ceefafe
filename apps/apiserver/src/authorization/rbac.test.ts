import { ClusterRoleBindings, ClusterRoles, RoleBindings, Roles } from '@orrery/api';
import type { PolicyRule } from '@orrery/api/types';
import { beforeEach, describe, expect, it } from 'vitest';
import type { RequestInfo, UserInfo } from '../pipeline/index.ts';
import { FakeCluster, attempt } from '../testing/fake-cluster.ts';
import { escalationCheck } from './escalation.ts';
import { ruleAllowsPath, ruleAllowsResource, uncoveredRules } from './policy-rule.ts';
import { RbacIndex } from './rbac-index.ts';
import { rbacAuthorizer } from './rbac.ts';

const question = (text: string) => {
  const [verb = '', target = '', name = ''] = text.split(' ');
  const [group = '', resource = '', subresource = ''] = target.split('/');
  return { verb, group: group === 'core' ? '' : group, resource, subresource, name };
};
const rule = (verbs: string, groups: string, resources: string, names?: string): PolicyRule => ({
  verbs: verbs.split(','),
  apiGroups: groups.split(',').map((group) => (group === 'core' ? '' : group)),
  resources: resources.split(','),
  ...(names ? { resourceNames: names.split(',') } : {}),
});

describe('rules', () => {
  it.each<[PolicyRule, string, boolean]>([
    [rule('get', 'core', 'pods'), 'get core/pods x', true],
    [rule('get', 'core', 'pods'), 'list core/pods', false],
    [rule('get', 'core', 'pods'), 'get core/pods/log x', false],
    [rule('get', 'core', 'pods/log'), 'get core/pods/log x', true],
    [rule('get', 'core', 'pods/log'), 'get core/pods x', false],
    [rule('*', '*', '*'), 'approve certificates.k8s.io/signers x', true],
    [rule('get', 'core', '*'), 'get core/pods/exec x', true],
    [rule('get', '*', '*/scale'), 'get apps/deployments/scale x', true],
    [rule('get', '*', '*/scale'), 'get apps/deployments x', false],
    [rule('get', 'apps', 'deployments'), 'get extensions/deployments x', false],
    [rule('get', 'core', 'secrets', 'a,b'), 'get core/secrets b', true],
    [rule('get', 'core', 'secrets', 'a,b'), 'get core/secrets c', false],
    [rule('list', 'core', 'secrets', 'a'), 'list core/secrets', false],
  ])('%j / %s: %s', (policy, text, allowed) => expect(ruleAllowsResource(policy, question(text))).toBe(allowed));

  it.each<[string, string, boolean]>([
    ['/healthz', '/healthz', true],
    ['/healthz', '/healthz/etcd', false],
    ['/apis/*', '/apis/apps', true],
    ['/apis/*', '/apis', false],
    ['*', '/anything', true],
  ])('path %s / %s: %s', (pattern, path, allowed) => expect(ruleAllowsPath({ verbs: ['get'], nonResourceURLs: [pattern] }, { verb: 'get', path })).toBe(allowed));

  it.each<[PolicyRule[], PolicyRule[], PolicyRule[]]>([
    [[rule('*', '*', '*')], [rule('get,list', 'core,apps', 'pods,deployments')], []],
    [[rule('get', 'core', 'pods')], [rule('get,list', 'core', 'pods,secrets')], [rule('get,list', 'core', 'secrets'), rule('list', 'core', 'pods')]],
    [[rule('get', 'core', 'secrets', 'a')], [rule('get', 'core', 'secrets')], [rule('get', 'core', 'secrets')]],
    [[rule('get', 'core', 'secrets')], [rule('get', 'core', 'secrets', 'a')], []],
    [[rule('get', '*', '*/scale')], [rule('get', 'apps', 'deployments/scale')], []],
    [[{ verbs: ['get'], nonResourceURLs: ['/api/*'] }], [{ verbs: ['get'], nonResourceURLs: ['/api/v1', '/version'] }], [{ verbs: ['get'], nonResourceURLs: ['/version'] }]],
  ])('uncovered of %j for %j', (owned, wanted, missing) => {
    const order = (rules: PolicyRule[]): string[] => rules.map((one) => JSON.stringify(one, Object.keys(one).sort())).sort();
    expect(order(uncoveredRules(owned, wanted))).toEqual(order(missing));
  });
});

const info = (text: string, namespace = ''): RequestInfo => ({ isResource: true, path: '', version: 'v1', namespace, ...question(text) });
const user = (username: string, ...groups: string[]): UserInfo => ({ username, groups });
const roleRef = (kind: string, name: string) => ({ apiGroup: 'rbac.authorization.k8s.io', kind, name });

describe('RBAC authorizer', () => {
  let cluster: FakeCluster;
  let index: RbacIndex;
  const allowed = (who: UserInfo, text: string, namespace = ''): boolean => {
    const answer = rbacAuthorizer(index).authorize({ user: who, info: info(text, namespace) });
    return 'decision' in answer && answer.decision === 'allow';
  };

  beforeEach(() => {
    cluster = new FakeCluster();
    cluster.put(ClusterRoles, { metadata: { name: 'view' }, rules: [rule('get,list', 'core', 'pods')] });
    cluster.put(Roles, { metadata: { name: 'writer', namespace: 'a' }, rules: [rule('create', 'core', 'pods')] });
    cluster.put(ClusterRoleBindings, { metadata: { name: 'admins' }, roleRef: roleRef('ClusterRole', 'view'), subjects: [{ kind: 'Group', name: 'admins' }] });
    cluster.put(RoleBindings, { metadata: { name: 'b', namespace: 'a' }, roleRef: roleRef('ClusterRole', 'view'), subjects: [{ kind: 'User', name: 'jane' }] });
    cluster.put(RoleBindings, { metadata: { name: 'w', namespace: 'a' }, roleRef: roleRef('Role', 'writer'), subjects: [{ kind: 'ServiceAccount', name: 'robot' }] });
    index = new RbacIndex();
    index.follow(cluster.read);
  });

  it('grants by user, group and service account, in the scope of the binding', () => {
    expect(allowed(user('x', 'admins'), 'list core/pods')).toBe(true);
    expect(allowed(user('jane'), 'list core/pods', 'a')).toBe(true);
    expect(allowed(user('jane'), 'list core/pods', 'b')).toBe(false);
    expect(allowed(user('jane'), 'list core/pods')).toBe(false);
    expect(allowed(user('system:serviceaccount:a:robot'), 'create core/pods', 'a')).toBe(true);
    expect(allowed(user('system:serviceaccount:b:robot'), 'create core/pods', 'a')).toBe(false);
  });

  it('follows changes at once', () => {
    cluster.put(ClusterRoles, { metadata: { name: 'view' }, rules: [] });
    expect(allowed(user('jane'), 'list core/pods', 'a')).toBe(false);
    cluster.put(ClusterRoles, { metadata: { name: 'view' }, rules: [rule('*', '*', '*')] });
    expect(allowed(user('jane'), 'delete core/secrets x', 'a')).toBe(true);
    cluster.remove(RoleBindings, { name: 'b', namespace: 'a' });
    expect(allowed(user('jane'), 'delete core/secrets x', 'a')).toBe(false);
  });

  it('says which role is missing', () => {
    cluster.remove(ClusterRoles, { name: 'view' });
    expect(rbacAuthorizer(index).authorize({ user: user('jane'), info: info('get core/pods x', 'a') })).toEqual({
      decision: 'noOpinion',
      reason: 'RBAC: clusterrole.rbac.authorization.k8s.io "view" not found',
    });
  });

  it('lets nobody grant more than they hold', async () => {
    const check = escalationCheck({ index, context: { read: cluster.read, authorize: (question) => rbacAuthorizer(index).authorize(question) } });
    const role = (rules: PolicyRule[]) => attempt({ resource: 'roles', group: 'rbac.authorization.k8s.io', object: { metadata: { name: 'r', namespace: 'a' }, rules }, user: user('jane', 'devs') });
    await expect(check.validate?.(role([rule('get', 'core', 'pods')]))).resolves.toBeUndefined();
    await expect(check.validate?.(role([rule('get,delete', 'core', 'pods')]))).rejects.toThrow(
      'roles.rbac.authorization.k8s.io "r" is forbidden: user "jane" (groups=["devs"]) is attempting to grant RBAC permissions not currently held:\n{APIGroups:[""], Resources:["pods"], Verbs:["delete"]}',
    );
    const binding = (name: string) =>
      attempt({ resource: 'rolebindings', group: 'rbac.authorization.k8s.io', object: { metadata: { name: 'x', namespace: 'a' }, roleRef: roleRef('Role', name), subjects: [] }, user: user('jane') });
    await expect(check.validate?.(binding('writer'))).rejects.toThrow('not currently held');
    await expect(check.validate?.(binding('nope'))).rejects.toMatchObject({ code: 404 });
    cluster.put(ClusterRoles, { metadata: { name: 'view' }, rules: [rule('bind', 'rbac.authorization.k8s.io', 'roles', 'writer')] });
    await expect(check.validate?.(binding('writer'))).resolves.toBeUndefined();
  });

  it('holds whoever aggregates to everything, and lets the garbage collector tend', async () => {
    const check = escalationCheck({ index, context: { read: cluster.read, authorize: (question) => rbacAuthorizer(index).authorize(question) } });
    const aggregate = { metadata: { name: 'r' }, aggregationRule: { clusterRoleSelectors: [] } };
    const write = (object: object, old?: object, name = 'jane') =>
      check.validate?.(attempt({ resource: 'clusterroles', group: 'rbac.authorization.k8s.io', object, ...(old ? { operation: 'UPDATE', oldObject: old } : {}), user: user(name, 'devs') }));
    await expect(write(aggregate)).rejects.toThrow('clusterroles.rbac.authorization.k8s.io "r" is forbidden: must have cluster-admin privileges to use the aggregationRule');
    await expect(write({ metadata: { name: 'r' } }, aggregate)).rejects.toThrow('aggregationRule');
    const strong = { metadata: { name: 'r' }, rules: [rule('*', '*', '*')] };
    await expect(write({ ...strong, metadata: { name: 'r', finalizers: ['x'] } }, strong)).resolves.toBeUndefined();
    await expect(write({ ...strong, metadata: { name: 'r', labels: { a: 'b' } } }, strong)).rejects.toThrow('not currently held');
    cluster.put(ClusterRoleBindings, { metadata: { name: 'lost' }, roleRef: roleRef('ClusterRole', 'gone'), subjects: [{ kind: 'User', name: 'jane' }] });
    await expect(write(strong)).rejects.toThrow('Verbs:["*"]}; resolution errors: [clusterrole.rbac.authorization.k8s.io "gone" not found]');
    cluster.put(ClusterRoles, { metadata: { name: 'root' }, rules: [rule('*', '*', '*'), { verbs: ['*'], nonResourceURLs: ['*'] }] });
    cluster.put(ClusterRoleBindings, { metadata: { name: 'root' }, roleRef: roleRef('ClusterRole', 'root'), subjects: [{ kind: 'User', name: 'boss' }] });
    await expect(write(aggregate, undefined, 'boss')).resolves.toBeUndefined();
  });

  it('allows what resourceNames name when a list is limited to that name', () => {
    cluster.put(ClusterRoles, { metadata: { name: 'view' }, rules: [rule('list,deletecollection', 'core', 'pods', 'one')] });
    expect(allowed(user('x', 'admins'), 'list core/pods one')).toBe(true);
    expect(allowed(user('x', 'admins'), 'list core/pods two')).toBe(false);
    expect(allowed(user('x', 'admins'), 'list core/pods')).toBe(false);
  });

  it('answers within microseconds', () => {
    for (let i = 0; i < 2000; i++) cluster.put(RoleBindings, { metadata: { name: `r${i}`, namespace: `n${i}` }, roleRef: roleRef('ClusterRole', 'view'), subjects: [{ kind: 'User', name: 'jane' }] });
    for (let i = 0; i < 10_000; i++) expect(allowed(user('jane'), 'list core/pods', `n${i % 2000}`)).toBe(true);
  });
});
