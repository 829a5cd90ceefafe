import { ConfigError } from '@orrery/runtime';
import type { AuthorizationAttributes, UserInfo } from '../pipeline/index.ts';
import type { ResolvingAuthorizer } from './rule-resolver.ts';

/** One line of an ABAC policy file (abac.authorization.kubernetes.io/v1beta1), its wildcards spelled out. */
interface Policy {
  readonly user: string;
  readonly group: string;
  readonly readonly: boolean;
  readonly apiGroup: string;
  readonly resource: string;
  readonly namespace: string;
  readonly nonResourcePath: string;
}

const everybody = 'system:authenticated';
const readVerbs = ['get', 'list', 'watch'];
const text = (value: unknown): string => (typeof value === 'string' ? value : '');

/** `*` for user or group means whoever has proved who he is. */
function subject(user: string, group: string): Pick<Policy, 'user' | 'group'> {
  return user === '*' || group === '*' ? { user: '', group: everybody } : { user, group };
}

function versioned(spec: Record<string, unknown>): Policy {
  return {
    ...subject(text(spec['user']), text(spec['group'])),
    readonly: spec['readonly'] === true,
    apiGroup: text(spec['apiGroup']),
    resource: text(spec['resource']),
    namespace: text(spec['namespace']),
    nonResourcePath: text(spec['nonResourcePath']),
  };
}

/** Lines without apiVersion are of the first form: what is left out matches everything. */
function unversioned(line: Record<string, unknown>): Policy {
  const [user, group, namespace, resource] = [text(line['user']), text(line['group']), text(line['namespace']), text(line['resource'])];
  return {
    ...(user || group ? subject(user, group) : { user: '', group: everybody }),
    readonly: line['readonly'] === true,
    apiGroup: '*',
    resource: resource || '*',
    namespace: namespace || '*',
    nonResourcePath: !namespace && !resource ? '*' : '',
  };
}

function parseLine(line: string, number: number): Policy {
  let value: Record<string, unknown>;
  try {
    value = JSON.parse(line) as Record<string, unknown>;
  } catch (error) {
    throw new ConfigError(`error reading policy file: line ${number}: ${line}: ${(error as Error).message}`);
  }
  if (value['apiVersion'] === undefined && value['kind'] === undefined) return unversioned(value);
  if (value['apiVersion'] !== 'abac.authorization.kubernetes.io/v1beta1' || value['kind'] !== 'Policy') {
    throw new ConfigError(`error reading policy file: line ${number}: ${line}: unrecognized object`);
  }
  return versioned((value['spec'] ?? {}) as Record<string, unknown>);
}

/** Policies of a file of JSON lines; empty lines and lines that begin with # count for nothing. Throws ConfigError. */
export function parsePolicies(file: string): Policy[] {
  return file.split('\n').flatMap((line, i) => {
    const trimmed = line.trim();
    return trimmed === '' || trimmed.startsWith('#') ? [] : [parseLine(trimmed, i + 1)];
  });
}

function matchesSubject(policy: Policy, user: UserInfo): boolean {
  if (policy.user && policy.user !== user.username) return false;
  if (policy.group && !user.groups.includes(policy.group)) return false;
  return Boolean(policy.user || policy.group);
}

const matchesField = (wanted: string, value: string): boolean => wanted === '*' || wanted === value;

function matchesPath(pattern: string, path: string): boolean {
  return matchesField(pattern, path) || (pattern.endsWith('*') && path.startsWith(pattern.slice(0, -1)));
}

function allows(policy: Policy, { user, info }: AuthorizationAttributes): boolean {
  if (!matchesSubject(policy, user) || (policy.readonly && !readVerbs.includes(info.verb))) return false;
  if (!info.isResource) return policy.nonResourcePath !== '' && matchesPath(policy.nonResourcePath, info.path);
  return matchesField(policy.namespace, info.namespace) && matchesField(policy.resource, info.resource) && matchesField(policy.apiGroup, info.group);
}

/** Attribute-based access control by a policy file that is read once. */
export function abacAuthorizer(policies: readonly Policy[]): ResolvingAuthorizer {
  return {
    name: 'ABAC',
    authorize: (attributes) => (policies.some((policy) => allows(policy, attributes)) ? { decision: 'allow', reason: '' } : { decision: 'noOpinion', reason: 'No policy matched.' }),
    rulesFor(user, namespace) {
      const mine = policies.filter((policy) => matchesSubject(policy, user));
      const verbs = (policy: Policy): string[] => (policy.readonly ? [...readVerbs] : ['*']);
      return {
        resourceRules: mine.filter((policy) => policy.resource && matchesField(policy.namespace, namespace)).map((policy) => ({ verbs: verbs(policy), apiGroups: [policy.apiGroup], resources: [policy.resource] })),
        nonResourceRules: mine.filter((policy) => policy.nonResourcePath).map((policy) => ({ verbs: verbs(policy), nonResourceURLs: [policy.nonResourcePath] })),
        incomplete: false,
        errors: [],
      };
    },
  };
}
