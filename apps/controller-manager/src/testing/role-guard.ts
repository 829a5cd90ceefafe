import type { PolicyRule } from '@orrery/api/types';
import type { ResourceRef } from '@orrery/apimachinery';
import type { ApiClient } from '@orrery/client';
import { forbidden } from '@orrery/errors';
import { clusterRoles } from '../../../apiserver/src/bootstrap/cluster-roles.ts';
import { componentRoles } from '../../../apiserver/src/bootstrap/cluster-role-bindings.ts';
import { controllerRoles } from '../../../apiserver/src/bootstrap/controller-roles.ts';
import { namespaceRoleBindings, namespaceRoles } from '../../../apiserver/src/bootstrap/namespace-roles.ts';

interface Asked {
  readonly verb: string;
  readonly resource: ResourceRef;
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
  readonly subresource?: string | undefined;
}

const has = (list: readonly string[] | undefined, value: string): boolean => list?.includes('*') === true || list?.includes(value) === true;

function covers(rule: PolicyRule, { verb, resource, name, subresource }: Asked): boolean {
  const asked = subresource ? `${resource.resource}/${subresource}` : resource.resource;
  const named = rule.resources?.some((pattern) => pattern === '*' || pattern === asked || (subresource !== undefined && pattern === `*/${subresource}`)) ?? false;
  return has(rule.verbs, verb) && has(rule.apiGroups, resource.group) && named && (!rule.resourceNames?.length || rule.resourceNames.includes(name ?? ''));
}

/** The rules that the API server gives an account of kube-system (or, for '', the manager itself), by namespace; '' is everywhere. */
function rulesOf(account: string): { namespace: string; rules: readonly PolicyRule[] }[] {
  const everywhere = [...controllerRoles, ...clusterRoles, ...componentRoles].filter(({ name }) => name === (account ? `system:controller:${account}` : 'system:kube-controller-manager') || name === `orrery:${account}`);
  const bound = namespaceRoleBindings.filter(({ subjects }) => subjects.some(({ kind, name }) => (account ? kind === 'ServiceAccount' && name === account : kind === 'User' && name === 'system:kube-controller-manager')));
  const local = bound.flatMap(({ namespace, role }) => namespaceRoles.filter((row) => row.namespace === namespace && row.name === role));
  return [...everywhere.map(({ rules }) => ({ namespace: '', rules: rules ?? [] })), ...local];
}

/** A client that may do what the role of an account allows. What it refuses is told to `denied`. */
export function guardedBy(account: string, api: ApiClient, denied: (what: string) => void): ApiClient {
  const roles = rulesOf(account);
  const check = (asked: Asked): void => {
    if (roles.some(({ namespace, rules }) => (!namespace || namespace === asked.namespace) && rules.some((rule) => covers(rule, asked)))) return;
    const { name = '', resource, subresource, verb } = asked;
    denied(`${account || 'the manager'} may not ${verb} ${resource.resource}${subresource ? `/${subresource}` : ''}.${resource.group} ${name}`);
    throw forbidden({ group: resource.group, resource: resource.resource, name }, `${account} may not ${verb} it`);
  };
  return {
    get: async (resource, key, options) => (check({ verb: 'get', resource, ...key, subresource: options?.subresource }), api.get(resource, key, options)),
    list: async (resource, options) => (check({ verb: 'list', resource, namespace: options?.namespace }), api.list(resource, options)),
    watch: (resource, options, sink) => (check({ verb: 'watch', resource, namespace: options.namespace }), api.watch(resource, options, sink)),
    create: async (resource, object, options) => (check({ verb: 'create', resource, namespace: object.metadata?.namespace, name: object.metadata?.name, subresource: options?.subresource }), api.create(resource, object, options)),
    createSubresource: async (resource, key, subresource, body) => (check({ verb: 'create', resource, ...key, subresource }), api.createSubresource(resource, key, subresource, body)),
    update: async (resource, object, options) => (check({ verb: 'update', resource, namespace: object.metadata?.namespace, name: object.metadata?.name, subresource: options?.subresource }), api.update(resource, object, options)),
    patch: async (resource, key, patch, options) => (check({ verb: 'patch', resource, ...key, subresource: options.subresource }), api.patch(resource, key, patch, options)),
    delete: async (resource, key, options) => (check({ verb: 'delete', resource, ...key }), api.delete(resource, key, options)),
    deleteCollection: async (resource, selection, options) => (check({ verb: 'deletecollection', resource, namespace: selection.namespace }), api.deleteCollection(resource, selection, options)),
    close: () => api.close(),
  };
}
