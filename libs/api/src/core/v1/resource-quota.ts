import type { FieldError } from '@orrery/errors';
import type { ResourceQuota, ResourceQuotaSpec } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { semanticEqual } from '../../equality.ts';
import { ageColumn, nameColumn, text } from '../../printing/columns.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { immutableMessage } from '../../validation/fields.ts';
import { checkQuotaResourceName, isStandardQuotaResource } from './pod-template/resource-names.ts';
import { checkResourceQuantity } from './pod-template/resource-validation.ts';

const scopes = ['BestEffort', 'CrossNamespacePodAffinity', 'NotBestEffort', 'NotTerminating', 'PriorityClass', 'Terminating', 'VolumeAttributesClass'];
const exclusive = [['BestEffort', 'NotBestEffort'], ['Terminating', 'NotTerminating']] as const;
const existOnly = new Set(['BestEffort', 'NotBestEffort', 'Terminating', 'NotTerminating', 'CrossNamespacePodAffinity']);
const ofPods = new Set(['pods', 'cpu', 'memory', 'limits.cpu', 'limits.memory', 'requests.cpu', 'requests.memory']);
const ofClaims = new Set(['persistentvolumeclaims', 'requests.storage']);

/** Whether usage of a resource can be told by scope at all. */
function countsInScope(scope: string, resource: string): boolean {
  if (scope === 'BestEffort') return resource === 'pods';
  if (scope === 'VolumeAttributesClass') return ofClaims.has(resource);
  return !scopes.includes(scope) || ofPods.has(resource);
}

function checkAmounts(amounts: Record<string, string> | undefined, at: FieldPath): void {
  for (const [name, quantity] of Object.entries(amounts ?? {})) {
    const path = at.at(name);
    checkQuotaResourceName(name, path);
    checkResourceQuantity(name, quantity, path);
  }
}

function checkScopes(spec: ResourceQuotaSpec, at: FieldPath): void {
  const given = spec.scopes ?? [];
  const limited = Object.keys(spec.hard ?? {}).filter(isStandardQuotaResource).sort();
  for (const scope of given) {
    if (!scopes.includes(scope)) at.child('scopes').invalid(given, 'unsupported scope');
    for (const resource of limited) if (!countsInScope(scope, resource)) at.child('scopes').invalid(given, 'unsupported scope applied to resource');
  }
  const conflicts = (named: readonly string[]): number => exclusive.filter(([a, b]) => named.includes(a) && named.includes(b)).length;
  for (let i = conflicts(given); i > 0; i--) at.child('scopes').invalid(given, 'conflicting scopes');
  for (const { scopeName, operator, values = [] } of spec.scopeSelector?.matchExpressions ?? []) {
    const path = at.child('scopeSelector').child('matchExpressions');
    if (!scopes.includes(scopeName)) path.child('scopeName').invalid(scopeName, 'unsupported scope');
    for (const resource of limited) if (!countsInScope(scopeName, resource)) path.invalid(spec.scopeSelector, 'unsupported scope applied to resource');
    if (existOnly.has(scopeName) && operator !== 'Exists') path.child('operator').invalid(operator, "must be 'Exist' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity");
    if ((operator === 'In' || operator === 'NotIn') && values.length === 0) path.child('values').required("must be at least one value when `operator` is 'In' or 'NotIn' for scope selector");
    if ((operator === 'Exists' || operator === 'DoesNotExist') && values.length > 0) path.child('values').invalid(values, "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector");
    if (!['In', 'NotIn', 'Exists', 'DoesNotExist'].includes(operator)) path.child('operator').invalid(operator, 'not a valid selector operator');
  }
  const selected = (spec.scopeSelector?.matchExpressions ?? []).map(({ scopeName }) => scopeName);
  for (let i = conflicts(selected); i > 0; i--) at.child('scopeSelector').child('matchExpressions').invalid(spec.scopes ?? null, 'conflicting scopes');
}

function checkSpec({ spec = {} }: ResourceQuota, at: FieldPath): void {
  checkAmounts(spec.hard, at.child('hard'));
  checkScopes(spec, at);
}

function validateUpdate(quota: ResourceQuota, old: ResourceQuota): FieldError[] {
  return findProblems((root) => {
    const at = root.child('spec');
    checkSpec(quota, at);
    const sorted = ({ spec }: ResourceQuota): string[] => [...new Set(spec?.scopes ?? [])].sort();
    if (!semanticEqual(sorted(quota), sorted(old))) at.child('scopes').invalid(quota.spec?.scopes ?? null, immutableMessage);
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
