import { X509Certificate, createPrivateKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { ConfigError } from '@orrery/runtime';
import type { KeyPair } from '../pki/index.ts';
import { fakeCertificate } from './fake-certificate.ts';

function readAs<T>(flag: string, path: string, parse: (pem: string) => T): { pem: string; parsed: T } {
  try {
    const pem = readFileSync(path, 'utf8');
    return { pem, parsed: parse(pem) };
  } catch (error) {
    throw new ConfigError(`${flag} ${path}: ${(error as Error).message}`);
  }
}

/**
 * What an ingress shows for names that it has no certificate for: the pair in these files (PEM; the certificate may be followed by those of its authorities), or the fake one where none is given.
 * Throws a ConfigError that names the flag and the file: one without the other, one that cannot be read, a key of another certificate.
 */
export function defaultCertificate({ defaultCert, defaultKey }: { readonly defaultCert: string; readonly defaultKey: string }, nowMs: number): KeyPair {
  if (Boolean(defaultCert) !== Boolean(defaultKey)) throw new ConfigError('--default-cert and --default-key go together');
  if (!defaultCert) return fakeCertificate(nowMs);
  const cert = readAs('--default-cert', defaultCert, (pem) => new X509Certificate(pem));
  const key = readAs('--default-key', defaultKey, createPrivateKey);
  if (!cert.parsed.checkPrivateKey(key.parsed)) throw new ConfigError(`--default-key ${defaultKey} is not the key of --default-cert ${defaultCert}`);
  return { cert: cert.pem, key: key.pem };
}
