import { importableKey, verificationKeys } from '@orrery/node-io/pki';
import { type CryptoKey, SignJWT, exportSPKI, importPKCS8, importSPKI } from 'jose';

/** What a token of a Secret says, besides its issuer. */
export interface SecretToken {
  readonly namespace: string;
  readonly secret: string;
  readonly account: string;
  readonly accountUid: string;
}

/** Signs tokens of Secrets of type kubernetes.io/service-account-token. */
export interface SecretTokenSigner {
  sign(token: SecretToken): Promise<string>;
}

const issuer = 'kubernetes/serviceaccount';

interface SigningKey {
  readonly algorithm: string;
  readonly keyId: string;
  readonly key: CryptoKey;
}

/** The key id is upstream's: base64url of the SHA-256 of the DER public key. */
async function load(pem: string): Promise<SigningKey> {
  const [half] = verificationKeys(pem);
  if (!half) throw new Error('the service account key holds no private key');
  const spki = await exportSPKI(await importSPKI(half.spki, half.algorithm, { extractable: true }));
  const der = Buffer.from(spki.replace(/-----[^-]*-----|\s/g, ''), 'base64');
  const keyId = Buffer.from(await crypto.subtle.digest('SHA-256', der)).toString('base64url');
  return { algorithm: half.algorithm, keyId, key: await importPKCS8(importableKey(pem).pem, half.algorithm) };
}

/** `pem` is the private key of service account tokens. The tokens have upstream's legacy claims, and no end. */
export function secretTokenSigner(pem: string): SecretTokenSigner {
  let loaded: Promise<SigningKey> | undefined;
  return {
    async sign({ namespace, secret, account, accountUid }) {
      const { algorithm, key, keyId } = await (loaded ??= load(pem));
      const about = 'kubernetes.io/serviceaccount';
      const claims = {
        iss: issuer,
        [`${about}/namespace`]: namespace,
        [`${about}/secret.name`]: secret,
        [`${about}/service-account.name`]: account,
        [`${about}/service-account.uid`]: accountUid,
        sub: `system:serviceaccount:${namespace}:${account}`,
      };
      return new SignJWT(claims).setProtectedHeader({ alg: algorithm, kid: keyId }).sign(key);
    },
  };
}
