import type { JobSpec, PodFailurePolicyOnExitCodesRequirement as ExitCodes, PodFailurePolicyOnPodConditionsPattern as ConditionPattern, PodFailurePolicyRule as Rule } from '../../../../gen/types.ts';
import type { FieldPath } from '../../../validation/field-path.ts';
import { qualifiedName } from '../../../validation/names.ts';

const actions = ['Count', 'FailIndex', 'FailJob', 'Ignore'];
const operators = ['In', 'NotIn'];
const statuses = ['False', 'True', 'Unknown'];
const maxRules = 20;
const maxValues = 255;
const maxPatterns = 20;

/** Upstream lists what may be there when nothing is. */
function checkChoice(value: string | undefined, { at, choices }: { at: FieldPath; choices: readonly string[] }): void {
  if (!value) at.required(`valid values: [${choices.map((choice) => JSON.stringify(choice)).join(' ')}]`);
  else at.oneOf(value, choices);
}

function checkExitCodes({ operator, containerName, values = [] }: ExitCodes, { at, containers }: { at: FieldPath; containers: ReadonlySet<string> }): void {
  checkChoice(operator, { at: at.child('operator'), choices: operators });
  if (containerName !== undefined && !containers.has(containerName)) {
    at.child('containerName').invalid(containerName, 'must be one of the container or initContainer names in the pod template');
  }
  const path = at.child('values');
  if (values.length === 0) path.invalid(values, 'at least one value is required');
  else if (values.length > maxValues) path.tooMany(values.length, maxValues);
  for (const [i, value] of values.entries()) {
    if (operator === 'In' && value === 0) path.at(i).invalid(value, 'must not be 0 for the In operator');
    if (values.indexOf(value) < i) path.at(i).duplicate(value);
  }
  if (values.some((value, i) => i > 0 && (values[i - 1] ?? 0) > value)) path.invalid(values, 'must be ordered');
}

function checkPatterns(patterns: readonly ConditionPattern[], at: FieldPath): void {
  if (patterns.length > maxPatterns) at.tooMany(patterns.length, maxPatterns);
  for (const [i, { type, status }] of patterns.entries()) {
    at.at(i).child('type').matches(type, qualifiedName);
    checkChoice(status, { at: at.at(i).child('status'), choices: statuses });
  }
}

function checkRule(rule: Rule, { at, spec, containers }: { at: FieldPath; spec: JobSpec; containers: ReadonlySet<string> }): void {
  const { action, onExitCodes, onPodConditions = [] } = rule;
  if (action === 'FailIndex' && spec.backoffLimitPerIndex === undefined) at.child('action').invalid(action, 'requires the backoffLimitPerIndex to be set');
  checkChoice(action, { at: at.child('action'), choices: actions });
  if (onExitCodes) checkExitCodes(onExitCodes, { at: at.child('onExitCodes'), containers });
  checkPatterns(onPodConditions, at.child('onPodConditions'));
  if (onExitCodes && onPodConditions.length > 0) at.invalidWithoutValue('specifying both OnExitCodes and OnPodConditions is not supported');
  if (!onExitCodes && onPodConditions.length === 0) at.invalidWithoutValue('specifying one of OnExitCodes and OnPodConditions is required');
}

export function checkPodFailurePolicy(spec: JobSpec, at: FieldPath): void {
  const rules = spec.podFailurePolicy?.rules ?? [];
  const path = at.child('rules');
  if (rules.length > maxRules) path.tooMany(rules.length, maxRules);
  const { containers = [], initContainers = [] } = spec.template?.spec ?? {};
  const names = new Set([...containers, ...initContainers].map(({ name }) => name));
  for (const [i, rule] of rules.entries()) checkRule(rule, { at: path.at(i), spec, containers: names });
}
