import type { FlowSchema, FlowSchemaSpec, FlowcontrolV1Subject, NonResourcePolicyRule, ResourcePolicyRule } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { ageColumn, nameColumn, text } from '../../printing/columns.ts';
import { semanticEqual } from '../../equality.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { dns1123Label, dns1123Subdomain } from '../../validation/names.ts';
import { mandatoryFlowSchemas } from '../mandatory.ts';

const maxPrecedence = 10_000;
const verbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'proxy', 'update', 'watch'];
const subjectKinds = ['Group', 'ServiceAccount', 'User'] as const;

type SubjectKind = (typeof subjectKinds)[number];
type Part = 'group' | 'serviceAccount' | 'user';

const partOf: Readonly<Record<SubjectKind, Part>> = { Group: 'group', ServiceAccount: 'serviceAccount', User: 'user' };

function checkServiceAccount({ serviceAccount }: FlowcontrolV1Subject, at: FieldPath): void {
  const { name, namespace } = serviceAccount ?? {};
  if (name !== '*') at.child('name').requires(name, dns1123Subdomain);
  if (namespace) at.child('namespace').matches(namespace, dns1123Label);
  else at.child('namespace').required('must specify namespace for service account');
}

function checkSubject(subject: FlowcontrolV1Subject, at: FieldPath): void {
  const kind = subjectKinds.find((one) => one === subject.kind);
  if (!kind) return at.child('kind').notSupported(subject.kind ?? '', subjectKinds);
  const own = partOf[kind];
  if (!subject[own]) at.child(own).required(`${own} is required when subject kind is '${kind}'`);
  else if (kind === 'ServiceAccount') checkServiceAccount(subject, at.child(own));
  else if (!subject[own]?.name) at.child(own).child('name').required();
  for (const other of subjectKinds) {
    const part = partOf[other];
    if (part !== own && subject[part]) at.child(part).forbidden(`${part} is forbidden when subject kind is not '${other}'`);
  }
}

/** A list that is not empty, in which `*` stands alone. True when single values are left to be checked. */
function checkWildcard(values: readonly string[] | undefined, at: FieldPath, says: { readonly none: string; readonly others: string }): boolean {
  if (!values?.length) at.required(says.none);
  else if (!values.includes('*')) return true;
  else if (values.length > 1) at.invalid(values, `if '*' is present, must not specify other ${says.others}`);
  return false;
}

function checkVerbs(given: readonly string[] | undefined, at: FieldPath): void {
  if (checkWildcard(given, at, { none: 'verbs must contain at least one value', others: 'verbs' }) && given?.some((verb) => !verbs.includes(verb))) at.notSupported(given, verbs);
}

function checkUrl(url: string, at: FieldPath): void {
  if (url === '') at.invalid(url, 'must not be empty');
  else if (!url.startsWith('/')) at.invalid(url, 'must start with slash');
  else if (url.includes(' ')) at.invalid(url, 'must not contain white-space');
  else if (url.includes('//')) at.invalid(url, 'must not contain double slash');
  else if (url.includes('*') && (url.indexOf('*') < url.length - 1 || !url.endsWith('/*'))) at.invalid(url, 'wildcard can only do suffix matching');
}

function checkNonResourceRule(rule: NonResourcePolicyRule, at: FieldPath): void {
  checkVerbs(rule.verbs, at.child('verbs'));
  const urls = at.child('nonResourceURLs');
  if (!checkWildcard(rule.nonResourceURLs, urls, { none: 'nonResourceURLs must contain at least one value', others: 'non-resource URLs' })) return;
  for (const [i, url] of rule.nonResourceURLs.entries()) checkUrl(url, urls.at(i));
}

function checkResourceRule(rule: ResourcePolicyRule, at: FieldPath): void {
  checkVerbs(rule.verbs, at.child('verbs'));
  checkWildcard(rule.apiGroups, at.child('apiGroups'), { none: 'resource rules must supply at least one api group', others: 'api groups' });
  checkWildcard(rule.resources, at.child('resources'), { none: 'resource rules must supply at least one resource', others: 'resources' });
  const namespaces = at.child('namespaces');
  if (!rule.namespaces?.length && rule.clusterScope) return;
  if (!checkWildcard(rule.namespaces, namespaces, { none: 'resource rules that are not cluster scoped must supply at least one namespace', others: 'namespaces' })) return;
  for (const [i, namespace] of (rule.namespaces ?? []).entries()) {
    for (const message of dns1123Label(namespace)) namespaces.at(i).invalid(namespace, `each member of this list must be '*' or a DNS-1123 label; ${message}`);
  }
}

function checkRules({ rules }: FlowSchemaSpec, at: FieldPath): void {
  for (const [i, rule] of (rules ?? []).entries()) {
    const path = at.at(i);
    const { subjects = [], resourceRules = [], nonResourceRules = [] } = rule;
    if (!subjects.length) path.child('subjects').required('subjects must contain at least one value');
    for (const [s, subject] of subjects.entries()) checkSubject(subject, path.child('subjects').at(s));
    if (!resourceRules.length && !nonResourceRules.length) path.required('at least one of resourceRules and nonResourceRules has to be non-empty');
    for (const [r, one] of resourceRules.entries()) checkResourceRule(one, path.child('resourceRules').at(r));
    for (const [r, one] of nonResourceRules.entries()) checkNonResourceRule(one, path.child('nonResourceRules').at(r));
  }
}

function checkSpec({ metadata, spec }: FlowSchema, at: FieldPath): void {
  const precedence = spec?.matchingPrecedence ?? 0;
  const name = metadata?.name ?? '';
  const path = at.child('matchingPrecedence');
  if (precedence <= 0) path.invalid(precedence, 'must be a positive value');
  if (precedence > maxPrecedence) path.invalid(precedence, `must not be greater than ${maxPrecedence}`);
  if (precedence === 1 && name !== 'exempt') path.invalid(precedence, "only the schema named 'exempt' may have matchingPrecedence 1");
  const distinguisher = spec?.distinguisherMethod;
  if (distinguisher && !['ByNamespace', 'ByUser'].includes(distinguisher.type)) at.child('distinguisherMethod').child('type').notSupported(distinguisher.type ?? '', ['ByNamespace', 'ByUser']);
  const level = spec?.priorityLevelConfiguration?.name;
  const levelAt = at.child('priorityLevelConfiguration').child('name');
  if (level) levelAt.matches(level, dns1123Subdomain);
  else levelAt.required('must reference a priority level');
  if (spec) checkRules(spec, at.child('rules'));
  const fixed = mandatoryFlowSchemas[name];
  if (fixed && !semanticEqual(spec, fixed)) at.invalid(spec, `spec of '${name}' must equal the fixed value`);
}

/** Conditions are named, each once. */
export function checkConditions(conditions: readonly { readonly type?: string }[] | undefined, at: FieldPath): void {
  const seen = new Set<string>();
  for (const [i, { type = '' }] of (conditions ?? []).entries()) {
    const path = at.at(i).child('type');
    if (seen.has(type)) path.duplicate(type);
    seen.add(type);
    if (type === '') path.required('must not be empty');
  }
}

const checkStatus = ({ status }: FlowSchema, root: FieldPath): void => checkConditions(status?.conditions, root.child('status').child('conditions'));

function dangling({ status }: FlowSchema): string {
  return (status?.conditions ?? []).find(({ type }) => type === 'Dangling')?.status ?? '?';
}

export const flowSchemaKind = defineKind<FlowSchema>({
  group: 'flowcontrol.apiserver.k8s.io',
  version: 'v1',
  kind: 'FlowSchema',
  resource: 'flowschemas',
  namespaced: false,
  hasStatus: true,
  generation: 'spec',
  defaults: ({ spec }) => {
    if (spec) spec.matchingPrecedence ||= 1000;
  },
  validate: (schema) =>
    findProblems((root) => {
      checkSpec(schema, root.child('spec'));
      checkStatus(schema, root);
    }),
  validateStatusUpdate: (schema) => findProblems((root) => checkStatus(schema, root)),
  columns: [
    nameColumn,
    text('PriorityLevel', ({ spec }) => spec?.priorityLevelConfiguration?.name ?? '<none>'),
    text('MatchingPrecedence', ({ spec }) => String(spec?.matchingPrecedence ?? 0)),
    text('DistinguisherMethod', ({ spec }) => spec?.distinguisherMethod?.type ?? '<none>'),
    ageColumn,
    text('MissingPL', dangling),
  ],
});
