import { createCipheriv, createDecipheriv, createHash, createHmac, randomBytes as random } from 'node:crypto';

const tagBytes = 16;

/** Bytes from the platform's cryptographic source. */
export function randomBytes(length: number): Buffer {
  return random(length);
}

type GcmName = 'aes-128-gcm' | 'aes-192-gcm' | 'aes-256-gcm';

const gcmName = (key: Uint8Array): GcmName => `aes-${key.length * 8}-gcm` as GcmName;
const cbcName = (key: Uint8Array): string => `aes-${key.length * 8}-cbc`;

/** AES-GCM: ciphertext with the tag behind it. `key` has 16, 24 or 32 bytes, `nonce` 12, never used twice with a key. */
export function sealAesGcm(key: Uint8Array, nonce: Uint8Array, content: { data: Uint8Array; authenticated: Uint8Array }): Buffer {
  const cipher = createCipheriv(gcmName(key), key, nonce);
  cipher.setAAD(content.authenticated);
  const sealed = cipher.update(content.data);
  return Buffer.concat([sealed, cipher.final(), cipher.getAuthTag()]);
}

/** Throws when the data, the authenticated data or the key is another one. */
export function openAesGcm(key: Uint8Array, nonce: Uint8Array, content: { data: Uint8Array; authenticated: Uint8Array }): Buffer {
  const { data, authenticated } = content;
  const decipher = createDecipheriv(gcmName(key), key, nonce, { authTagLength: tagBytes });
  decipher.setAAD(authenticated);
  decipher.setAuthTag(data.subarray(data.length - tagBytes));
  const opened = decipher.update(data.subarray(0, data.length - tagBytes));
  return Buffer.concat([opened, decipher.final()]);
}

/** AES-CBC with PKCS #7 padding. `iv` has 16 bytes. */
export function encryptAesCbc(key: Uint8Array, iv: Uint8Array, data: Uint8Array): Buffer {
  const cipher = createCipheriv(cbcName(key), key, iv);
  const encrypted = cipher.update(data);
  return Buffer.concat([encrypted, cipher.final()]);
}

/** Throws when the padding is wrong, which is all that CBC can tell of a wrong key. */
export function decryptAesCbc(key: Uint8Array, iv: Uint8Array, data: Uint8Array): Buffer {
  const decipher = createDecipheriv(cbcName(key), key, iv);
  const decrypted = decipher.update(data);
  return Buffer.concat([decrypted, decipher.final()]);
}

/** The first 32 bytes of HKDF-Expand with SHA-256 (RFC 5869). */
export function expandHkdfSha256(seed: Uint8Array, info: Uint8Array): Buffer {
  return createHmac('sha256', seed).update(info).update(Buffer.of(1)).digest();
}

/** Hexadecimal. */
export function sha256(data: Uint8Array | string): string {
  return createHash('sha256').update(data).digest('hex');
}
