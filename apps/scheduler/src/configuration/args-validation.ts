import type { NodeSelectorTerm } from '@orrery/api/types';
import { qualifiedName } from '@orrery/apimachinery';
import { type FieldError, fieldError } from '@orrery/errors';
import { parseGoDuration } from '@orrery/runtime';
import type {
  DefaultPreemptionArgs,
  DynamicResourcesArgs,
  InterPodAffinityArgs,
  NodeAffinityArgs,
  NodeResourcesBalancedAllocationArgs,
  NodeResourcesFitArgs,
  PodTopologySpreadArgs,
  ResourceSpec,
  UtilizationShapePoint,
  VolumeBindingArgs,
} from './types.ts';

const { invalid, required, duplicate, forbidden, notSupported } = fieldError;

const maxCustomScore = 10;
const spreadActions = ['DoNotSchedule', 'ScheduleAnyway'];
const strategies = ['LeastAllocated', 'MostAllocated', 'RequestedToCapacityRatio'];
const selectorOperators = ['In', 'NotIn', 'Exists', 'DoesNotExist', 'Gt', 'Lt'];

const labelName = (value: string, path: string): FieldError[] => qualifiedName(value).map((problem) => invalid(path, value, problem));

function validatePreemption({ minCandidateNodesPercentage: share, minCandidateNodesAbsolute: count }: DefaultPreemptionArgs, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const [atShare, atCount] = [`${path}.minCandidateNodesPercentage`, `${path}.minCandidateNodesAbsolute`];
  if (share < 0 || share > 100) errors.push(invalid(atShare, share, 'not in valid range [0, 100]'));
  if (count < 0) errors.push(invalid(atCount, count, 'not in valid range [0, inf)'));
  if (share === 0 && count === 0) {
    errors.push(invalid(atShare, share, 'cannot be zero at the same time as minCandidateNodesAbsolute'));
    errors.push(invalid(atCount, count, 'cannot be zero at the same time as minCandidateNodesPercentage'));
  }
  return errors;
}

function validateInterPodAffinity({ hardPodAffinityWeight: weight }: InterPodAffinityArgs, path: string): FieldError[] {
  return weight < 0 || weight > 100 ? [invalid(`${path}.hardPodAffinityWeight`, weight, 'not in valid range [0, 100]')] : [];
}

function validateSpread({ defaultConstraints, defaultingType }: PodTopologySpreadArgs, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const atType = `${path}.defaultingType`;
  if (defaultingType !== 'System' && defaultingType !== 'List') errors.push(notSupported(atType, defaultingType, ['System', 'List']));
  if (defaultingType === 'System' && defaultConstraints.length) errors.push(invalid(atType, defaultingType, 'when .defaultConstraints are not empty'));
  defaultConstraints.forEach((constraint, i) => {
    const at = `${path}.defaultConstraints[${i}]`;
    const { maxSkew, topologyKey, whenUnsatisfiable: action } = constraint;
    if (!(maxSkew > 0)) errors.push(invalid(`${at}.maxSkew`, maxSkew ?? 0, 'not in valid range (0, inf)'));
    if (!topologyKey) errors.push(required(`${at}.topologyKey`, 'can not be empty'));
    else errors.push(...labelName(topologyKey, `${at}.topologyKey`));
    if (!action) errors.push(required(`${at}.whenUnsatisfiable`, 'can not be empty'));
    else if (!spreadActions.includes(action)) errors.push(notSupported(`${at}.whenUnsatisfiable`, action, spreadActions));
    if (constraint.labelSelector) errors.push(forbidden(`${at}.labelSelector`, 'constraint must not define a selector, as they deduced for each pod'));
    const before = defaultConstraints.slice(0, i);
    if (before.some((other) => other.topologyKey === topologyKey && other.whenUnsatisfiable === action)) errors.push(duplicate(at, `{${topologyKey}, ${action}}`));
  });
  return errors;
}

/** Utilization rises from point to point; scores are 0…10. */
export function validateShape(shape: readonly UtilizationShapePoint[], path: string): FieldError[] {
  if (shape.length === 0) return [required(path, 'at least one point must be specified')];
  const errors: FieldError[] = [];
  const unsorted = shape.findIndex(({ utilization = 0 }, i) => i > 0 && (shape[i - 1]?.utilization ?? 0) >= utilization);
  if (unsorted > 0) errors.push(invalid(`${path}[${unsorted}].utilization`, shape[unsorted]?.utilization ?? 0, 'values must be sorted in increasing order'));
  shape.forEach(({ utilization = 0, score = 0 }, i) => {
    if (utilization < 0 || utilization > 100) errors.push(invalid(`${path}[${i}].utilization`, utilization, 'not in valid range [0, 100]'));
    if (score < 0 || score > maxCustomScore) errors.push(invalid(`${path}[${i}].score`, score, `not in valid range [0, ${maxCustomScore}]`));
  });
  return errors;
}

function validateResources(resources: readonly ResourceSpec[], path: string): FieldError[] {
  return resources.flatMap(({ name, weight }, i) => (weight <= 0 || weight > 100 ? [invalid(`${path}[${i}].weight`, weight, `resource weight of ${name} not in valid range (0, 100]`)] : []));
}

function validateFit({ ignoredResources = [], ignoredResourceGroups = [], scoringStrategy }: NodeResourcesFitArgs, path: string): FieldError[] {
  const at = `${path}.scoringStrategy`;
  const { type, resources, requestedToCapacityRatio: ratio } = scoringStrategy;
  const errors = ignoredResources.flatMap((name, i) => labelName(name, `${path}.ignoredResources[${i}]`));
  ignoredResourceGroups.forEach((group, i) => {
    const where = `${path}.ignoredResourceGroups[${i}]`;
    if (group.includes('/')) errors.push(invalid(where, group, "resource group name can't contain '/'"));
    errors.push(...labelName(group, where));
  });
  if (!strategies.includes(type)) errors.push(notSupported(`${at}.type`, type, strategies));
  errors.push(...validateResources(resources, `${at}.resources`));
  if (type !== 'RequestedToCapacityRatio') {
    if (ratio) errors.push(forbidden(`${at}.requestedToCapacityRatio`, 'must be nil when type is not RequestedToCapacityRatio'));
  } else if (!ratio) errors.push(required(`${at}.requestedToCapacityRatio`, 'must be specified when type is RequestedToCapacityRatio'));
  else errors.push(...validateShape(ratio.shape ?? [], `${at}.requestedToCapacityRatio.shape`));
  return errors;
}

function validateBalanced({ resources }: NodeResourcesBalancedAllocationArgs, path: string): FieldError[] {
  return resources.flatMap(({ name, weight }, i) => {
    const at = `${path}.resources[${i}]`;
    const again = resources.slice(0, i).some((other) => other.name === name);
    return [...(again ? [duplicate(`${at}.name`, name)] : []), ...(weight === 1 ? [] : [invalid(`${at}.weight`, weight, 'must be 1')])];
  });
}

function validateTerm({ matchExpressions = [], matchFields = [] }: NodeSelectorTerm, path: string): FieldError[] {
  const errors: FieldError[] = [];
  matchExpressions.forEach(({ key, operator }, i) => {
    const at = `${path}.matchExpressions[${i}]`;
    if (!selectorOperators.includes(operator)) errors.push(invalid(`${at}.operator`, operator, 'not a valid selector operator'));
    errors.push(...labelName(key ?? '', `${at}.key`));
  });
  matchFields.forEach(({ operator, values = [] }, i) => {
    const at = `${path}.matchFields[${i}]`;
    if (operator !== 'In' && operator !== 'NotIn') errors.push(invalid(`${at}.operator`, operator, 'not a valid selector operator'));
    else if (values.length !== 1) errors.push(required(`${at}.values`, "must have one element"));
  });
  return errors;
}

function validateNodeAffinity({ addedAffinity }: NodeAffinityArgs, path: string): FieldError[] {
  const at = `${path}.addedAffinity`;
  const required = addedAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  const preferred = addedAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
  return [
    ...required.flatMap((term, i) => validateTerm(term, `${at}.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[${i}]`)),
    ...preferred.flatMap(({ preference }, i) => validateTerm(preference ?? {}, `${at}.preferredDuringSchedulingIgnoredDuringExecution[${i}]`)),
  ];
}

function validateVolumeBinding({ bindTimeoutSeconds, shape }: VolumeBindingArgs, path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (bindTimeoutSeconds < 0) errors.push(invalid(`${path}.bindTimeoutSeconds`, bindTimeoutSeconds, 'invalid BindTimeoutSeconds, should not be a negative value'));
  if (shape) errors.push(invalid(`${path}.shape`, shape, 'unexpected field `shape`, remove it or turn on the feature gate StorageCapacityScoring'));
  return errors;
}

function validateDynamicResources({ filterTimeout, bindingTimeout }: DynamicResourcesArgs, path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (parseGoDuration(filterTimeout) < 0) errors.push(invalid(`${path}.filterTimeout`, filterTimeout, 'must be zero or positive'));
  if (parseGoDuration(bindingTimeout) < 1000) errors.push(invalid(`${path}.bindingTimeout`, bindingTimeout, 'must be at least 1 second'));
  return errors;
}

type Rule = (args: any, path: string) => FieldError[];

/** What is wrong with the args of a plugin; plugins that are not named take anything. */
export const argsRules: Readonly<Record<string, Rule>> = {
  DefaultPreemption: validatePreemption,
  InterPodAffinity: validateInterPodAffinity,
  NodeAffinity: validateNodeAffinity,
  NodeResourcesBalancedAllocation: validateBalanced,
  NodeResourcesFit: validateFit,
  PodTopologySpread: validateSpread,
  VolumeBinding: validateVolumeBinding,
  DynamicResources: validateDynamicResources,
  RequestedToCapacityRatio: ({ shape = [] }: { shape?: readonly UtilizationShapePoint[] }, path) => validateShape(shape, `${path}.shape`),
};
