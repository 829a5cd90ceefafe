import type { Affinity, NodeSelectorRequirement, NodeSelectorTerm, PodAffinityTerm, PodSpec, Toleration, WeightedPodAffinityTerm } from '../../../../gen/types.ts';
import type { FieldPath } from '../../../validation/field-path.ts';
import { checkLabelSelector, needsValuesMessage, noValuesMessage } from '../../../validation/label-selector.ts';
import { dns1123Label, labelValue, qualifiedName } from '../../../validation/names.ts';

const effects = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];

export function checkTolerations(tolerations: readonly Toleration[] | undefined, at: FieldPath): void {
  for (const [i, toleration] of (tolerations ?? []).entries()) checkToleration(toleration, at.at(i));
}

function checkToleration(toleration: Toleration, at: FieldPath): void {
  const { key = '', operator = '', value = '', effect, tolerationSeconds } = toleration;
  if (key !== '') at.child('key').matches(key, qualifiedName);
  if (key === '' && operator !== 'Exists') {
    at.child('operator').invalid(operator, 'operator must be Exists when `key` is empty, which means "match all values and all keys"');
  }
  if (tolerationSeconds !== undefined && effect !== 'NoExecute') {
    at.child('effect').invalid(effect ?? '', "effect must be 'NoExecute' when `tolerationSeconds` is set");
  }
  if (operator === '' || operator === 'Equal') {
    const problems = labelValue(value);
    if (problems.length > 0) at.child('operator').invalid(value, problems.join(';'));
  } else if (operator === 'Exists') {
    if (value !== '') at.child('operator').invalid(toleration, "value must be empty when `operator` is 'Exists'");
  } else at.child('operator').notSupported(operator, ['Equal', 'Exists']);
  at.child('effect').oneOf(effect, effects);
}

function checkNodeRequirement(requirement: NodeSelectorRequirement, at: FieldPath): void {
  const values = requirement.values ?? [];
  switch (requirement.operator) {
    case 'In':
    case 'NotIn':
      if (values.length === 0) at.child('values').required(needsValuesMessage);
      break;
    case 'Exists':
    case 'DoesNotExist':
      if (values.length > 0) at.child('values').forbidden(noValuesMessage);
      break;
    case 'Gt':
    case 'Lt':
      if (values.length !== 1) at.child('values').required("must be specified single value when `operator` is 'Lt' or 'Gt'");
      break;
    default:
      at.child('operator').invalid(requirement.operator, 'not a valid selector operator');
  }
  at.child('key').matches(requirement.key, qualifiedName);
  for (const [i, value] of values.entries()) at.child('values').at(i).matches(value, labelValue);
}

export function checkNodeSelectorTerm(term: NodeSelectorTerm, at: FieldPath): void {
  for (const [i, requirement] of (term.matchExpressions ?? []).entries()) checkNodeRequirement(requirement, at.child('matchExpressions').at(i));
  for (const [i, requirement] of (term.matchFields ?? []).entries()) {
    const path = at.child('matchFields').at(i);
    const isIn = requirement.operator === 'In' || requirement.operator === 'NotIn';
    if (!isIn) path.child('operator').invalid(requirement.operator, 'not a valid selector operator');
    else if (requirement.values?.length !== 1) path.child('values').required("must be only one value when `operator` is 'In' or 'NotIn' for node field selector");
    if (requirement.key !== 'metadata.name') path.child('key').invalid(requirement.key, 'not a valid field selector key');
  }
}

function checkAffinityTerm(term: PodAffinityTerm, at: FieldPath): void {
  checkLabelSelector(term.labelSelector, at.child('labelSelector'));
  checkLabelSelector(term.namespaceSelector, at.child('namespaceSelector'));
  for (const namespace of term.namespaces ?? []) at.child('namespace').matches(namespace, dns1123Label);
  checkMatchLabelKeys(term.matchLabelKeys, at.child('matchLabelKeys'));
  checkMatchLabelKeys(term.mismatchLabelKeys, at.child('mismatchLabelKeys'));
  if (!term.topologyKey) at.child('topologyKey').required('can not be empty');
  else at.child('topologyKey').matches(term.topologyKey, qualifiedName);
}

function checkMatchLabelKeys(keys: readonly string[] | undefined, at: FieldPath): void {
  for (const [i, key] of (keys ?? []).entries()) at.at(i).matches(key, qualifiedName);
}

function checkWeight(weight: number, at: FieldPath): void {
  if (weight < 1 || weight > 100) at.invalid(weight, 'must be in the range 1-100');
}

interface PodTerms {
  requiredDuringSchedulingIgnoredDuringExecution?: PodAffinityTerm[];
  preferredDuringSchedulingIgnoredDuringExecution?: WeightedPodAffinityTerm[];
}

function checkPodTerms(terms: PodTerms | undefined, at: FieldPath): void {
  for (const [i, term] of (terms?.requiredDuringSchedulingIgnoredDuringExecution ?? []).entries()) {
    checkAffinityTerm(term, at.child('requiredDuringSchedulingIgnoredDuringExecution').at(i));
  }
  for (const [i, weighted] of (terms?.preferredDuringSchedulingIgnoredDuringExecution ?? []).entries()) {
    const path = at.child('preferredDuringSchedulingIgnoredDuringExecution').at(i);
    checkWeight(weighted.weight, path.child('weight'));
    checkAffinityTerm(weighted.podAffinityTerm ?? {}, path.child('podAffinityTerm'));
  }
}

export function checkNodeSelectorTerms(terms: readonly NodeSelectorTerm[] | undefined, at: FieldPath): void {
  if (!terms?.length) at.required('must have at least one node selector term');
  for (const [i, term] of (terms ?? []).entries()) checkNodeSelectorTerm(term, at.at(i));
}

export function checkAffinity(affinity: Affinity | undefined, at: FieldPath): void {
  const node = affinity?.nodeAffinity;
  if (node) {
    const path = at.child('nodeAffinity');
    const required = node.requiredDuringSchedulingIgnoredDuringExecution;
    if (required) checkNodeSelectorTerms(required.nodeSelectorTerms, path.child('requiredDuringSchedulingIgnoredDuringExecution').child('nodeSelectorTerms'));
    for (const [i, preferred] of (node.preferredDuringSchedulingIgnoredDuringExecution ?? []).entries()) {
      const item = path.child('preferredDuringSchedulingIgnoredDuringExecution').at(i);
      checkWeight(preferred.weight, item.child('weight'));
      checkNodeSelectorTerm(preferred.preference ?? {}, item.child('preference'));
    }
  }
  checkPodTerms(affinity?.podAffinity, at.child('podAffinity'));
  checkPodTerms(affinity?.podAntiAffinity, at.child('podAntiAffinity'));
}

export function checkTopologySpread(spec: PodSpec, at: FieldPath): void {
  const constraints = spec.topologySpreadConstraints ?? [];
  const seen = new Set<string>();
  for (const [i, constraint] of constraints.entries()) {
    const path = at.at(i);
    if (constraint.maxSkew <= 0) path.child('maxSkew').invalid(constraint.maxSkew, 'must be greater than zero');
    if (!constraint.topologyKey) path.child('topologyKey').required('can not be empty');
    else path.child('topologyKey').matches(constraint.topologyKey, qualifiedName);
    if (!['DoNotSchedule', 'ScheduleAnyway'].includes(constraint.whenUnsatisfiable)) {
      path.child('whenUnsatisfiable').notSupported(constraint.whenUnsatisfiable, ['DoNotSchedule', 'ScheduleAnyway']);
    }
    const pair = `{${constraint.topologyKey}, ${constraint.whenUnsatisfiable}}`;
    if (seen.has(pair)) path.child('{topologyKey, whenUnsatisfiable}').duplicate(pair);
    seen.add(pair);
    const domains = constraint.minDomains;
    if (domains !== undefined && domains <= 0) path.child('minDomains').invalid(domains, 'must be greater than zero');
    if (domains !== undefined && constraint.whenUnsatisfiable !== 'DoNotSchedule') {
      path.child('minDomains').invalid(domains, `can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ${constraint.whenUnsatisfiable}`);
    }
    path.child('nodeAffinityPolicy').oneOf(constraint.nodeAffinityPolicy, ['Honor', 'Ignore']);
    path.child('nodeTaintsPolicy').oneOf(constraint.nodeTaintsPolicy, ['Honor', 'Ignore']);
    checkMatchLabelKeys(constraint.matchLabelKeys, path.child('matchLabelKeys'));
    checkLabelSelector(constraint.labelSelector, path.child('labelSelector'));
  }
}

export function checkGates(spec: PodSpec, at: FieldPath): void {
  for (const [i, gate] of (spec.readinessGates ?? []).entries()) {
    at.child('readinessGates').at(i).child('conditionType').matches(gate.conditionType, qualifiedName);
  }
  const names = new Set<string>();
  for (const [i, gate] of (spec.schedulingGates ?? []).entries()) {
    const path = at.child('schedulingGates').at(i);
    path.matches(gate.name, qualifiedName);
    if (names.has(gate.name)) path.duplicate(gate.name);
    names.add(gate.name);
  }
  if (names.size > 0 && spec.nodeName) at.child('nodeName').forbidden('cannot be set until all schedulingGates have been cleared');
}
