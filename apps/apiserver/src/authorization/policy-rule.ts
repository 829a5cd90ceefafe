import type { PolicyRule } from '@orrery/api/types';

/** What a rule is asked about. */
export interface ResourceQuestion {
  readonly verb: string;
  readonly group: string;
  readonly resource: string;
  readonly subresource: string;
  readonly name: string;
}

const has = (list: readonly string[] | undefined, value: string): boolean => list !== undefined && (list.includes(value) || list.includes('*'));

function resourceMatches(rule: PolicyRule, question: ResourceQuestion): boolean {
  const { resources = [] } = rule;
  const combined = question.subresource ? `${question.resource}/${question.subresource}` : question.resource;
  return resources.includes('*') || resources.includes(combined) || (question.subresource !== '' && resources.includes(`*/${question.subresource}`));
}

/** Does one rule allow it? Upstream's `RuleAllows` for resources. */
export function ruleAllowsResource(rule: PolicyRule, question: ResourceQuestion): boolean {
  const { resourceNames = [] } = rule;
  return (
    has(rule.verbs, question.verb) &&
    has(rule.apiGroups, question.group) &&
    resourceMatches(rule, question) &&
    (resourceNames.length === 0 || resourceNames.includes(question.name))
  );
}

/** A path matches exactly, by `*`, or by a prefix before a final `*`. */
export function pathMatches(pattern: string, path: string): boolean {
  return pattern === '*' || pattern === path || (pattern.endsWith('*') && path.startsWith(pattern.slice(0, -1)));
}

export function ruleAllowsPath(rule: PolicyRule, question: { readonly verb: string; readonly path: string }): boolean {
  return has(rule.verbs, question.verb) && (rule.nonResourceURLs ?? []).some((pattern) => pathMatches(pattern, question.path));
}

/** Go's `%q` of a list of strings: `["a" "b"]`. */
export function quoteList(values: readonly string[]): string {
  return `[${values.map((value) => JSON.stringify(value)).join(' ')}]`;
}

/** One line, as upstream prints rules in error messages. */
export function compactRule(rule: PolicyRule): string {
  const parts: [string, readonly string[] | undefined][] = [
    ['APIGroups', rule.apiGroups],
    ['Resources', rule.resources],
    ['NonResourceURLs', rule.nonResourceURLs],
    ['ResourceNames', rule.resourceNames],
    ['Verbs', rule.verbs],
  ];
  return `{${parts.flatMap(([name, values]) => (values?.length ? [`${name}:${quoteList(values)}`] : [])).join(', ')}}`;
}

/** Splits a rule into rules of one verb and one resource (or path, or named object) each. */
function breakdown(rule: PolicyRule): PolicyRule[] {
  const out: PolicyRule[] = [];
  for (const verb of rule.verbs) {
    for (const url of rule.nonResourceURLs ?? []) out.push({ verbs: [verb], nonResourceURLs: [url] });
    for (const group of rule.apiGroups ?? []) {
      for (const resource of rule.resources ?? []) {
        if (!rule.resourceNames?.length) out.push({ verbs: [verb], apiGroups: [group], resources: [resource] });
        for (const name of rule.resourceNames ?? []) out.push({ verbs: [verb], apiGroups: [group], resources: [resource], resourceNames: [name] });
      }
    }
  }
  return out;
}

const includesAll = (owner: readonly string[] = [], wanted: readonly string[] = []): boolean => owner.includes('*') || wanted.every((value) => owner.includes(value));

function resourcesCover(owner: readonly string[] = [], wanted: readonly string[] = []): boolean {
  if (owner.includes('*')) return true;
  return wanted.every((one) => owner.includes(one) || (one.includes('/') && owner.includes(`*/${one.slice(one.indexOf('/') + 1)}`)));
}

function namesCover(owner: readonly string[] = [], wanted: readonly string[] = []): boolean {
  return owner.length === 0 || (wanted.length > 0 && wanted.every((name) => owner.includes(name)));
}

function pathsCover(owner: readonly string[] = [], wanted: readonly string[] = []): boolean {
  return wanted.every((one) => owner.some((pattern) => pathMatches(pattern, one)));
}

/** Does one of the owner's rules include the (broken down) rule? */
function covered(rule: PolicyRule, owned: readonly PolicyRule[]): boolean {
  return owned.some((owner) => {
    if (!includesAll(owner.verbs, rule.verbs)) return false;
    if (rule.nonResourceURLs?.length) return pathsCover(owner.nonResourceURLs, rule.nonResourceURLs);
    return includesAll(owner.apiGroups, rule.apiGroups) && resourcesCover(owner.resources, rule.resources) && namesCover(owner.resourceNames, rule.resourceNames);
  });
}

/** Joins rules that differ in their verbs only. */
function compactAll(rules: readonly PolicyRule[]): PolicyRule[] {
  const bySubject = new Map<string, PolicyRule & { verbs: string[] }>();
  for (const rule of rules) {
    const { verbs, ...subject } = rule;
    const key = JSON.stringify(subject);
    const known = bySubject.get(key);
    if (known) known.verbs.push(...verbs.filter((verb) => !known.verbs.includes(verb)));
    else bySubject.set(key, { ...subject, verbs: [...verbs] });
  }
  return [...bySubject.values()];
}

/** What of `wanted` the rules in `owned` do not include; empty when all is covered. */
export function uncoveredRules(owned: readonly PolicyRule[], wanted: readonly PolicyRule[]): PolicyRule[] {
  return compactAll(wanted.flatMap(breakdown).filter((rule) => !covered(rule, owned)));
}
