import type { MatchResources, ParamKind, ParamRef } from '../../../gen/types.ts';
import type { FieldPath } from '../../validation/field-path.ts';
import { checkLabelSelector } from '../../validation/label-selector.ts';
import { dns1035Label, dns1123Subdomain, pathSegment } from '../../validation/names.ts';
import { checkNamedRule, defaultRules } from './rules.ts';

export function defaultMatchResources(match: MatchResources | undefined): void {
  if (!match) return;
  match.matchPolicy ??= 'Equivalent';
  match.namespaceSelector ??= {};
  match.objectSelector ??= {};
  defaultRules(match.resourceRules);
  defaultRules(match.excludeResourceRules);
}

export function checkMatchResources(match: MatchResources | undefined, at: FieldPath): void {
  if (!match) return;
  at.child('matchPolicy').requiredOneOf(match.matchPolicy, ['Equivalent', 'Exact']);
  for (const name of ['namespaceSelector', 'objectSelector'] as const) {
    if (match[name]) checkLabelSelector(match[name], at.child(name));
    else at.child(name).required();
  }
  for (const [i, rule] of (match.resourceRules ?? []).entries()) checkNamedRule(rule, at.child('resourceRules').at(i));
  for (const [i, rule] of (match.excludeResourceRules ?? []).entries()) checkNamedRule(rule, at.child('excludeResourceRules').at(i));
}

/** Of a policy: what it matches gives its expressions their types, so there must be a rule. */
export function checkMatchConstraints(match: MatchResources | undefined, at: FieldPath): void {
  if (!match) return at.required();
  checkMatchResources(match, at);
  if (!match.resourceRules?.length) at.child('resourceRules').required();
}

const mutableOperations = ['*', 'CONNECT', 'CREATE', 'UPDATE'];

/** There is nothing to change about what is deleted. */
export function checkMutableOperations(match: MatchResources | undefined, at: FieldPath): void {
  for (const rule of match?.resourceRules ?? []) {
    for (const operation of rule.operations ?? []) {
      if (!mutableOperations.includes(operation)) at.child('resourceRules').child('operations').notSupported(operation, mutableOperations);
    }
  }
}

function checkGroupVersion(apiVersion: string, at: FieldPath): void {
  const parts = apiVersion.split('/');
  if (parts.length > 2) return at.invalid(apiVersion, `unexpected GroupVersion string: ${apiVersion}`);
  const [group = '', version = ''] = parts.length === 2 ? parts : ['', ...parts];
  if (group) {
    const problems = dns1123Subdomain(group);
    if (problems.length) at.invalid(group, problems.join(','));
  }
  if (!version) return at.invalid(apiVersion, 'version must be specified');
  const problems = dns1035Label(version);
  if (problems.length) at.invalid(version, problems.join(','));
}

export function checkParamKind(kind: ParamKind | undefined, at: FieldPath): void {
  if (!kind) return;
  if (!kind.apiVersion) at.child('apiVersion').required();
  else checkGroupVersion(kind.apiVersion, at.child('apiVersion'));
  if (!kind.kind) return at.child('kind').required();
  const problems = dns1035Label(kind.kind.toLowerCase());
  if (problems.length) at.child('kind').invalid(kind.kind, `may have mixed case, but should otherwise match: ${problems.join(',')}`);
}

export function checkParamRef(ref: ParamRef | undefined, at: FieldPath): void {
  if (!ref) return;
  const both = 'name and selector are mutually exclusive';
  if (ref.name) {
    at.child('name').matches(ref.name, pathSegment);
    if (ref.selector) at.child('name').forbidden(both);
  }
  if (ref.selector) {
    checkLabelSelector(ref.selector, at.child('selector'));
    if (ref.name) at.child('selector').forbidden(both);
  }
  if (!ref.name && !ref.selector) at.required('one of name or selector must be specified');
  at.child('parameterNotFoundAction').requiredOneOf(ref.parameterNotFoundAction, ['Deny', 'Allow']);
}

export function paramKind(kind: ParamKind | undefined): string {
  return kind ? `${kind.apiVersion ?? ''}/${kind.kind ?? ''}` : '<unset>';
}

export function paramRef(ref: ParamRef | undefined): string {
  if (!ref) return '<unset>';
  if (ref.name) return ref.namespace ? `${ref.namespace}/${ref.name}` : `*/${ref.name}`;
  return ref.namespace ? `${ref.namespace}/*` : '*/*';
}
