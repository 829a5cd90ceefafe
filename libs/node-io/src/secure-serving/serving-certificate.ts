import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError, type ServingSettings } from '@orrery/runtime';
import { type KeyPair, generateKey, signCertificate } from '../pki/index.ts';
import { replaceFile } from '../replace-file.ts';

const dayMs = 24 * 3600_000;

/** A certificate for localhost that nobody signed but itself, good for a year: what upstream's programs make where none is given. */
export function selfSigned(nowMs: number): KeyPair {
  const { key, publicKey } = generateKey();
  const subject = { commonName: `localhost@${Math.floor(nowMs / 1000)}` };
  const altNames = { dnsNames: ['localhost'], ipAddresses: ['127.0.0.1', '::1'] };
  return { key, cert: signCertificate({ subject, publicKey, altNames, usages: ['digital signature', 'key encipherment', 'cert sign', 'server auth'], isCa: true, notBefore: nowMs - 3600_000, notAfter: nowMs + 365 * dayMs }, { key }) };
}

function readPair(cert: string, key: string): KeyPair {
  try {
    return { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') };
  } catch (error) {
    throw new ConfigError(`--tls-cert-file, --tls-private-key-file: ${(error as Error).message}`);
  }
}

/** The certificate of a port: the one given, that of `--cert-dir` (made where it is not there yet), or one in memory. Throws ConfigError. */
export function servingCertificate(settings: Pick<ServingSettings, 'tlsCertFile' | 'tlsPrivateKeyFile' | 'certDir'>, { name, nowMs }: { name: string; nowMs: number }): KeyPair {
  const { certDir, tlsCertFile, tlsPrivateKeyFile } = settings;
  if (Boolean(tlsCertFile) !== Boolean(tlsPrivateKeyFile)) throw new ConfigError('--tls-cert-file and --tls-private-key-file go together');
  if (tlsCertFile) return readPair(tlsCertFile, tlsPrivateKeyFile);
  if (!certDir) return selfSigned(nowMs);
  const [cert, key] = [join(certDir, `${name}.crt`), join(certDir, `${name}.key`)];
  if (!existsSync(cert) || !existsSync(key)) {
    const made = selfSigned(nowMs);
    mkdirSync(certDir, { recursive: true, mode: 0o755 });
    replaceFile(key, made.key);
    replaceFile(cert, made.cert, { mode: 0o644 });
  }
  return readPair(cert, key);
}
