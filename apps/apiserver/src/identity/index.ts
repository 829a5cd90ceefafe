import { bootstrapTokens } from '../authentication/bootstrap-token.ts';
import { clientCertificates } from '../authentication/client-certificate.ts';
import { impersonation } from '../authentication/impersonation.ts';
import { serviceAccountTokens } from '../authentication/service-account-token.ts';
import { staticTokens } from '../authentication/static-token.ts';
import { bearerTokens, tokenDirectory } from '../authentication/token-authenticator.ts';
import { rbacIndexOf } from '../authorization/rbac-index.ts';
import type { PluginFactory } from '../pipeline/index.ts';
import { accessReviews } from './access-reviews.ts';
import { identityDocuments } from './documents.ts';
import { selfSubjectReviews, tokenReviews } from './subject-reviews.ts';
import { tokenIssuer } from './token-issuer.ts';
import { tokenRequests } from './token-request.ts';

/** Who a request comes from, and everything clients may ask about identities and permissions. */
export const identityPlugin: PluginFactory = (context) => {
  const { config, env } = context;
  const apiAudiences = [config.serviceAccountIssuer];
  const issuer = tokenIssuer({ issuer: config.serviceAccountIssuer, key: config.serviceAccountKey });
  const kinds = [
    staticTokens(config.tokenAuth, apiAudiences),
    bootstrapTokens(context, apiAudiences),
    serviceAccountTokens({ context, issuer, apiAudiences }),
  ];
  const directory = tokenDirectory(kinds, apiAudiences);
  return {
    authenticators: [clientCertificates(() => env.clock.now()), bearerTokens(directory, env.log)],
    impersonator: impersonation(context.authorize),
    reviews: [
      tokenRequests({ context, issuer, apiAudiences }),
      tokenReviews(directory),
      selfSubjectReviews(context),
      ...accessReviews(context.authorize, rbacIndexOf(context)),
    ],
    identity: identityDocuments(issuer, () => `https://${config.advertiseAddress}:${context.securePort()}/openid/v1/jwks`),
  };
};
