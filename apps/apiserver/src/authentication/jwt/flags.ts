import { textOrFile } from '@orrery/node-io/text-file';
import { ConfigError } from '@orrery/runtime';
import type { ApiServerConfig } from '../../config.ts';
import type { JwtAuthenticator } from './configuration.ts';

const supported = ['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'ES512', 'PS256', 'PS384', 'PS512'];

function usernamePrefix({ oidcUsernamePrefix: prefix, oidcUsernameClaim: claim, oidcIssuerUrl: issuer }: ApiServerConfig): string {
  if (prefix === '-') return '';
  // Names of several issuers must not meet; a mailbox is unique already.
  if (!prefix && claim !== 'email') return `${issuer}#`;
  return prefix;
}

function requiredClaims(list: readonly string[]): { claim: string; requiredValue: string }[] {
  return list.map((text) => {
    const at = text.indexOf('=');
    if (at <= 0) throw new ConfigError(`invalid argument ${JSON.stringify(text)} for "--oidc-required-claim" flag: ${text} must be formatted as key=value`);
    return { claim: text.slice(0, at), requiredValue: text.slice(at + 1) };
  });
}

/** The authenticator that the --oidc-* flags describe; undefined without them. Throws ConfigError for half of it. */
export function authenticatorOfFlags(config: ApiServerConfig): JwtAuthenticator | undefined {
  const { oidcIssuerUrl: url, oidcClientId: audience, oidcGroupsClaim: groups, oidcSigningAlgs: algorithms } = config;
  if (!url && !audience) return undefined;
  if (!url || !audience) throw new ConfigError('oidc-issuer-url and oidc-client-id must be specified together when any oidc-* flags are set');
  const unknown = algorithms.find((algorithm) => !supported.includes(algorithm));
  if (unknown) throw new ConfigError(`oidc: unsupported signing alg: ${JSON.stringify(unknown)}`);
  return {
    issuer: { url, audiences: [audience], ...(config.oidcCaFile ? { certificateAuthority: textOrFile(config.oidcCaFile) } : {}) },
    claimValidationRules: requiredClaims(config.oidcRequiredClaim),
    claimMappings: {
      username: { claim: config.oidcUsernameClaim, prefix: usernamePrefix(config) },
      ...(groups ? { groups: { claim: groups, prefix: config.oidcGroupsPrefix } } : {}),
    },
    signingAlgorithms: algorithms,
  };
}
