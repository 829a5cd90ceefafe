import type { MatchCondition, MutatingWebhook, NamedRuleWithOperations, RuleWithOperations, ValidatingWebhook, WebhookClientConfig } from '../../../gen/types.ts';
import type { FieldPath } from '../../validation/field-path.ts';
import { checkPort } from '../../validation/fields.ts';
import { checkLabelSelector } from '../../validation/label-selector.ts';
import { dns1123Subdomain, qualifiedName } from '../../validation/names.ts';

type Webhook = MutatingWebhook | ValidatingWebhook;
type Rule = RuleWithOperations | NamedRuleWithOperations;

export function defaultRules(rules: readonly Rule[] | undefined): void {
  for (const rule of rules ?? []) rule.scope ??= '*';
}

export function defaultWebhook(webhook: Webhook): void {
  webhook.failurePolicy ??= 'Fail';
  webhook.matchPolicy ??= 'Equivalent';
  webhook.namespaceSelector ??= {};
  webhook.objectSelector ??= {};
  webhook.timeoutSeconds ??= 10;
  if (webhook.clientConfig?.service) webhook.clientConfig.service.port ??= 443;
  defaultRules(webhook.rules);
}

function checkAlone(list: readonly string[], { at, what }: { at: FieldPath; what: string }): void {
  if (list.length === 0) at.required();
  if (list.length > 1 && list.includes('*')) at.invalid(list, `if '*' is present, must not specify other ${what}`);
}

export function checkRule(rule: Rule, at: FieldPath): void {
  const { operations = [], apiGroups = [], apiVersions = [], resources = [] } = rule;
  checkAlone(operations, { at: at.child('operations'), what: 'operations' });
  for (const [i, operation] of operations.entries()) {
    const known = ['*', 'CONNECT', 'CREATE', 'DELETE', 'UPDATE'];
    if (!known.includes(operation)) at.child('operations').at(i).notSupported(operation, known);
  }
  checkAlone(apiGroups, { at: at.child('apiGroups'), what: 'API groups' });
  checkAlone(apiVersions, { at: at.child('apiVersions'), what: 'API versions' });
  for (const [i, version] of apiVersions.entries()) if (version === '') at.child('apiVersions').at(i).required();
  if (resources.length === 0) at.child('resources').required();
  for (const [i, resource] of resources.entries()) if (resource === '') at.child('resources').at(i).required();
  if (resources.includes('*') && resources.some((resource) => resource !== '*' && !resource.includes('/'))) {
    at.child('resources').invalid(resources, "if '*' is present, must not specify other resources without subresources");
  }
  at.child('scope').oneOf(rule.scope, ['*', 'Cluster', 'Namespaced']);
}

function checkUrl(url: string, at: FieldPath): void {
  if (!URL.canParse(url)) return at.required(`url must be a valid URL: parse ${JSON.stringify(url)}; desired format: https://host[/path]`);
  const parsed = new URL(url);
  if (parsed.protocol !== 'https:') at.invalid(parsed.protocol.replace(':', ''), "'https' is the only allowed URL scheme; desired format: https://host[/path]");
  if (parsed.username || parsed.password) at.invalid('', 'user information is not permitted in the URL');
  if (parsed.hash) at.invalid(parsed.hash, 'fragments are not permitted in the URL');
  if (parsed.search) at.invalid(parsed.search, 'query parameters are not permitted in the URL');
}

export function checkClientConfig(config: WebhookClientConfig | undefined, at: FieldPath): void {
  const { url, service } = config ?? {};
  if ((url === undefined) === (service === undefined)) return at.required('exactly one of url or service is required');
  if (url !== undefined) return checkUrl(url, at.child('url'));
  if (!service) return;
  const path = at.child('service');
  if (!service.name) path.child('name').required('service name is required');
  if (!service.namespace) path.child('namespace').required('service namespace is required');
  if (service.port !== undefined) checkPort(service.port, path.child('port'));
  if (service.path !== undefined && !service.path.startsWith('/')) path.child('path').invalid(service.path, "must start with a '/'");
}

/** A name of at least three segments. */
function checkFullyQualified(name: string, at: FieldPath): void {
  if (name === '') return at.required();
  const problems = dns1123Subdomain(name);
  if (problems.length > 0) at.invalid(name, problems.join(','));
  else if (name.split('.').length < 3) at.invalid(name, 'should be a domain with at least three segments separated by dots');
}

export function checkMatchConditions(conditions: readonly MatchCondition[] | undefined, at: FieldPath): void {
  const list = conditions ?? [];
  if (list.length > 64) at.tooMany(list.length, 64);
  const names = new Set<string>();
  for (const [i, { name, expression }] of list.entries()) {
    if (!expression?.trim()) at.at(i).child('expression').required();
    if (!name) at.at(i).child('name').required();
    else at.at(i).child('name').matches(name, qualifiedName);
    if (names.has(name)) at.at(i).child('name').duplicate(name);
    names.add(name);
  }
}

function checkWebhook(webhook: Webhook, at: FieldPath): void {
  checkFullyQualified(webhook.name ?? '', at.child('name'));
  for (const [i, rule] of (webhook.rules ?? []).entries()) checkRule(rule, at.child('rules').at(i));
  at.child('failurePolicy').oneOf(webhook.failurePolicy, ['Fail', 'Ignore']);
  at.child('matchPolicy').oneOf(webhook.matchPolicy, ['Equivalent', 'Exact']);
  if (!webhook.sideEffects) at.child('sideEffects').required('must specify one of None, NoneOnDryRun');
  else at.child('sideEffects').oneOf(webhook.sideEffects, ['None', 'NoneOnDryRun']);
  const seconds = webhook.timeoutSeconds;
  if (seconds !== undefined && (seconds > 30 || seconds < 1)) at.child('timeoutSeconds').invalid(seconds, 'the timeout value must be between 1 and 30 seconds');
  checkLabelSelector(webhook.namespaceSelector, at.child('namespaceSelector'));
  checkLabelSelector(webhook.objectSelector, at.child('objectSelector'));
  checkClientConfig(webhook.clientConfig, at.child('clientConfig'));
  const versions = webhook.admissionReviewVersions ?? [];
  if (versions.length === 0) at.child('admissionReviewVersions').required('must specify one of v1, v1beta1');
  else if (!versions.includes('v1') && !versions.includes('v1beta1')) at.child('admissionReviewVersions').invalid(versions, 'must include at least one of v1, v1beta1');
  checkMatchConditions(webhook.matchConditions, at.child('matchConditions'));
}

export function checkWebhooks(webhooks: readonly Webhook[] | undefined, at: FieldPath): void {
  const names = new Set<string>();
  for (const [i, webhook] of (webhooks ?? []).entries()) {
    checkWebhook(webhook, at.at(i));
    if (names.has(webhook.name)) at.at(i).child('name').duplicate(webhook.name);
    names.add(webhook.name);
    if ('reinvocationPolicy' in webhook) at.at(i).child('reinvocationPolicy').oneOf(webhook.reinvocationPolicy, ['IfNeeded', 'Never']);
  }
}
