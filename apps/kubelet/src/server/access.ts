import { AccessReviewer, type ApiClient, TokenReviewer } from '@orrery/client';
import { RequestGuard, noTrust } from '@orrery/node-io/secure-serving';
import { type ConfigOf, type ConfigSchema, type Env, parseGoDuration } from '@orrery/runtime';

/** `authentication` and `authorization` of KubeletConfiguration, whose defaults these are. */
export const accessSchema = {
  anonymousAuth: { type: 'boolean', default: false, help: 'take who shows nothing as system:anonymous' },
  authenticationTokenWebhook: { type: 'boolean', default: true, help: 'know bearer tokens by TokenReview' },
  authenticationTokenWebhookCacheTtl: { type: 'duration', default: '2m0s', help: 'how long answers of token reviews count' },
  authorizationMode: { type: 'string', default: 'Webhook', choices: ['AlwaysAllow', 'Webhook'], help: 'who of those that are known may: all, or whom SubjectAccessReview allows' },
  authorizationWebhookCacheAuthorizedTtl: { type: 'duration', default: '5m0s', help: 'how long an access that was granted counts' },
  authorizationWebhookCacheUnauthorizedTtl: { type: 'duration', default: '30s', help: 'how long an access that was refused counts' },
} as const satisfies ConfigSchema;

export type AccessConfig = ConfigOf<typeof accessSchema>;

/** Who asks a kubelet, and may they. `clientCa` (PEM) is the authority of client certificates. */
export function kubeletGuard(env: Env, { api, clientCa = '' }: { api: ApiClient; clientCa: string | undefined }, config: AccessConfig): RequestGuard {
  const { clock, log } = env;
  const trust = { ...noTrust, clientCa };
  return new RequestGuard({
    clock,
    log,
    ...(config.authenticationTokenWebhook ? { tokens: new TokenReviewer({ api, clock, rememberMs: parseGoDuration(config.authenticationTokenWebhookCacheTtl) }) } : {}),
    accesses: new AccessReviewer({ api, clock, allowedMs: parseGoDuration(config.authorizationWebhookCacheAuthorizedTtl), deniedMs: parseGoDuration(config.authorizationWebhookCacheUnauthorizedTtl) }),
    trust: () => trust,
    anonymous: config.anonymousAuth,
  });
}

/** What a request of the kubelet's API is about, for authorization. */
export interface AccessAttributes {
  readonly verb: string;
  /** Subresources of `nodes`, the most specific first; one that is allowed is enough. */
  readonly subresources: readonly string[];
}

const verbs: Readonly<Record<string, string>> = { POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' };

/** Verb and subresources that upstream checks for a path. */
export function accessOf(method: string, path: string): AccessAttributes {
  const verb = verbs[method] ?? 'get';
  const under = (prefix: string): boolean => path === prefix || path.startsWith(`${prefix}/`);
  if (under('/stats')) return { verb, subresources: ['stats'] };
  if (under('/metrics')) return { verb, subresources: ['metrics'] };
  if (under('/logs')) return { verb, subresources: ['log'] };
  if (under('/checkpoint')) return { verb, subresources: ['checkpoint'] };
  if (under('/statusz')) return { verb, subresources: ['statusz'] };
  // Who may see the configuration may see the flags.
  if (under('/flagz')) return { verb, subresources: ['configz'] };
  if (under('/pods') || under('/runningpods')) return { verb, subresources: ['pods', 'proxy'] };
  if (under('/healthz')) return { verb, subresources: ['healthz', 'proxy'] };
  if (under('/configz')) return { verb, subresources: ['configz', 'proxy'] };
  return { verb, subresources: ['proxy'] };
}
