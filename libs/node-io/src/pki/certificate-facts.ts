import { X509Certificate } from 'node:crypto';

/** What a certificate says of itself, for those who tell it further. */
export interface CertificateFacts {
  /** Milliseconds since the epoch. */
  readonly notAfterMs: number;
  /** Decimal. */
  readonly serialNumber: string;
  /** The last, where there are several, as Go takes it; empty: none. */
  readonly issuerCommonName: string;
  /** The first, as Go has it; empty: none. */
  readonly issuerOrganization: string;
  /** The attribute of the issuer's name; empty: none. */
  readonly issuerSerialNumber: string;
  /** As Go writes it: RSA, DSA, ECDSA, Ed25519, and 0 for others. */
  readonly publicKeyAlgorithm: string;
}

const algorithms: Readonly<Record<string, string>> = { rsa: 'RSA', dsa: 'DSA', ec: 'ECDSA', ed25519: 'Ed25519' };

const all = (value: string | string[] | undefined): string[] => (value === undefined ? [] : [value].flat());

/** Of the first certificate in `pem`. Throws for what is none. */
export function certificateFacts(pem: string): CertificateFacts {
  const certificate = new X509Certificate(pem);
  const issuer = certificate.toLegacyObject().issuer as unknown as Readonly<Record<string, string | string[] | undefined>>;
  return {
    notAfterMs: Date.parse(certificate.validTo),
    serialNumber: BigInt(`0x${certificate.serialNumber}`).toString(),
    issuerCommonName: all(issuer['CN']).at(-1) ?? '',
    issuerOrganization: all(issuer['O'])[0] ?? '',
    issuerSerialNumber: all(issuer['serialNumber'])[0] ?? '',
    publicKeyAlgorithm: algorithms[certificate.publicKey.asymmetricKeyType ?? ''] ?? '0',
  };
}
