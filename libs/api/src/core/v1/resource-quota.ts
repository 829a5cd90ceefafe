import type { FieldError } from '@orrery/errors';
import type { ResourceQuota, ResourceQuotaSpec } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { ageColumn, nameColumn, text } from '../../printing/columns.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { checkImmutable } from '../../validation/fields.ts';
import { qualifiedName } from '../../validation/names.ts';
import { isWholeQuantity } from '../../validation/quantity.ts';
import { checkResourceQuantity } from './pod-template/resource-validation.ts';

const standard = new Set([
  'cpu', 'memory', 'ephemeral-storage', 'requests.cpu', 'requests.memory', 'requests.storage', 'requests.ephemeral-storage', 'limits.cpu', 'limits.memory', 'limits.ephemeral-storage',
  'pods', 'resourcequotas', 'services', 'replicationcontrollers', 'secrets', 'persistentvolumeclaims', 'configmaps', 'services.nodeports', 'services.loadbalancers',
]);
const counts = new Set(['pods', 'resourcequotas', 'services', 'replicationcontrollers', 'secrets', 'persistentvolumeclaims', 'configmaps', 'services.nodeports', 'services.loadbalancers']);
const scopes = ['BestEffort', 'CrossNamespacePodAffinity', 'NotBestEffort', 'NotTerminating', 'PriorityClass', 'Terminating', 'VolumeAttributesClass'];
const existOnly = new Set(['BestEffort', 'NotBestEffort', 'Terminating', 'NotTerminating', 'CrossNamespacePodAffinity']);
const ofPods = new Set(['pods', 'cpu', 'memory', 'limits.cpu', 'limits.memory', 'requests.cpu', 'requests.memory']);
const ofClaims = new Set(['persistentvolumeclaims', 'requests.storage']);

/** Whether usage of a resource can be told by scope at all. */
function countsInScope(scope: string, resource: string): boolean {
  if (scope === 'BestEffort') return resource === 'pods';
  if (scope === 'VolumeAttributesClass') return ofClaims.has(resource);
  return !scopes.includes(scope) || ofPods.has(resource);
}

function checkResourceName(name: string, at: FieldPath): void {
  const before = at.errors.length;
  at.matches(name, qualifiedName);
  if (at.errors.length > before || name.includes('/') || standard.has(name)) return;
  if (!/^(requests\.)?hugepages-/.test(name)) at.invalid(name, 'must be a standard resource for quota');
}

function checkAmounts(amounts: Record<string, string> | undefined, at: FieldPath): void {
  for (const [name, quantity] of Object.entries(amounts ?? {})) {
    const path = at.at(name);
    checkResourceName(name, path);
    checkResourceQuantity(name, quantity, path);
    if ((counts.has(name) || name.startsWith('count/')) && !isWholeQuantity(quantity)) path.invalid(quantity, 'must be an integer');
  }
}

function checkScopes(spec: ResourceQuotaSpec, at: FieldPath): void {
  const given = spec.scopes ?? [];
  const limited = Object.keys(spec.hard ?? {}).filter((resource) => standard.has(resource));
  for (const scope of given) {
    if (!scopes.includes(scope)) at.child('scopes').invalid(given, 'unsupported scope');
    for (const resource of limited) if (!countsInScope(scope, resource)) at.child('scopes').invalid(given, 'unsupported scope applied to resource');
  }
  for (const [a, b] of [['BestEffort', 'NotBestEffort'], ['Terminating', 'NotTerminating']] as const) {
    if (given.includes(a) && given.includes(b)) at.child('scopes').invalid(given, 'conflicting scopes');
  }
  for (const { scopeName, operator, values = [] } of spec.scopeSelector?.matchExpressions ?? []) {
    const path = at.child('scopeSelector').child('matchExpressions');
    if (!scopes.includes(scopeName)) path.child('scopeName').invalid(scopeName, 'unsupported scope');
    for (const resource of limited) if (!countsInScope(scopeName, resource)) path.invalid(spec.scopeSelector, 'unsupported scope applied to resource');
    if (existOnly.has(scopeName) && operator !== 'Exists') path.child('operator').invalid(operator, "must be 'Exist' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity");
    if ((operator === 'In' || operator === 'NotIn') && values.length === 0) path.child('values').required("must be at least one value when `operator` is 'In' or 'NotIn' for scope selector");
    if ((operator === 'Exists' || operator === 'DoesNotExist') && values.length > 0) path.child('values').invalid(values, "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector");
    if (!['In', 'NotIn', 'Exists', 'DoesNotExist'].includes(operator)) path.child('operator').invalid(operator, 'not a valid selector operator');
  }
}

function checkSpec({ spec = {} }: ResourceQuota, at: FieldPath): void {
  checkAmounts(spec.hard, at.child('hard'));
  checkScopes(spec, at);
}

function validateUpdate(quota: ResourceQuota, old: ResourceQuota): FieldError[] {
  return findProblems((root) => {
    const at = root.child('spec');
    checkSpec(quota, at);
    checkImmutable({ value: quota.spec?.scopes, old: old.spec?.scopes }, at.child('scopes'));
  });
}

/** `pods: 1/4, services: 0/2` of the resources that are limits, or that are not. */
function usage({ spec, status }: ResourceQuota, ofLimits: boolean): string {
  return Object.keys(spec?.hard ?? {})
    .sort()
    .filter((name) => name.startsWith('limits') === ofLimits)
    .map((name) => `${name}: ${status?.used?.[name] ?? '0'}/${status?.hard?.[name] ?? '0'}`)
    .join(', ');
}

export const resourceQuotaKind = defineKind<ResourceQuota>({
  group: '',
  version: 'v1',
  kind: 'ResourceQuota',
  resource: 'resourcequotas',
  namespaced: true,
  shortNames: ['quota'],
  hasStatus: true,
  validate: (quota) => findProblems((root) => checkSpec(quota, root.child('spec'))),
  validateUpdate,
  validateStatusUpdate: ({ status }) =>
    findProblems((root) => {
      checkAmounts(status?.hard, root.child('status').child('hard'));
      checkAmounts(status?.used, root.child('status').child('used'));
    }),
  columns: [nameColumn, text('Request', (quota) => usage(quota, false)), text('Limit', (quota) => usage(quota, true)), ageColumn],
});
