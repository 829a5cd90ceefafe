import type { Container, ContainerResizePolicy } from '../../../../gen/types.ts';
import { type FieldPath, indexed } from '../../../validation/field-path.ts';

const policies = ['Always', 'Never', 'OnFailure'];
const actions = ['Restart', 'RestartAllContainers'];
const operators = ['In', 'NotIn'];
const maxRules = 20;
const maxExitCodes = 255;

type Rule = NonNullable<Container['restartPolicyRules']>[number];

function checkRule(rule: Rule, at: FieldPath): void {
  if (!actions.includes(rule.action)) at.child('action').notSupported(rule.action ?? '', actions);
  const codes = at.child('exitCodes');
  if (!rule.exitCodes) return codes.required('must be specified');
  const { operator = '', values = [] } = rule.exitCodes;
  if (!operators.includes(operator)) codes.child('operator').notSupported(operator, operators);
  if (values.length > maxExitCodes) codes.child('values').tooMany(values.length, maxExitCodes);
}

/** A container's own restart policy and the rules that take exit codes. */
export function checkRestart(container: Container, at: FieldPath): void {
  const policy = container.restartPolicy;
  const rules = container.restartPolicyRules ?? [];
  if (policy === undefined) {
    if (rules.length === 0) return;
    at.child('restartPolicy').required('must specify restartPolicy when restart rules are used');
  } else if (!policies.includes(policy)) at.child('restartPolicy').notSupported(policy, policies);
  if (rules.length > maxRules) at.child('restartPolicyRules').tooMany(rules.length, maxRules);
  for (const [i, rule] of rules.entries()) checkRule(rule, at.child('restartPolicyRules').at(i));
}

/** Upstream reports all but doubles at the list. */
export function checkResizePolicies(list: readonly ContainerResizePolicy[] | undefined, { at, restartPolicy }: { at: FieldPath; restartPolicy: string | undefined }): void {
  const seen = new Set<string>();
  for (const [i, policy] of indexed(list)) {
    if (seen.has(policy.resourceName)) at.at(i).duplicate(policy.resourceName);
    seen.add(policy.resourceName);
    at.requiredOneOf(policy.resourceName, ['cpu', 'memory']);
    at.requiredOneOf(policy.restartPolicy, ['NotRequired', 'RestartContainer']);
    if (restartPolicy === 'Never' && policy.restartPolicy !== 'NotRequired') {
      at.invalid(policy.restartPolicy, "must be 'NotRequired' when pod `restartPolicy` is 'Never'");
    }
  }
}
