import type { IdentityDocuments } from '../pipeline/index.ts';
import type { TokenIssuer } from './token-issuer.ts';

/** What relying parties need to verify service-account tokens by themselves (OpenID Connect discovery). */
export function identityDocuments(issuer: TokenIssuer, jwksUri: () => string): IdentityDocuments {
  return {
    async openidConfiguration() {
      const { verifying } = await issuer.keys();
      return {
        issuer: issuer.issuers[0] ?? '',
        jwks_uri: jwksUri(),
        response_types_supported: ['id_token'],
        subject_types_supported: ['public'],
        id_token_signing_alg_values_supported: [...new Set(verifying.map(({ algorithm }) => algorithm))].sort(),
      };
    },
    async jwks() {
      return { keys: (await issuer.keys()).verifying.map(({ jwk }) => jwk) };
    },
  };
}
