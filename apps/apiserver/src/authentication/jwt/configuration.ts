import { type Shape, readConfiguration } from '../../identity/configuration-file.ts';

/** How claims become a user name, groups or a uid: one of claim and expression. */
export interface Mapping {
  readonly claim?: string;
  /** Required with a claim, may be empty. */
  readonly prefix?: string;
  readonly expression?: string;
}

export interface ClaimRule {
  readonly claim?: string;
  readonly requiredValue?: string;
  readonly expression?: string;
  readonly message?: string;
}

/** One issuer whose tokens are accepted, as in the `jwt` list of AuthenticationConfiguration. */
export interface JwtAuthenticator {
  readonly issuer: {
    readonly url: string;
    readonly discoveryURL?: string;
    /** PEM. */
    readonly certificateAuthority?: string;
    readonly audiences: readonly string[];
    readonly audienceMatchPolicy?: string;
    readonly egressSelectorType?: string;
  };
  readonly claimValidationRules?: readonly ClaimRule[];
  readonly claimMappings: {
    readonly username: Mapping;
    readonly groups?: Mapping;
    readonly uid?: Omit<Mapping, 'prefix'>;
    readonly extra?: readonly { readonly key: string; readonly valueExpression: string }[];
  };
  readonly userValidationRules?: readonly { readonly expression: string; readonly message?: string }[];
  /** JOSE algorithms; by default all asymmetric ones. Not part of the file: the flag --oidc-signing-algs. */
  readonly signingAlgorithms?: readonly string[];
}

export interface AnonymousAccess {
  readonly enabled: boolean;
  /** Only these paths; without conditions all. */
  readonly conditions?: readonly { readonly path: string }[];
}

/** AuthenticationConfiguration of apiserver.config.k8s.io. */
export interface AuthenticationConfiguration {
  readonly jwt: readonly JwtAuthenticator[];
  readonly anonymous?: AnonymousAccess;
}

const mapping: Shape = { claim: 'value', prefix: 'value', expression: 'value' };
const authenticationShape: Shape = {
  apiVersion: 'value',
  kind: 'value',
  jwt: {
    issuer: { url: 'value', discoveryURL: 'value', certificateAuthority: 'value', audiences: 'values', audienceMatchPolicy: 'value', egressSelectorType: 'value' },
    claimValidationRules: { claim: 'value', requiredValue: 'value', expression: 'value', message: 'value' },
    claimMappings: { username: mapping, groups: mapping, uid: { claim: 'value', expression: 'value' }, extra: { key: 'value', valueExpression: 'value' } },
    userValidationRules: { expression: 'value', message: 'value' },
  },
  anonymous: { enabled: 'value', conditions: { path: 'value' } },
};

export function parseAuthenticationConfiguration(text: string): AuthenticationConfiguration {
  const value = readConfiguration(text, { kind: 'AuthenticationConfiguration', versions: ['v1', 'v1beta1', 'v1alpha1'], shape: authenticationShape });
  const jwt = (value['jwt'] ?? []) as readonly JwtAuthenticator[];
  return { jwt, ...(value['anonymous'] ? { anonymous: value['anonymous'] as AnonymousAccess } : {}) };
}
