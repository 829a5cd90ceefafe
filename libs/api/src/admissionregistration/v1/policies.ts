import type { MatchResources, ParamKind, ParamRef, Variable } from '../../../gen/types.ts';
import type { FieldPath } from '../../validation/field-path.ts';
import { checkLabelSelector } from '../../validation/label-selector.ts';
import { cIdentifier, pathSegment } from '../../validation/names.ts';
import { checkRule, defaultRules } from './webhooks.ts';

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
  at.child('matchPolicy').oneOf(match.matchPolicy, ['Equivalent', 'Exact']);
  checkLabelSelector(match.namespaceSelector, at.child('namespaceSelector'));
  checkLabelSelector(match.objectSelector, at.child('objectSelector'));
  for (const [i, rule] of (match.resourceRules ?? []).entries()) checkRule(rule, at.child('resourceRules').at(i));
  for (const [i, rule] of (match.excludeResourceRules ?? []).entries()) checkRule(rule, at.child('excludeResourceRules').at(i));
}

export function checkParamKind(kind: ParamKind | undefined, at: FieldPath): void {
  if (!kind) return;
  if (!kind.apiVersion) at.child('apiVersion').required();
  if (!kind.kind) at.child('kind').required();
}

export function checkVariables(variables: readonly Variable[] | undefined, at: FieldPath): void {
  const names = new Set<string>();
  for (const [i, { name, expression }] of (variables ?? []).entries()) {
    at.at(i).child('name').requires(name, cIdentifier);
    if (names.has(name)) at.at(i).child('name').duplicate(name);
    names.add(name);
    if (!expression?.trim()) at.at(i).child('expression').required('expression is not specified');
  }
}

export function checkParamRef(ref: ParamRef | undefined, at: FieldPath): void {
  if (!ref) return;
  if (ref.name !== undefined) {
    at.child('name').matches(ref.name, pathSegment);
    if (ref.selector) at.child('name').forbidden('name and selector are mutually exclusive');
  } else if (ref.selector) checkLabelSelector(ref.selector, at.child('selector'));
  else at.required('one of name or selector must be specified');
  at.child('parameterNotFoundAction').requiredOneOf(ref.parameterNotFoundAction, ['Allow', 'Deny']);
}

export function paramKind(kind: ParamKind | undefined): string {
  return kind ? `${kind.apiVersion ?? ''}/${kind.kind ?? ''}` : '<unset>';
}

export function paramRef(ref: ParamRef | undefined): string {
  if (!ref) return '<unset>';
  if (ref.name) return ref.namespace ? `${ref.namespace}/${ref.name}` : `*/${ref.name}`;
  return ref.namespace ? `${ref.namespace}/*` : '*/*';
}
