import type { FlowSchema, FlowcontrolV1Subject, NonResourcePolicyRule, ResourcePolicyRule } from '@orrery/api/types';
import type { RequestInfo, UserInfo } from '../pipeline/request-info.ts';

/** A FlowSchema made ready for matching. */
export interface Classifier {
  readonly name: string;
  readonly uid: string;
  /** Name of the priority level. */
  readonly level: string;
  readonly precedence: number;
  /** What tells flows of this schema apart. */
  readonly distinguisher: 'ByUser' | 'ByNamespace' | '';
  matches(user: UserInfo, info: RequestInfo): boolean;
}

type SubjectTest = (user: UserInfo) => boolean;
type RuleTest = (info: RequestInfo) => boolean;

function oneOf(values: readonly string[] | undefined): (value: string) => boolean {
  const all = values ?? [];
  if (all.includes('*')) return () => true;
  if (all.length === 1) return (value) => value === all[0];
  const set = new Set(all);
  return (value) => set.has(value);
}

function serviceAccountTest(namespace: string, name: string): SubjectTest {
  const prefix = `system:serviceaccount:${namespace}:`;
  if (name !== '*') return ({ username }) => username === prefix + name;
  return ({ username }) => username.startsWith(prefix) && username.length > prefix.length;
}

/** One test for all users and groups of a rule, one for each service account. */
function subjectTest(subjects: readonly FlowcontrolV1Subject[]): SubjectTest {
  const users = subjects.flatMap((s) => (s.kind === 'User' && s.user ? [s.user.name] : []));
  const groups = subjects.flatMap((s) => (s.kind === 'Group' && s.group ? [s.group.name] : []));
  const tests: SubjectTest[] = subjects.flatMap((s) => (s.kind === 'ServiceAccount' && s.serviceAccount ? [serviceAccountTest(s.serviceAccount.namespace, s.serviceAccount.name)] : []));
  if (users.length) {
    const isOne = oneOf(users);
    tests.push(({ username }) => isOne(username));
  }
  if (groups.length) {
    const isOne = oneOf(groups);
    tests.push((user) => user.groups.some(isOne));
  }
  return (user) => tests.some((test) => test(user));
}

function resourceTest(rule: ResourcePolicyRule): RuleTest {
  const verb = oneOf(rule.verbs);
  const group = oneOf(rule.apiGroups);
  const resource = oneOf(rule.resources);
  const namespace = oneOf(rule.namespaces);
  const { clusterScope = false } = rule;
  return (info) =>
    verb(info.verb) &&
    group(info.group) &&
    resource(info.subresource ? `${info.resource}/${info.subresource}` : info.resource) &&
    (info.namespace === '' ? clusterScope : namespace(info.namespace));
}

function nonResourceTest(rule: NonResourcePolicyRule): RuleTest {
  const verb = oneOf(rule.verbs);
  const urls = rule.nonResourceURLs ?? [];
  const fits = (url: string, path: string): boolean => url === '*' || url === path || (url.endsWith('*') && path.startsWith(url.slice(0, -1)));
  return (info) => verb(info.verb) && urls.some((url) => fits(url, info.path));
}

export function classifier(schema: FlowSchema): Classifier {
  const { metadata, spec } = schema;
  const rules = (spec?.rules ?? []).map((rule) => ({
    subject: subjectTest(rule.subjects ?? []),
    resources: (rule.resourceRules ?? []).map(resourceTest),
    paths: (rule.nonResourceRules ?? []).map(nonResourceTest),
  }));
  const by = spec?.distinguisherMethod?.type;
  return {
    name: metadata?.name ?? '',
    uid: metadata?.uid ?? '',
    level: spec?.priorityLevelConfiguration?.name ?? '',
    precedence: spec?.matchingPrecedence ?? 1000,
    distinguisher: by === 'ByUser' || by === 'ByNamespace' ? by : '',
    matches: (user, info) => rules.some((rule) => rule.subject(user) && (info.isResource ? rule.resources : rule.paths).some((test) => test(info))),
  };
}

/** Which flow of its schema a request belongs to. */
export function flowOf({ distinguisher }: Classifier, user: UserInfo, info: RequestInfo): string {
  if (distinguisher === 'ByUser') return user.username;
  return distinguisher === 'ByNamespace' ? info.namespace : '';
}

/** The order of matching: by precedence, then by name. */
export function inMatchingOrder(classifiers: readonly Classifier[]): Classifier[] {
  return [...classifiers].sort((a, b) => a.precedence - b.precedence || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}
