import { importableKey, verificationKeys } from '@orrery/node-io/pki';
import { type CryptoKey, type JWK, exportJWK, exportSPKI, generateKeyPair, importPKCS8, importSPKI } from 'jose';

/** A key that verifies service-account tokens. */
export interface VerifyingKey {
  readonly algorithm: string;
  readonly keyId: string;
  readonly publicKey: CryptoKey;
  /** As published under /openid/v1/jwks. */
  readonly jwk: JWK;
}

/** The keys of service-account tokens: one signs, all verify (first the one that signs). */
export interface TokenKeys {
  readonly signing: VerifyingKey & { readonly privateKey: CryptoKey };
  readonly verifying: readonly VerifyingKey[];
}

/** As upstream derives it: base64url of the SHA-256 of the DER public key. */
async function keyIdOf(publicKey: CryptoKey): Promise<string> {
  const der = Buffer.from((await exportSPKI(publicKey)).replace(/-----[^-]*-----|\s/g, ''), 'base64');
  return Buffer.from(await crypto.subtle.digest('SHA-256', der)).toString('base64url');
}

async function verifyingKey(publicKey: CryptoKey, algorithm: string): Promise<VerifyingKey> {
  const keyId = await keyIdOf(publicKey);
  return { algorithm, keyId, publicKey, jwk: { use: 'sig', ...(await exportJWK(publicKey)), kid: keyId, alg: algorithm } };
}

async function importAll(pem: string): Promise<VerifyingKey[]> {
  return Promise.all(verificationKeys(pem).map(async ({ spki, algorithm }) => verifyingKey(await importSPKI(spki, algorithm, { extractable: true }), algorithm)));
}

/** Makes a key that lives as long as this process when there is none (tokens then end with it). */
async function signingKey(pem: string): Promise<TokenKeys['signing']> {
  if (!pem) {
    const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
    return { ...(await verifyingKey(publicKey, 'ES256')), privateKey };
  }
  const [half] = await importAll(pem);
  if (!half) throw new Error('the service account key holds no private key');
  return { ...half, privateKey: await importPKCS8(importableKey(pem).pem, half.algorithm) };
}

/** Reads the signing key and the PEM texts of further keys (of before a rotation, of other servers). */
export async function loadTokenKeys(options: { readonly signing: string; readonly further: readonly string[] }): Promise<TokenKeys> {
  const signing = await signingKey(options.signing);
  const further = (await Promise.all(options.further.map(importAll))).flat();
  const verifying = [signing, ...further].filter((key, i, all) => all.findIndex(({ keyId }) => keyId === key.keyId) === i);
  return { signing, verifying };
}
