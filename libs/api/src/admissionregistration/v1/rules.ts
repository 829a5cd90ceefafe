import type { NamedRuleWithOperations, RuleWithOperations } from '../../../gen/types.ts';
import type { FieldPath } from '../../validation/field-path.ts';
import { pathSegment } from '../../validation/names.ts';

type Rule = RuleWithOperations | NamedRuleWithOperations;

const operationNames = ['*', 'CONNECT', 'CREATE', 'DELETE', 'UPDATE'];

export function defaultRules(rules: readonly Rule[] | undefined): void {
  for (const rule of rules ?? []) rule.scope ??= '*';
}

function checkAlone(list: readonly string[], { at, what }: { at: FieldPath; what: string }): void {
  if (list.length === 0) at.required();
  if (list.length > 1 && list.includes('*')) at.invalid(list, `if '*' is present, must not specify other ${what}`);
}

/** What an earlier entry covers already: `x/*` every subresource of x, `*` + `/x` the subresource x of everything. */
function checkResources(resources: readonly string[], at: FieldPath): void {
  if (resources.length === 0) at.required();
  const whole = new Set<string>();
  const everywhere = new Set<string>();
  let namesOne = false;
  for (const [i, entry] of resources.entries()) {
    const slash = entry.indexOf('/');
    if (entry === '') at.at(i).required();
    else if (slash < 0) namesOne = entry !== '*';
    else {
      const [resource, subresource] = [entry.slice(0, slash), entry.slice(slash + 1)];
      if (whole.has(resource)) at.at(i).invalid(entry, `if '${resource}/*' is present, must not specify ${entry}`);
      if (everywhere.has(subresource)) at.at(i).invalid(entry, `if '*/${subresource}' is present, must not specify ${entry}`);
      if (subresource === '*') whole.add(resource);
      if (resource === '*') everywhere.add(subresource);
    }
  }
  if (resources.length > 1 && resources.includes('*/*')) at.invalid(resources, "if '*/*' is present, must not specify other resources");
  if (resources.includes('*') && namesOne) at.invalid(resources, "if '*' is present, must not specify other resources without subresources");
}

export function checkRule(rule: Rule, at: FieldPath): void {
  const { operations = [], apiGroups = [], apiVersions = [], resources = [] } = rule;
  checkAlone(operations, { at: at.child('operations'), what: 'operations' });
  for (const [i, operation] of operations.entries()) {
    if (!operationNames.includes(operation)) at.child('operations').at(i).notSupported(operation, operationNames);
  }
  checkAlone(apiGroups, { at: at.child('apiGroups'), what: 'API groups' });
  checkAlone(apiVersions, { at: at.child('apiVersions'), what: 'API versions' });
  for (const [i, version] of apiVersions.entries()) if (version === '') at.child('apiVersions').at(i).required();
  checkResources(resources, at.child('resources'));
  if (rule.scope !== undefined && !['*', 'Cluster', 'Namespaced'].includes(rule.scope)) at.child('scope').notSupported(rule.scope, ['*', 'Cluster', 'Namespaced']);
}

export function checkNamedRule(rule: NamedRuleWithOperations, at: FieldPath): void {
  const seen = new Set<string>();
  for (const [i, name] of (rule.resourceNames ?? []).entries()) {
    const path = at.child('resourceNames').at(i);
    path.matches(name, pathSegment);
    if (seen.has(name)) path.duplicate(name);
    seen.add(name);
  }
  checkRule(rule, at);
}
