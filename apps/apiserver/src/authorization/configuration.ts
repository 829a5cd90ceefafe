import { FieldPath } from '@orrery/api/field-path';
import { dns1123Subdomain } from '@orrery/apimachinery';
import type { FieldError } from '@orrery/errors';
import { type Shape, readConfiguration } from '../identity/configuration-file.ts';
import { formatGoDuration, parseGoDuration } from '../identity/go-duration.ts';
import { compileCondition } from './match-conditions.ts';

/** How a webhook of AuthorizationConfiguration is asked; durations as Go writes them. */
export interface WebhookConfiguration {
  readonly authorizedTTL?: string;
  readonly cacheAuthorizedRequests?: boolean;
  readonly unauthorizedTTL?: string;
  readonly cacheUnauthorizedRequests?: boolean;
  readonly timeout?: string;
  readonly subjectAccessReviewVersion?: string;
  readonly matchConditionSubjectAccessReviewVersion?: string;
  readonly failurePolicy?: string;
  readonly connectionInfo?: { readonly type?: string; readonly kubeConfigFile?: string };
  readonly matchConditions?: readonly { readonly expression?: string }[];
}

/** One of the `authorizers` of AuthorizationConfiguration. */
export interface AuthorizerConfiguration {
  readonly type?: string;
  readonly name?: string;
  readonly webhook?: WebhookConfiguration;
}

export const knownModes: readonly string[] = ['ABAC', 'AlwaysAllow', 'AlwaysDeny', 'Node', 'RBAC', 'Webhook'];
const maxConditions = 64;
const maxTimeoutMs = 30_000;

const shape: Shape = {
  apiVersion: 'value',
  kind: 'value',
  authorizers: {
    type: 'value',
    name: 'value',
    webhook: {
      authorizedTTL: 'value', cacheAuthorizedRequests: 'value', unauthorizedTTL: 'value', cacheUnauthorizedRequests: 'value', timeout: 'value',
      subjectAccessReviewVersion: 'value', matchConditionSubjectAccessReviewVersion: 'value', failurePolicy: 'value',
      connectionInfo: { type: 'value', kubeConfigFile: 'value' },
      matchConditions: { expression: 'value' },
    },
  },
};

/** Throws ConfigError for what is no such file. */
export function parseAuthorizationConfiguration(text: string): readonly AuthorizerConfiguration[] {
  const value = readConfiguration(text, { kind: 'AuthorizationConfiguration', versions: ['v1', 'v1beta1', 'v1alpha1'], shape });
  return (value['authorizers'] ?? []) as readonly AuthorizerConfiguration[];
}

/** Milliseconds; reports what is no duration, absent or out of bounds. */
function checkDuration(text: string | undefined, at: FieldPath, maxMs = Number.POSITIVE_INFINITY): void {
  if (!text) return at.required();
  let ms: number;
  try {
    ms = parseGoDuration(text);
  } catch (error) {
    return at.invalid(text, (error as Error).message);
  }
  if (ms === 0) at.required();
  else if (ms < 0 || ms > maxMs) at.invalid(formatGoDuration(ms), maxMs === Number.POSITIVE_INFINITY ? 'must be > 0s' : 'must be > 0s and <= 30s');
}

function checkConnection({ connectionInfo = {} }: WebhookConfiguration, at: FieldPath): void {
  const { type, kubeConfigFile } = connectionInfo;
  const path = at.child('connectionInfo');
  switch (type) {
    case undefined:
    case '':
      return path.child('type').required();
    case 'InClusterConfig':
      return kubeConfigFile === undefined ? undefined : path.child('kubeConfigFile').invalid(kubeConfigFile, 'can only be set when type=KubeConfigFile');
    case 'KubeConfigFile':
      if (!kubeConfigFile) return path.child('kubeConfigFile').required();
      return kubeConfigFile.startsWith('/') ? undefined : path.child('kubeConfigFile').invalid(kubeConfigFile, 'must be an absolute path');
    default:
      return path.child('type').notSupported(type, ['InClusterConfig', 'KubeConfigFile']);
  }
}

function checkConditions(list: readonly { readonly expression?: string }[], at: FieldPath): void {
  if (list.length > maxConditions) return at.tooMany(list.length, maxConditions);
  const seen = new Set<string>();
  for (const [i, { expression = '' }] of list.entries()) {
    const path = at.at(i).child('expression');
    if (!expression.trim()) path.required();
    else if (seen.has(expression)) path.duplicate(expression);
    else {
      const { problem } = compileCondition(expression);
      if (problem) path.invalid(expression, problem);
    }
    seen.add(expression);
  }
}

function checkWebhook(webhook: WebhookConfiguration, at: FieldPath): void {
  checkDuration(webhook.timeout, at.child('timeout'), maxTimeoutMs);
  checkDuration(webhook.authorizedTTL ?? '5m', at.child('authorizedTTL'));
  checkDuration(webhook.unauthorizedTTL ?? '30s', at.child('unauthorizedTTL'));
  at.child('subjectAccessReviewVersion').requiredOneOf(webhook.subjectAccessReviewVersion, ['v1', 'v1beta1']);
  const { matchConditionSubjectAccessReviewVersion: version, matchConditions = [] } = webhook;
  if (!version && matchConditions.length) at.child('matchConditionSubjectAccessReviewVersion').required('required if match conditions are specified');
  at.child('matchConditionSubjectAccessReviewVersion').oneOf(version, ['v1']);
  at.child('failurePolicy').requiredOneOf(webhook.failurePolicy, ['NoOpinion', 'Deny']);
  checkConnection(webhook, at);
  checkConditions(matchConditions, at.child('matchConditions'));
}

function checkName(name: string | undefined, at: FieldPath, seen: Set<string>): void {
  if (!name) return at.required();
  if (seen.has(name)) return at.duplicate(name);
  const problems = dns1123Subdomain(name);
  if (problems.length) at.invalid(name, `authorizer name is invalid: ${problems.join(', ')}`);
  seen.add(name);
}

/** Upstream's ValidateAuthorizationConfiguration. */
export function validateAuthorization(authorizers: readonly AuthorizerConfiguration[]): FieldError[] {
  const errors: FieldError[] = [];
  const root = new FieldPath(errors).child('authorizers');
  if (!authorizers.length) root.required('at least one authorization mode must be defined');
  const seen = { types: new Set<string>(), names: new Set<string>() };
  for (const [i, { type, name, webhook }] of authorizers.entries()) {
    const at = root.at(i);
    if (!type) at.child('type').required();
    else if (!knownModes.includes(type)) at.child('type').notSupported(type, knownModes);
    else if (seen.types.has(type) && type !== 'Webhook') at.child('type').duplicate(type);
    else {
      seen.types.add(type);
      checkName(name, at.child('name'), seen.names);
      if (type !== 'Webhook' && webhook) at.child('webhook').invalid('non-null', 'may only be specified when type=Webhook');
      else if (type === 'Webhook' && !webhook) at.child('webhook').required('required when type=Webhook');
      // Upstream reports the fields of webhooks at the authorizer itself.
      else if (webhook) checkWebhook(webhook, at);
    }
  }
  return errors;
}
