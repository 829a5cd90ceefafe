/** What a signing request asks for. */
export interface CsrSubject {
  readonly commonName: string;
  readonly organizations: readonly string[];
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
  readonly emailAddresses: readonly string[];
  readonly uris: readonly string[];
}

/** Holds the cluster's CA. Injected, so that no controller touches keys or the platform's cryptography. */
export interface CertificateSigner {
  /** Parses a PEM request and checks its signature. Throws an Error for what cannot be signed. */
  inspect(requestPem: string): CsrSubject;
  /** The PEM certificate for a request. Times are milliseconds since the epoch. */
  sign(requestPem: string, options: { readonly usages: readonly string[]; readonly notBeforeMs: number; readonly notAfterMs: number }): string;
}
