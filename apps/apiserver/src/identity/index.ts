import { bootstrapTokens } from '../authentication/bootstrap-token.ts';
import type { TokenKind } from '../authentication/bearer.ts';
import { clientCertificates } from '../authentication/client-certificate.ts';
import { impersonation } from '../authentication/impersonation.ts';
import { type StructuredAuthentication, structuredAuthentication } from '../authentication/jwt/index.ts';
import { serviceAccountTokens } from '../authentication/service-account-token.ts';
import { staticTokens } from '../authentication/static-token.ts';
import { bearerTokens, tokenDirectory } from '../authentication/token-authenticator.ts';
import { webhookTokens } from '../authentication/webhook-token.ts';
import type { PluginContext, PluginFactory } from '../pipeline/index.ts';
import { accessReviews } from './access-reviews.ts';
import { identityDocuments } from './documents.ts';
import { reviewWebhook } from './review-webhook.ts';
import { durationFlag, serviceAccountSettings } from './settings.ts';
import { signedRequests } from './signing-requests.ts';
import { selfSubjectReviews, tokenReviews } from './subject-reviews.ts';
import { type TokenIssuer, tokenIssuer } from './token-issuer.ts';
import { tokenRequests } from './token-request.ts';

/** The kinds of bearer tokens that the configuration asks for, in upstream's order. */
function tokenKinds(context: PluginContext, { issuer, structured, apiAudiences }: { issuer: TokenIssuer; structured: StructuredAuthentication; apiAudiences: readonly string[] }): TokenKind[] {
  const { config } = context;
  return [
    staticTokens(config.tokenAuth, apiAudiences),
    serviceAccountTokens({ context, issuer, apiAudiences, lookup: config.serviceAccountLookup }),
    ...(config.enableBootstrapTokenAuth ? [bootstrapTokens(context, apiAudiences)] : []),
    structured.tokens,
    ...webhookKinds(context, apiAudiences),
  ];
}

function webhookKinds({ config, env }: PluginContext, apiAudiences: readonly string[]): TokenKind[] {
  const { authenticationTokenWebhookConfigFile: kubeconfig, authenticationTokenWebhookVersion: version, authenticationTokenWebhookCacheTtl: ttl } = config;
  if (!kubeconfig) return [];
  return [webhookTokens({ env, post: reviewWebhook(env, { kubeconfig }), version, ttlMs: durationFlag('authentication-token-webhook-cache-ttl', ttl), apiAudiences })];
}

/** Who a request comes from, and everything clients may ask about identities and permissions. */
export const identityPlugin: PluginFactory = (context) => {
  const { config, env } = context;
  const { apiAudiences, issuers, furtherKeys, maxLifeSeconds } = serviceAccountSettings(config);
  const issuer = tokenIssuer({ issuers, key: config.serviceAccountKey, furtherKeys });
  const structured = structuredAuthentication({ env, config, apiAudiences, disallowedIssuers: issuers });
  const directory = tokenDirectory(tokenKinds(context, { issuer, structured, apiAudiences }), apiAudiences);
  return {
    allowsAnonymous: (path) => structured.allowsAnonymous(path),
    authenticators: [clientCertificates(() => env.clock.now(), env), bearerTokens(directory, env.log)],
    impersonator: impersonation(context.authorize),
    admission: [signedRequests],
    reviews: [
      tokenRequests({ context, issuer, apiAudiences, maxLifeSeconds, extend: config.serviceAccountExtendTokenExpiration }),
      tokenReviews(directory),
      selfSubjectReviews(context),
      ...accessReviews(context),
    ],
    identity: identityDocuments(issuer, () => config.serviceAccountJwksUri || `https://${config.advertiseAddress}:${context.securePort()}/openid/v1/jwks`),
    start: (signal) => structured.start(signal),
  };
};
