import { X509Certificate } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { replaceFile } from '../replace-file.ts';
import type { KeyPair } from './x509.ts';

/** A certificate with its key and the time it holds for, milliseconds since the epoch. */
export interface StoredCertificate extends KeyPair {
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

export interface CertificateStore {
  /** The file that always holds the newest pair: certificate and key, PEM. */
  readonly path: string;
  /** The newest pair; undefined when there is none that can be read. */
  load(): StoredCertificate | undefined;
  save(pair: KeyPair, nowMs: number): StoredCertificate;
}

export function certificateValidity(cert: string): { notBeforeMs: number; notAfterMs: number } {
  const { validFrom, validTo } = new X509Certificate(cert);
  return { notBeforeMs: Date.parse(validFrom), notAfterMs: Date.parse(validTo) };
}

const block = (kind: string): RegExp => new RegExp(`-----BEGIN ${kind}-----[^-]+-----END ${kind}-----\\n?`, 'g');

/** Certificates as a kubelet keeps them in its `--cert-dir`: a file for each, and `NAME-current.pem`, a link to the newest. */
export function certificateStore(dir: string, name: string): CertificateStore {
  const path = join(dir, `${name}-current.pem`);
  return {
    path,
    load() {
      try {
        const text = readFileSync(path, 'utf8');
        const cert = (text.match(block('CERTIFICATE')) ?? []).join('');
        const key = (text.match(block('(?:EC )?PRIVATE KEY')) ?? []).join('');
        return cert && key ? { cert, key, ...certificateValidity(cert) } : undefined;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
        throw error;
      }
    },
    save({ cert, key }, nowMs) {
      mkdirSync(dir, { recursive: true, mode: 0o750 });
      const stamp = new Date(nowMs).toISOString().slice(0, 19).replaceAll(':', '-').replace('T', '-');
      const file = `${name}-${stamp}.pem`;
      replaceFile(join(dir, file), `${cert.trimEnd()}\n${key.trimEnd()}\n`);
      const next = `${path}.next`;
      rmSync(next, { force: true });
      symlinkSync(file, next);
      renameSync(next, path);
      return { cert, key, ...certificateValidity(cert) };
    },
  };
}
