import type { Affinity, LabelSelector, NodeSelectorRequirement, NodeSelectorTerm, PodAffinityTerm, PodSpec, Toleration, WeightedPodAffinityTerm } from '../../../../gen/types.ts';
import { type FieldPath, indexed } from '../../../validation/field-path.ts';
import { checkLabelSelector, needsValuesMessage, noValuesMessage } from '../../../validation/label-selector.ts';
import { dns1123Label, dns1123Subdomain, labelValue, qualifiedName } from '../../../validation/names.ts';

const effects = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];

export function checkTolerations(tolerations: readonly Toleration[] | undefined, at: FieldPath): void {
  for (const [i, toleration] of indexed(tolerations)) checkToleration(toleration, at.at(i));
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
    if (value !== '') at.child('operator').invalid(value, "value must be empty when `operator` is 'Exists'");
  } else at.child('operator').notSupported(operator, operator === 'Lt' || operator === 'Gt' ? ['Equal', 'Exists', 'Lt', 'Gt'] : ['Equal', 'Exists']);
  at.child('effect').oneOf(effect, effects);
}

function checkNodeRequirement(requirement: NodeSelectorRequirement, { at, anyValue }: { at: FieldPath; anyValue: boolean }): void {
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
  if (!anyValue) for (const [i, value] of values.entries()) at.child('values').at(i).matches(value, labelValue);
}

/** Preferences may name values that no label can have; they always could. */
export function checkNodeSelectorTerm(term: NodeSelectorTerm, at: FieldPath, { anyValue }: { anyValue: boolean } = { anyValue: false }): void {
  for (const [i, requirement] of indexed(term.matchExpressions)) checkNodeRequirement(requirement, { at: at.child('matchExpressions').at(i), anyValue });
  for (const [i, requirement] of indexed(term.matchFields)) {
    const path = at.child('matchFields').at(i);
    const isIn = requirement.operator === 'In' || requirement.operator === 'NotIn';
    if (!isIn) path.child('operator').invalid(requirement.operator, 'not a valid selector operator');
    else if (requirement.values?.length !== 1) path.child('values').required("must be only one value when `operator` is 'In' or 'NotIn' for node field selector");
    if (requirement.key !== 'metadata.name') path.child('key').invalid(requirement.key, 'not a valid field selector key');
    else for (const [v, value] of indexed(requirement.values)) path.child('values').at(v).matches(value, dns1123Subdomain);
  }
}

function checkAffinityTerm(term: PodAffinityTerm, at: FieldPath): void {
  checkLabelSelector(term.labelSelector, at.child('labelSelector'));
  checkLabelSelector(term.namespaceSelector, at.child('namespaceSelector'));
  for (const namespace of term.namespaces ?? []) at.child('namespace').matches(namespace, dns1123Label);
  checkAffinityKeys(term, at);
  if (!term.topologyKey) at.child('topologyKey').required('can not be empty');
  at.child('topologyKey').matches(term.topologyKey, qualifiedName);
}

function checkLabelKeys(keys: readonly string[] | undefined, { at, selector }: { at: FieldPath; selector: LabelSelector | undefined }): void {
  if (!keys?.length) return;
  if (!selector) return at.forbidden('must not be specified when labelSelector is not set');
  for (const [i, key] of keys.entries()) at.at(i).matches(key, qualifiedName);
}

/** The requirement that stands for a key was merged into the selector before: a key that is named once more is the client's. */
function checkMergedKeys(keys: readonly string[], { at, selector }: { at: FieldPath; selector: LabelSelector | undefined }): void {
  const seen = new Set(Object.keys(selector?.matchLabels ?? {}));
  for (const { key } of selector?.matchExpressions ?? []) {
    const i = keys.lastIndexOf(key);
    if (i >= 0 && seen.has(key)) at.at(i).invalid(key, 'exists in both matchLabelKeys and labelSelector');
    seen.add(key);
  }
}

function checkAffinityKeys({ matchLabelKeys = [], mismatchLabelKeys = [], labelSelector: selector }: PodAffinityTerm, at: FieldPath): void {
  checkLabelKeys(matchLabelKeys, { at: at.child('matchLabelKeys'), selector });
  checkLabelKeys(mismatchLabelKeys, { at: at.child('mismatchLabelKeys'), selector });
  checkMergedKeys(matchLabelKeys, { at, selector });
  for (const [i, key] of matchLabelKeys.entries()) {
    if (mismatchLabelKeys.includes(key)) at.child('matchLabelKeys').at(i).invalid(key, 'exists in both matchLabelKeys and mismatchLabelKeys');
  }
}

function checkWeight(weight: number, at: FieldPath): void {
  if (weight < 1 || weight > 100) at.invalid(weight, 'must be in the range 1-100');
}

interface PodTerms {
  requiredDuringSchedulingIgnoredDuringExecution?: PodAffinityTerm[];
  preferredDuringSchedulingIgnoredDuringExecution?: WeightedPodAffinityTerm[];
}

function checkPodTerms(terms: PodTerms | undefined, at: FieldPath): void {
  for (const [i, term] of indexed(terms?.requiredDuringSchedulingIgnoredDuringExecution)) {
    checkAffinityTerm(term, at.child('requiredDuringSchedulingIgnoredDuringExecution').at(i));
  }
  for (const [i, weighted] of indexed(terms?.preferredDuringSchedulingIgnoredDuringExecution)) {
    const path = at.child('preferredDuringSchedulingIgnoredDuringExecution').at(i);
    checkWeight(weighted.weight, path.child('weight'));
    checkAffinityTerm(weighted.podAffinityTerm ?? {}, path.child('podAffinityTerm'));
  }
}

export function checkNodeSelectorTerms(terms: readonly NodeSelectorTerm[] | undefined, at: FieldPath): void {
  if (!terms?.length) return at.required('must have at least one node selector term');
  for (const [i, term] of terms.entries()) checkNodeSelectorTerm(term, at.at(i));
}

export function checkAffinity(affinity: Affinity | undefined, at: FieldPath): void {
  const node = affinity?.nodeAffinity;
  if (node) {
    const path = at.child('nodeAffinity');
    const required = node.requiredDuringSchedulingIgnoredDuringExecution;
    if (required) checkNodeSelectorTerms(required.nodeSelectorTerms, path.child('requiredDuringSchedulingIgnoredDuringExecution').child('nodeSelectorTerms'));
    for (const [i, preferred] of indexed(node.preferredDuringSchedulingIgnoredDuringExecution)) {
      const item = path.child('preferredDuringSchedulingIgnoredDuringExecution').at(i);
      checkWeight(preferred.weight, item.child('weight'));
      checkNodeSelectorTerm(preferred.preference ?? {}, item.child('preference'), { anyValue: true });
    }
  }
  checkPodTerms(affinity?.podAffinity, at.child('podAffinity'));
  checkPodTerms(affinity?.podAntiAffinity, at.child('podAntiAffinity'));
}

type SpreadConstraint = NonNullable<PodSpec['topologySpreadConstraints']>[number];

function checkMinDomains({ minDomains, whenUnsatisfiable }: SpreadConstraint, at: FieldPath): void {
  if (minDomains === undefined) return;
  if (minDomains <= 0) at.invalid(minDomains, 'must be greater than zero');
  if (whenUnsatisfiable !== 'DoNotSchedule') at.invalid(minDomains, `can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ${whenUnsatisfiable ?? ''}`);
}

export function checkTopologySpread(spec: PodSpec, at: FieldPath): void {
  const constraints = spec.topologySpreadConstraints ?? [];
  const pairOf = ({ topologyKey = '', whenUnsatisfiable = '' }: SpreadConstraint): string => `{${topologyKey}, ${whenUnsatisfiable}}`;
  for (const [i, constraint] of constraints.entries()) {
    const path = at.at(i);
    const { maxSkew = 0, topologyKey, whenUnsatisfiable = '' } = constraint;
    if (maxSkew <= 0) path.child('maxSkew').invalid(maxSkew, 'must be greater than zero');
    if (!topologyKey) path.child('topologyKey').required('can not be empty');
    const actions = ['DoNotSchedule', 'ScheduleAnyway'];
    if (!actions.includes(whenUnsatisfiable)) path.child('whenUnsatisfiable').notSupported(whenUnsatisfiable, actions);
    const pair = pairOf(constraint);
    if (constraints.slice(i + 1).some((later) => pairOf(later) === pair)) path.child('{topologyKey, whenUnsatisfiable}').duplicate(pair);
    checkMinDomains(constraint, path.child('minDomains'));
    for (const name of ['nodeAffinityPolicy', 'nodeTaintsPolicy'] as const) {
      const policy = constraint[name];
      if (policy !== undefined && !['Honor', 'Ignore'].includes(policy)) path.child(name).notSupported(policy, ['Honor', 'Ignore']);
    }
    const selector = constraint.labelSelector;
    checkLabelKeys(constraint.matchLabelKeys, { at: path.child('matchLabelKeys'), selector });
    checkMergedKeys(constraint.matchLabelKeys ?? [], { at: path.child('matchLabelKeys'), selector });
    checkLabelSelector(selector, path.child('labelSelector'));
  }
}

export function checkGates(spec: PodSpec, at: FieldPath): void {
  for (const [i, gate] of indexed(spec.readinessGates)) {
    at.child('readinessGates').at(i).child('conditionType').matches(gate.conditionType, qualifiedName);
  }
  const names = new Set<string>();
  for (const [i, gate] of indexed(spec.schedulingGates)) {
    const path = at.child('schedulingGates').at(i);
    path.matches(gate.name, qualifiedName);
    if (names.has(gate.name)) path.duplicate(gate.name);
    names.add(gate.name);
  }
}
