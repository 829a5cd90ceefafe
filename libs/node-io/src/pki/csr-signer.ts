import { X509Certificate } from 'node:crypto';
import { parseCsr, signCsr } from './csr.ts';
import type { Issuer, Usage } from './x509.ts';

/** Looks at and signs certificate signing requests with one authority, as the signing controllers need it. */
export function csrSigner(issuer: Issuer): {
  inspect(pem: string): ReturnType<typeof parseCsr>['subject'] & ReturnType<typeof parseCsr>['altNames'];
  sign(pem: string, options: { usages: readonly string[]; notBeforeMs: number; notAfterMs: number }): string;
} {
  return {
    inspect(pem) {
      const { subject, altNames } = parseCsr(pem);
      return { ...subject, ...altNames };
    },
    sign(pem, { usages, notBeforeMs, notAfterMs }) {
      // What the authority signs is not believed any longer than it is itself.
      const until = issuer.cert ? Date.parse(new X509Certificate(issuer.cert).validTo) : Infinity;
      return signCsr(parseCsr(pem), { issuer, usages: usages as readonly Usage[], notBefore: notBeforeMs, notAfter: Math.min(notAfterMs, until) });
    },
  };
}
