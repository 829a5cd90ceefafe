import { createPublicKey } from 'node:crypto';

/** The public half of a key that verifies JWTs. */
export interface VerificationKey {
  /** PEM SubjectPublicKeyInfo, which WebCrypto takes. */
  readonly spki: string;
  /** The JWS algorithm that goes with the key. */
  readonly algorithm: string;
}

const curves: Readonly<Record<string, string>> = { prime256v1: 'ES256', secp384r1: 'ES384', secp521r1: 'ES512' };
const blocks = /-----BEGIN ((?:RSA |EC )?(?:PUBLIC|PRIVATE) KEY|CERTIFICATE)-----[^-]*-----END \1-----/g;

/** All keys of a PEM text, in order: public keys, and the public halves of private keys and certificates. Throws when there is none or one is of no use. */
export function verificationKeys(pem: string): VerificationKey[] {
  const found = [...pem.matchAll(blocks)].map(([block]) => {
    const key = createPublicKey(block);
    const algorithm = key.asymmetricKeyType === 'rsa' ? 'RS256' : curves[key.asymmetricKeyDetails?.namedCurve ?? ''];
    if (!algorithm) throw new Error(`unsupported public key type ${String(key.asymmetricKeyType)}`);
    return { spki: key.export({ type: 'spki', format: 'pem' }) as string, algorithm };
  });
  if (!found.length) throw new Error('data does not contain any valid RSA or ECDSA public keys');
  return found;
}
