import { textOrFile } from '@orrery/node-io/text-file';
import { ConfigError, type Env } from '@orrery/runtime';
import { type ApiServerConfig, apiServerSchema } from '../config.ts';
import { parseGoDuration } from '../identity/go-duration.ts';
import { reviewWebhook } from '../identity/review-webhook.ts';
import { durationFlag } from '../identity/settings.ts';
import { abacAuthorizer, parsePolicies } from './abac.ts';
import { alwaysAllowAuthorizer, alwaysDenyAuthorizer } from './always.ts';
import { type AuthorizerConfiguration, type WebhookConfiguration, knownModes, parseAuthorizationConfiguration, validateAuthorization } from './configuration.ts';
import { compileCondition } from './match-conditions.ts';
import type { ResolvingAuthorizer } from './rule-resolver.ts';
import { webhookAuthorizer } from './webhook.ts';

/** The authorizers that stay the same, whatever the configuration says about their order. */
export interface StandingAuthorizers {
  readonly node: ResolvingAuthorizer;
  readonly rbac: ResolvingAuthorizer;
}

interface Needs {
  readonly env: Env;
  readonly config: ApiServerConfig;
  readonly standing: StandingAuthorizers;
}

/** The modes of --authorization-mode, checked as upstream checks them. */
export function modesOf(config: ApiServerConfig): readonly string[] {
  const modes = config.authorizationMode.split(',').map((mode) => mode.trim()).filter((mode) => mode !== '');
  if (!modes.length) throw new ConfigError('at least one authorization-mode must be passed');
  for (const [i, mode] of modes.entries()) {
    if (!knownModes.includes(mode)) throw new ConfigError(`authorization-mode ${JSON.stringify(mode)} is not a valid mode`);
    if (modes.indexOf(mode) < i) throw new ConfigError(`authorization-mode ${JSON.stringify(mode)} has mode specified more than once`);
  }
  const { authorizationPolicyFile: policy, authorizationWebhookConfigFile: webhook } = config;
  if (modes.includes('ABAC') && !policy) throw new ConfigError("authorization-mode ABAC's authorization policy file not passed");
  if (modes.includes('Webhook') && !webhook) throw new ConfigError("authorization-mode Webhook's authorization config file not passed");
  if (policy && !modes.includes('ABAC')) throw new ConfigError('cannot specify --authorization-policy-file without mode ABAC');
  if (webhook && !modes.includes('Webhook')) throw new ConfigError('cannot specify --authorization-webhook-config-file without mode Webhook');
  return modes;
}

function webhookOfFlags({ env, config }: Needs): ResolvingAuthorizer {
  return webhookAuthorizer({
    env,
    name: 'Webhook',
    post: reviewWebhook(env, { kubeconfig: config.authorizationWebhookConfigFile }),
    version: config.authorizationWebhookVersion,
    authorizedTtlMs: durationFlag('authorization-webhook-cache-authorized-ttl', config.authorizationWebhookCacheAuthorizedTtl),
    unauthorizedTtlMs: durationFlag('authorization-webhook-cache-unauthorized-ttl', config.authorizationWebhookCacheUnauthorizedTtl),
    failurePolicy: 'NoOpinion',
    conditions: [],
  });
}

function webhookOf({ env }: Needs, name: string, webhook: WebhookConfiguration): ResolvingAuthorizer {
  const { type, kubeConfigFile = '' } = webhook.connectionInfo ?? {};
  const timeoutMs = parseGoDuration(webhook.timeout ?? '0');
  return webhookAuthorizer({
    env,
    name,
    post: reviewWebhook(env, { timeoutMs, ...(type === 'KubeConfigFile' ? { kubeconfig: kubeConfigFile } : {}) }),
    version: webhook.subjectAccessReviewVersion ?? '',
    authorizedTtlMs: webhook.cacheAuthorizedRequests === false ? 0 : parseGoDuration(webhook.authorizedTTL ?? '5m'),
    unauthorizedTtlMs: webhook.cacheUnauthorizedRequests === false ? 0 : parseGoDuration(webhook.unauthorizedTTL ?? '30s'),
    failurePolicy: webhook.failurePolicy === 'Deny' ? 'Deny' : 'NoOpinion',
    conditions: (webhook.matchConditions ?? []).flatMap(({ expression = '' }) => compileCondition(expression).program ?? []),
  });
}

function authorizerOf(mode: string, needs: Needs): ResolvingAuthorizer {
  switch (mode) {
    case 'AlwaysAllow':
      return alwaysAllowAuthorizer;
    case 'AlwaysDeny':
      return alwaysDenyAuthorizer;
    case 'ABAC':
      return abacAuthorizer(parsePolicies(textOrFile(needs.config.authorizationPolicyFile)));
    case 'Node':
      return needs.standing.node;
    case 'RBAC':
      return needs.standing.rbac;
    case 'Webhook':
      return webhookOfFlags(needs);
    default:
      throw new ConfigError(`unknown authorization mode ${mode} specified`);
  }
}

/** The authorizers of the flags, in order. Throws ConfigError. */
export function authorizersOfFlags(needs: Needs): readonly ResolvingAuthorizer[] {
  return modesOf(needs.config).map((mode) => authorizerOf(mode, needs));
}

/** The authorizers of an AuthorizationConfiguration, in order. Throws ConfigError. */
export function authorizersOfFile(text: string, needs: Needs): readonly ResolvingAuthorizer[] {
  const { config } = needs;
  if (config.authorizationMode !== apiServerSchema.authorizationMode.default || config.authorizationWebhookConfigFile) {
    throw new ConfigError('--authorization-config can not be specified when --authorization-mode or --authorization-webhook-* flags are defined');
  }
  const list: readonly AuthorizerConfiguration[] = parseAuthorizationConfiguration(text);
  const errors = validateAuthorization(list);
  if (errors.length) throw new ConfigError(errors.map(({ field, message }) => `${field}: ${message}`).join(', '));
  return list.map(({ type = '', name = '', webhook }) => (webhook ? webhookOf(needs, name, webhook) : authorizerOf(type, needs)));
}
