import { type FieldError, fieldError } from '@orrery/errors';
import { ConfigError } from '@orrery/runtime';
import { parse as parseYaml } from 'yaml';
import type { RequestInfo, UserInfo } from '../pipeline/request-info.ts';

export const levels = ['None', 'Metadata', 'Request', 'RequestResponse'] as const;
export type Level = (typeof levels)[number];

export const stages = ['RequestReceived', 'ResponseStarted', 'ResponseComplete', 'Panic'] as const;
export type Stage = (typeof stages)[number];

interface GroupResources {
  readonly group?: string;
  readonly resources?: readonly string[];
  readonly resourceNames?: readonly string[];
}

interface Rule {
  readonly level: Level;
  readonly users?: readonly string[];
  readonly userGroups?: readonly string[];
  readonly verbs?: readonly string[];
  readonly resources?: readonly GroupResources[];
  readonly namespaces?: readonly string[];
  readonly nonResourceURLs?: readonly string[];
  readonly omitStages?: readonly Stage[];
  readonly omitManagedFields?: boolean;
}

/** audit.k8s.io/v1 Policy. */
export interface Policy {
  readonly rules: readonly Rule[];
  readonly omitStages?: readonly Stage[];
  readonly omitManagedFields?: boolean;
}

/** What the policy wants of one request. */
export interface Verdict {
  readonly level: Level;
  readonly omitStages: ReadonlySet<Stage>;
  readonly omitManagedFields: boolean;
}

type Fields = Record<string, unknown>;

const dnsSubdomain = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

function checkUrls(urls: readonly string[], path: string): FieldError[] {
  return urls.flatMap((url, i) => {
    if (url === '*') return [];
    const errors: FieldError[] = [];
    if (!url.startsWith('/')) errors.push(fieldError.invalid(`${path}[${i}]`, url, "non-resource URL rules must begin with a '/' character"));
    if (url.slice(0, -1).includes('*')) errors.push(fieldError.invalid(`${path}[${i}]`, url, "non-resource URL wildcards '*' must be the final character of the rule"));
    return errors;
  });
}

function checkResources(all: readonly GroupResources[], path: string): FieldError[] {
  return all.flatMap(({ group = '', resources = [], resourceNames = [] }) => {
    const errors: FieldError[] = [];
    if (group && (group.length > 253 || !dnsSubdomain.test(group))) {
      errors.push(fieldError.invalid(`${path}.group`, group, "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"));
    }
    if (resourceNames.length && !resources.length) errors.push(fieldError.invalid(`${path}.resourceNames`, resourceNames, 'using resourceNames requires at least one resource'));
    return errors;
  });
}

function checkStages(given: readonly string[], path: string): FieldError[] {
  return given.flatMap((stage, i) => ((stages as readonly string[]).includes(stage) ? [] : [fieldError.invalid(`${path}[${i}]`, stage, `allowed stages are ${stages.join(',')}`)]));
}

function checkRule(rule: Rule, path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (!rule.level) errors.push(fieldError.required(`${path}.level`));
  else if (!levels.includes(rule.level)) errors.push(fieldError.notSupported(`${path}.level`, rule.level, levels));
  const { nonResourceURLs: urls = [], resources = [], namespaces = [] } = rule;
  errors.push(...checkUrls(urls, `${path}.nonResourceURLs`), ...checkResources(resources, `${path}.resources`), ...checkStages(rule.omitStages ?? [], `${path}.omitStages`));
  if (urls.length && (resources.length || namespaces.length)) {
    errors.push(fieldError.invalid(`${path}.nonResourceURLs`, urls, 'rules cannot apply to both regular resources and non-resource URLs'));
  }
  return errors;
}

const isText = (value: unknown): boolean => typeof value === 'string';
const isTexts = (value: unknown): boolean => Array.isArray(value) && value.every(isText);

/** The shape that everything else relies on; what has the wrong type is named. */
function checkShape(value: unknown, path: string, shape: Readonly<Record<string, (value: unknown) => boolean>>): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new ConfigError(`failed decoding: ${path || 'the policy'} must be an object`);
  for (const [name, check] of Object.entries(shape)) {
    const field = (value as Fields)[name];
    if (field !== undefined && field !== null && !check(field)) throw new ConfigError(`failed decoding: ${path ? `${path}.` : ''}${name} has the wrong type`);
  }
}

const isList = (value: unknown): boolean => Array.isArray(value);
const isFlag = (value: unknown): boolean => typeof value === 'boolean';

function checkShapes(object: Fields): void {
  checkShape(object, '', { rules: isList, omitStages: isTexts, omitManagedFields: isFlag });
  for (const [i, rule] of ((object['rules'] ?? []) as Fields[]).entries()) {
    const path = `rules[${i}]`;
    checkShape(rule, path, { level: isText, users: isTexts, userGroups: isTexts, verbs: isTexts, resources: isList, namespaces: isTexts, nonResourceURLs: isTexts, omitStages: isTexts, omitManagedFields: isFlag });
    for (const [n, one] of ((rule['resources'] ?? []) as Fields[]).entries()) checkShape(one, `${path}.resources[${n}]`, { group: isText, resources: isTexts, resourceNames: isTexts });
  }
}

/** Reads a policy file. Throws ConfigError in upstream's words; `from` names the file in them. */
export function loadPolicy(text: string, from: string): Policy {
  let object: Fields;
  try {
    object = (parseYaml(text) ?? {}) as Fields;
  } catch (error) {
    throw new ConfigError(`failed decoding: ${(error as Error).message}: from file ${from}`);
  }
  const { apiVersion, kind } = object;
  if (apiVersion !== 'audit.k8s.io/v1' || kind !== 'Policy') {
    throw new ConfigError(`unknown group version field ${JSON.stringify(apiVersion ?? '')}, kind ${JSON.stringify(kind ?? '')} in policy file ${from}`);
  }
  checkShapes(object);
  const policy = object as unknown as Policy;
  if (!policy.rules?.length) throw new ConfigError(`loaded illegal policy with 0 rules from file ${from}`);
  const errors = policy.rules.flatMap((rule, i) => checkRule(rule, `rules[${i}]`));
  const lines = errors.map((error) => `${error.field}: ${error.message}`);
  if (lines.length) throw new ConfigError(lines.length === 1 ? (lines[0] as string) : `[${lines.join(', ')}]`);
  return policy;
}

function matchesUrl(spec: string, path: string): boolean {
  if (spec === '*' || spec === path) return true;
  return spec.endsWith('*') && path.startsWith(spec.replace(/\*+$/, ''));
}

function matchesResources(all: readonly GroupResources[], { group, resource, subresource, name }: RequestInfo): boolean {
  const combined = subresource ? `${resource}/${subresource}` : resource;
  return all.some((one) => {
    if ((one.group ?? '') !== group) return false;
    if (!one.resources?.length) return true;
    if (one.resourceNames?.length && !one.resourceNames.includes(name)) return false;
    return one.resources.some((spec) => spec === combined || spec === '*' || (subresource !== '' && spec === `*/${subresource}`) || spec === `${resource}/*`);
  });
}

function matches(rule: Rule, user: UserInfo | undefined, info: RequestInfo): boolean {
  if (rule.users?.length && !(user && rule.users.includes(user.username))) return false;
  if (rule.userGroups?.length && !user?.groups.some((group) => rule.userGroups?.includes(group))) return false;
  if (rule.verbs?.length && !rule.verbs.includes(info.verb)) return false;
  if (rule.namespaces?.length || rule.resources?.length) {
    if (!info.isResource) return false;
    if (rule.namespaces?.length && !rule.namespaces.includes(info.namespace)) return false;
    return !rule.resources?.length || matchesResources(rule.resources, info);
  }
  if (rule.nonResourceURLs?.length) return !info.isResource && rule.nonResourceURLs.some((spec) => matchesUrl(spec, info.path));
  return true;
}

/** The first rule that matches decides; without one, nothing is recorded. What rules want beside the level is put together once. */
export function policyEvaluator(policy: Policy): (user: UserInfo | undefined, info: RequestInfo) => Verdict {
  const verdictOf = (rule: Partial<Rule>): Verdict => ({
    level: rule.level ?? 'None',
    omitStages: new Set([...(policy.omitStages ?? []), ...(rule.omitStages ?? [])]),
    omitManagedFields: rule.omitManagedFields ?? policy.omitManagedFields ?? false,
  });
  const rules = policy.rules.map((rule) => ({ rule, verdict: verdictOf(rule) }));
  const otherwise = verdictOf({});
  return (user, info) => rules.find(({ rule }) => matches(rule, user, info))?.verdict ?? otherwise;
}
