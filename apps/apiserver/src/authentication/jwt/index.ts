import { textOrFile } from '@orrery/node-io/text-file';
import { ConfigError, type Env } from '@orrery/runtime';
import type { ApiServerConfig } from '../../config.ts';
import { followFile } from '../../identity/followed-file.ts';
import { InvalidTokenError, type TokenIdentity, type TokenKind, type TokenQuestion } from '../bearer.ts';
import { type AuthenticationConfiguration, parseAuthenticationConfiguration } from './configuration.ts';
import { authenticatorOfFlags } from './flags.ts';
import { type JwtTokens, jwtTokens } from './jwt-tokens.ts';
import { validateAuthentication } from './validation.ts';

interface Options {
  readonly env: Env;
  readonly config: ApiServerConfig;
  readonly apiAudiences: readonly string[];
  /** Issuers with another way in: those of service accounts. */
  readonly disallowedIssuers: readonly string[];
}

/** Structured authentication: the issuers of --oidc-* or of the file --authentication-config, and who may come anonymously. */
export interface StructuredAuthentication {
  readonly tokens: TokenKind;
  /** Undefined: as --anonymous-auth says. */
  allowsAnonymous(path: string): boolean | undefined;
  /** Begins to look for the issuers' keys and to follow the file. */
  start(signal: AbortSignal): void;
}

function check(configuration: AuthenticationConfiguration, disallowed: readonly string[]): AuthenticationConfiguration {
  const errors = validateAuthentication(configuration, disallowed);
  if (errors.length) throw new ConfigError(errors.map(({ field, message }) => `${field}: ${message}`).join(', '));
  return configuration;
}

async function identifyByAny(issuers: readonly JwtTokens[], token: string, question: TokenQuestion): Promise<TokenIdentity | undefined> {
  let refusal: InvalidTokenError | undefined;
  for (const issuer of issuers) {
    try {
      const identity = await issuer.identify(token, question);
      if (identity) return identity;
    } catch (error) {
      if (!(error instanceof InvalidTokenError)) throw error;
      refusal = error;
    }
  }
  if (refusal) throw refusal;
  return undefined;
}

/** Throws ConfigError for a configuration that upstream would not start with. */
export function structuredAuthentication({ env, config, apiAudiences, disallowedIssuers }: Options): StructuredAuthentication {
  const path = config.authenticationConfig;
  const fromFlags = authenticatorOfFlags(config);
  if (path && fromFlags) throw new ConfigError('authentication-config file and oidc-* flags are mutually exclusive');
  const parse = (text: string): AuthenticationConfiguration => check(parseAuthenticationConfiguration(text), disallowedIssuers);
  const text = path ? textOrFile(path) : '';
  let configuration: AuthenticationConfiguration = path ? parse(text) : check({ jwt: fromFlags ? [fromFlags] : [] }, disallowedIssuers);
  if (configuration.anonymous && !config.anonymousAuth) throw new ConfigError('--anonymous-auth flag cannot be set when anonymous field is configured in authentication configuration file');
  let issuers: readonly JwtTokens[] = [];
  const use = (next: AuthenticationConfiguration): void => {
    const started = next.jwt.map((authenticator) => jwtTokens(authenticator, { env, apiAudiences }));
    for (const issuer of issuers) issuer.stop();
    issuers = started;
    configuration = next;
  };
  return {
    tokens: { name: 'JWT', identify: (token, question) => identifyByAny(issuers, token, question) },
    allowsAnonymous(requestPath) {
      const { anonymous } = configuration;
      if (!anonymous) return undefined;
      if (!anonymous.enabled) return false;
      return !anonymous.conditions?.length || anonymous.conditions.some((condition) => condition.path === requestPath);
    },
    start(signal) {
      use(configuration);
      signal.addEventListener('abort', () => issuers.forEach((issuer) => issuer.stop()), { once: true });
      if (path) followFile(env, { path, text, apply: (changed) => use(parse(changed)) }, signal);
    },
  };
}
