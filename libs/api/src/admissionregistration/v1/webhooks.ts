import type { MutatingWebhook, ValidatingWebhook, WebhookClientConfig } from '../../../gen/types.ts';
import { semanticEqual } from '../../equality.ts';
import type { FieldPath } from '../../validation/field-path.ts';
import { checkPort } from '../../validation/fields.ts';
import { checkLabelSelector } from '../../validation/label-selector.ts';
import { dns1035Label, dns1123Subdomain } from '../../validation/names.ts';
import { checkMatchConditions } from './match-conditions.ts';
import { checkRule, defaultRules } from './rules.ts';

type Webhook = MutatingWebhook | ValidatingWebhook;

export function defaultWebhook(webhook: Webhook): void {
  webhook.failurePolicy ??= 'Fail';
  webhook.matchPolicy ??= 'Equivalent';
  webhook.namespaceSelector ??= {};
  webhook.objectSelector ??= {};
  webhook.timeoutSeconds ??= 10;
  if (webhook.clientConfig?.service) webhook.clientConfig.service.port ??= 443;
  defaultRules(webhook.rules);
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

/** What an older configuration may keep though a new one may not have it. */
export interface WebhookTolerance {
  readonly sideEffects: boolean;
  readonly reviewVersions: boolean;
  readonly names: boolean;
  /** The match conditions are those of before. */
  readonly conditions: boolean;
}

const nothing: WebhookTolerance = { sideEffects: false, reviewVersions: false, names: false, conditions: false };

const isHarmless = ({ sideEffects }: Webhook): boolean => sideEffects === 'None' || sideEffects === 'NoneOnDryRun';
const spoken = ['v1', 'v1beta1'];
const isSpoken = ({ admissionReviewVersions: versions = [] }: Webhook): boolean => versions.length === 0 || versions.some((one) => spoken.includes(one));

/** An update may leave as it is what was once let in (before the rules were what they are). */
export function toleranceOf(webhooks: readonly Webhook[] = [], old: readonly Webhook[] = []): WebhookTolerance {
  return {
    sideEffects: !old.every(isHarmless),
    reviewVersions: !old.every(isSpoken),
    names: new Set(old.map(({ name }) => name)).size !== old.length,
    conditions: webhooks.length === old.length && webhooks.every(({ matchConditions }, i) => semanticEqual(matchConditions, old[i]?.matchConditions)),
  };
}

function checkReviewVersions(versions: readonly string[], at: FieldPath, tolerance: WebhookTolerance): void {
  if (versions.length === 0) return at.required('must specify one of v1, v1beta1');
  for (const [i, version] of versions.entries()) {
    if (versions.indexOf(version) < i) at.at(i).invalid(version, 'duplicate version');
    else at.at(i).matches(version, dns1035Label);
  }
  if (!tolerance.reviewVersions && !versions.some((one) => spoken.includes(one))) at.invalid(versions, 'must include at least one of v1, v1beta1');
}

function checkSideEffects(value: string | undefined, at: FieldPath, tolerance: WebhookTolerance): void {
  const allowed = tolerance.sideEffects ? ['None', 'NoneOnDryRun', 'Some', 'Unknown'] : ['None', 'NoneOnDryRun'];
  if (value === undefined) at.required(`must specify one of ${allowed.join(', ')}`);
  else if (!allowed.includes(value)) at.notSupported(value, allowed);
}

function checkChoice(value: string | undefined, allowed: readonly string[], at: FieldPath): void {
  if (value !== undefined && !allowed.includes(value)) at.notSupported(value, allowed);
}

function checkWebhook(webhook: Webhook, at: FieldPath, tolerance: WebhookTolerance): void {
  checkFullyQualified(webhook.name ?? '', at.child('name'));
  for (const [i, rule] of (webhook.rules ?? []).entries()) checkRule(rule, at.child('rules').at(i));
  checkChoice(webhook.failurePolicy, ['Fail', 'Ignore'], at.child('failurePolicy'));
  checkChoice(webhook.matchPolicy, ['Equivalent', 'Exact'], at.child('matchPolicy'));
  checkSideEffects(webhook.sideEffects, at.child('sideEffects'), tolerance);
  const seconds = webhook.timeoutSeconds;
  if (seconds !== undefined && (seconds > 30 || seconds < 1)) at.child('timeoutSeconds').invalid(seconds, 'the timeout value must be between 1 and 30 seconds');
  checkLabelSelector(webhook.namespaceSelector, at.child('namespaceSelector'));
  checkLabelSelector(webhook.objectSelector, at.child('objectSelector'));
  if ('reinvocationPolicy' in webhook) checkChoice(webhook.reinvocationPolicy, ['IfNeeded', 'Never'], at.child('reinvocationPolicy'));
  checkClientConfig(webhook.clientConfig, at.child('clientConfig'));
  if (!tolerance.conditions) checkMatchConditions(webhook.matchConditions, at.child('matchConditions'), { hasParams: false });
  checkReviewVersions(webhook.admissionReviewVersions ?? [], at.child('admissionReviewVersions'), tolerance);
}

export function checkWebhooks(webhooks: readonly Webhook[] | undefined, at: FieldPath, tolerance = nothing): void {
  const names = new Set<string>();
  for (const [i, webhook] of (webhooks ?? []).entries()) {
    checkWebhook(webhook, at.at(i), tolerance);
    if (webhook.name && names.has(webhook.name) && !tolerance.names) at.at(i).child('name').duplicate(webhook.name);
    names.add(webhook.name);
  }
}
