import { type KeyPair, generateKey, signCertificate } from '../pki/index.ts';

const dayMs = 24 * 3600_000;

/** What ingress-nginx shows for names that no Ingress has a certificate for, where it was given none: its own, under the name by which people know it, good for a year. */
export function fakeCertificate(nowMs: number): KeyPair {
  const { key, publicKey } = generateKey();
  const subject = { commonName: 'Kubernetes Ingress Controller Fake Certificate', organizations: ['Acme Co'] };
  return { key, cert: signCertificate({ subject, publicKey, altNames: { dnsNames: ['ingress.local'] }, usages: ['digital signature', 'key encipherment', 'server auth'], notBefore: nowMs, notAfter: nowMs + 365 * dayMs }, { key }) };
}
