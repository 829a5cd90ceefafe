import type { ConfigOf, ConfigSchema } from './config.ts';

/**
 * Upstream's flags of the HTTPS port of a component that lets the API server say who asks and whether they may
 * (`SecureServingOptions`, `DelegatingAuthenticationOptions`, `DelegatingAuthorizationOptions` of k8s.io/apiserver).
 */
export function servingFlags({ port, tolerateLookupFailure }: { port: number; tolerateLookupFailure: boolean }) {
  return {
    bindAddress: { type: 'string', default: '0.0.0.0', help: 'address that --secure-port listens on' },
    securePort: { type: 'number', default: port, help: 'HTTPS port of health, metrics, /statusz, /flagz and /configz; 0: none' },
    certDir: { type: 'string', default: '', help: 'directory of the certificate where --tls-cert-file names none: what is not there is made; empty: one in memory' },
    tlsCertFile: { type: 'string', default: '', help: 'certificate of --secure-port (PEM), with those of its authorities; empty: a self-signed one for localhost' },
    tlsPrivateKeyFile: { type: 'string', default: '', help: 'key of --tls-cert-file (PEM)' },
    tlsCipherSuites: { type: 'list', default: [], help: "ciphers of TLS before 1.3, by Go's names; empty: those of OpenSSL's default" },
    tlsMinVersion: { type: 'string', default: '', choices: ['', 'VersionTLS10', 'VersionTLS11', 'VersionTLS12', 'VersionTLS13'], help: 'oldest TLS version; empty: VersionTLS12' },
    tlsCurvePreferences: { type: 'list', default: [], help: 'key exchanges of the HTTPS port', refused: "they are OpenSSL's default" },
    tlsSniCertKey: { type: 'list', default: [], help: 'certificates by host name', refused: 'there is one certificate for all names' },
    clientCaFile: { type: 'string', default: '', help: 'authority of client certificates (PEM); empty: the one that the cluster publishes' },
    authenticationKubeconfig: { type: 'string', default: '', help: 'kubeconfig of the API server that reviews tokens and publishes authorities; empty: the program\'s own connection' },
    authenticationSkipLookup: { type: 'boolean', default: false, help: 'do not look up authorities in ConfigMap kube-system/extension-apiserver-authentication' },
    authenticationTokenWebhookCacheTtl: { type: 'duration', default: '10s', help: 'how long answers of token reviews count' },
    authenticationTolerateLookupFailure: { type: 'boolean', default: tolerateLookupFailure, help: 'go on without authorities that cannot be looked up' },
    authorizationAlwaysAllowPaths: { type: 'list', default: ['/healthz', '/readyz', '/livez'], help: 'paths that anybody may read; a * at the end stands for anything' },
    authorizationKubeconfig: { type: 'string', default: '', help: "kubeconfig of the API server that reviews accesses; empty: the program's own connection" },
    authorizationWebhookCacheAuthorizedTtl: { type: 'duration', default: '10s', help: 'how long an access that was granted counts' },
    authorizationWebhookCacheUnauthorizedTtl: { type: 'duration', default: '10s', help: 'how long an access that was refused counts' },
    requestheaderClientCaFile: { type: 'string', default: '', help: 'authority of front proxies (PEM), which say in headers who asks; empty: what the cluster publishes' },
    requestheaderAllowedNames: { type: 'list', default: [], help: 'common names of front proxies; empty: any' },
    requestheaderUsernameHeaders: { type: 'list', default: ['x-remote-user'], help: 'headers with the name of the user' },
    requestheaderUidHeaders: { type: 'list', default: [], help: 'headers with the UID of the user' },
    requestheaderGroupHeaders: { type: 'list', default: ['x-remote-group'], help: 'headers with the groups of the user' },
    requestheaderExtraHeadersPrefix: { type: 'list', default: ['x-remote-extra-'], help: 'prefixes of headers with more about the user' },
  } as const satisfies ConfigSchema;
}

export type ServingSettings = ConfigOf<ReturnType<typeof servingFlags>>;
