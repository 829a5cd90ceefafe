import { type KindDescriptor, Namespaces } from '@orrery/api';
import type { RuleWithOperations } from '@orrery/api/types';
import { type KubeObject, type LabelSelectorObject, selectorFromObject } from '@orrery/apimachinery';
import { notFound } from '@orrery/errors';
import type { AdmissionAttributes, PluginContext } from '../../pipeline/index.ts';
import type { Hook } from './hook.ts';

const registration = 'admissionregistration.k8s.io';
const exempt = new Set([
  'mutatingwebhookconfigurations',
  'validatingwebhookconfigurations',
  'validatingadmissionpolicies',
  'validatingadmissionpolicybindings',
  'mutatingadmissionpolicies',
  'mutatingadmissionpolicybindings',
]);

/** What decides about admission is never shown to webhooks. */
export function isExempt({ kind }: Pick<AdmissionAttributes, 'kind'>): boolean {
  return kind.group === registration && exempt.has(kind.resource);
}

/** Nor are policies, by policies: nobody could repair a broken one. */
export function isPolicy({ kind }: Pick<AdmissionAttributes, 'kind'>): boolean {
  return kind.group === registration && kind.resource.includes('admissionpolic');
}

const isNamespace = (kind: KindDescriptor): boolean => kind.group === '' && kind.resource === 'namespaces';
const includes = (list: readonly string[] | undefined, value: string): boolean => (list ?? []).some((one) => one === '*' || one === value);

/** `pods`, `pods/log`, `pods/*`, `*` (without subresources), `*` + `/scale`, `*` + `/*`. */
function namesResource(pattern: string, resource: string, subresource: string): boolean {
  const [wanted = '', sub = ''] = pattern.split('/');
  return (wanted === '*' || wanted === resource) && (sub === '*' || sub === subresource);
}

function inScope(scope: string | undefined, attributes: AdmissionAttributes): boolean {
  if (scope === undefined || scope === '*') return true;
  const isNamespaced = attributes.kind.namespaced && !isNamespace(attributes.kind);
  return scope === (isNamespaced ? 'Namespaced' : 'Cluster');
}

/** Does a rule name this write, seen as `kind` (the kind itself or an equivalent of it)? */
export function ruleMatches(rule: RuleWithOperations, attributes: AdmissionAttributes, kind: KindDescriptor = attributes.kind): boolean {
  return (
    inScope(rule.scope, attributes) &&
    includes(rule.apiGroups, kind.group) &&
    includes(rule.apiVersions, kind.version) &&
    includes(rule.operations, attributes.operation) &&
    (rule.resources ?? []).some((pattern) => namesResource(pattern, kind.resource, attributes.subresource))
  );
}

/** The same storage under another group or version. */
export function equivalents(kind: KindDescriptor, kinds: PluginContext['kinds']): readonly KindDescriptor[] {
  return kinds.all().filter((one) => one !== kind && one.storagePrefix === kind.storagePrefix && one.resource === kind.resource);
}

function kindFor({ webhook }: Hook, attributes: AdmissionAttributes, kinds: PluginContext['kinds']): KindDescriptor | undefined {
  const rules = webhook.rules ?? [];
  if (rules.some((rule) => ruleMatches(rule, attributes))) return attributes.kind;
  if (webhook.matchPolicy === 'Exact' || rules.length === 0) return undefined;
  return equivalents(attributes.kind, kinds).find((kind) => rules.some((rule) => ruleMatches(rule, attributes, kind)));
}

type Labels = Readonly<Record<string, string>> | undefined;

function isEverything(selector: LabelSelectorObject): boolean {
  return Object.keys(selector.matchLabels ?? {}).length === 0 && (selector.matchExpressions ?? []).length === 0;
}

const labelsOf = (object: unknown): Labels => (object as KubeObject | undefined)?.metadata?.labels as Labels;

function namespaceLabels(attributes: AdmissionAttributes, read: PluginContext['read']): Labels {
  const { kind, operation, subresource, object, oldObject } = attributes;
  if (isNamespace(kind) && !subresource) {
    if (operation === 'CREATE' || operation === 'UPDATE') return labelsOf(object);
    return labelsOf(oldObject);
  }
  const name = isNamespace(kind) ? attributes.name : attributes.namespace;
  const namespace = read.get(Namespaces, { name });
  if (!namespace) throw notFound({ group: '', resource: 'namespaces', name });
  return labelsOf(namespace);
}

/** Is the write in a namespace that is selected? What is in no namespace always is. Throws 404 when the namespace is not there. */
export function namespaceSelected(selector: LabelSelectorObject = {}, attributes: AdmissionAttributes, read: PluginContext['read']): boolean {
  if (isEverything(selector)) return true;
  if (!attributes.kind.namespaced && !isNamespace(attributes.kind)) return true;
  return selectorFromObject(selector).matches(namespaceLabels(attributes, read));
}

/** By the labels of the object or, as labels may change, of its former state. What connects has none. */
export function objectSelected(selector: LabelSelectorObject = {}, { operation, object, oldObject }: AdmissionAttributes): boolean {
  if (isEverything(selector)) return true;
  if (operation === 'CONNECT') return false;
  const { matches } = selectorFromObject(selector);
  return [object, oldObject].some((one) => one !== undefined && matches(labelsOf(one)));
}

/**
 * As which kind a webhook wants to see a write; undefined: it does not. Conditions are asked afterwards. Throws 404 when the
 * namespace, by whose labels it selects, is not there.
 */
export function matchHook(hook: Hook, attributes: AdmissionAttributes, { kinds, read }: Pick<PluginContext, 'kinds' | 'read'>): KindDescriptor | undefined {
  const kind = kindFor(hook, attributes, kinds);
  const { namespaceSelector, objectSelector } = hook.webhook as { namespaceSelector?: LabelSelectorObject; objectSelector?: LabelSelectorObject };
  if (!kind || !namespaceSelected(namespaceSelector, attributes, read) || !objectSelected(objectSelector, attributes)) return undefined;
  return kind;
}
