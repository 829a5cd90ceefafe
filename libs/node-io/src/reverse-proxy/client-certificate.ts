import type { DetailedPeerCertificate, PeerCertificate, TLSSocket } from 'node:tls';
import type { PresentedCertificate } from './contract.ts';

/** As RFC 2253 writes it: the most specific part first. */
function nameText(parts: PeerCertificate['subject'] | undefined): string {
  const escaped = (text: string): string => text.replace(/[,+"\\<>;]/g, (c) => `\\${c}`);
  return Object.entries(parts ?? {})
    .flatMap(([type, value]) => [value as string | string[]].flat().map((one) => `${type}=${escaped(one)}`))
    .reverse()
    .join(',');
}

/** Certificates between the first and one that signed itself. */
function intermediates(leaf: DetailedPeerCertificate): number {
  const seen = new Set([leaf.fingerprint256]);
  let count = -1;
  for (let at: DetailedPeerCertificate | undefined = leaf.issuerCertificate; at && !seen.has(at.fingerprint256); at = at.issuerCertificate) {
    seen.add(at.fingerprint256);
    count++;
  }
  return Math.max(0, count);
}

/** The certificate that the other end has shown; undefined: none. */
export function presentedBy(socket: TLSSocket): PresentedCertificate | undefined {
  const leaf = socket.getPeerCertificate(true);
  if (!leaf?.raw) return undefined;
  const pem = `-----BEGIN CERTIFICATE-----\n${leaf.raw.toString('base64').replace(/.{64}/g, '$&\n').trimEnd()}\n-----END CERTIFICATE-----\n`;
  const error = socket.authorized ? '' : String((socket.authorizationError as Error & { code?: string } | string | undefined) ?? 'unknown');
  return { pem, subject: nameText(leaf.subject), issuer: nameText(leaf.issuer), commonName: [leaf.subject.CN].flat()[0] ?? '', error, intermediates: intermediates(leaf) };
}
