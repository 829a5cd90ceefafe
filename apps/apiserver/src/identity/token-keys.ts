import { importableKey } from '@orrery/node-io/pki';
import { type CryptoKey, type JWK, exportJWK, exportSPKI, generateKeyPair, importPKCS8, importSPKI } from 'jose';

/** The key pair that service-account tokens are signed with. */
export interface TokenKeys {
  readonly algorithm: string;
  readonly keyId: string;
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
  /** The public half as published under /openid/v1/jwks. */
  readonly jwk: JWK;
}

/** As upstream derives it: base64url of the SHA-256 of the DER public key. */
async function keyIdOf(publicKey: CryptoKey): Promise<string> {
  const der = Buffer.from((await exportSPKI(publicKey)).replace(/-----[^-]*-----|\s/g, ''), 'base64');
  return Buffer.from(await crypto.subtle.digest('SHA-256', der)).toString('base64url');
}

async function publicHalf(privateKey: CryptoKey, algorithm: string): Promise<CryptoKey> {
  const { kty, crv, x, y, n, e } = await exportJWK(privateKey);
  const jwk = kty === 'RSA' ? { kty, n, e } : { kty, crv, x, y };
  const parameters = kty === 'RSA' ? { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' } : { name: 'ECDSA', namedCurve: 'P-256' };
  const key = await crypto.subtle.importKey('jwk', jwk as JWK & { kty: string }, parameters, true, ['verify']);
  // Through SPKI, so that the key carries what jose checks for the algorithm.
  return importSPKI(await exportSPKI(key), algorithm, { extractable: true });
}

/** Reads the key, or makes one that lives as long as this process when there is none (tokens then end with it). */
export async function loadTokenKeys(pem: string): Promise<TokenKeys> {
  const given = pem ? importableKey(pem) : undefined;
  const algorithm = given?.algorithm ?? 'ES256';
  const pair = given ? undefined : await generateKeyPair(algorithm, { extractable: true });
  const privateKey = given ? await importPKCS8(given.pem, algorithm, { extractable: true }) : (pair?.privateKey as CryptoKey);
  const publicKey = pair?.publicKey ?? (await publicHalf(privateKey, algorithm));
  const keyId = await keyIdOf(publicKey);
  const jwk: JWK = { use: 'sig', ...(await exportJWK(publicKey)), kid: keyId, alg: algorithm };
  return { algorithm, keyId, privateKey, publicKey, jwk };
}
