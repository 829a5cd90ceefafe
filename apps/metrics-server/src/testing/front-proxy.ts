import { ensurePki } from '@orrery/node-io';
import type { PeerCertificate } from '@orrery/node-io/http-server';

const startMs = Date.UTC(2026, 0, 1);

/** An API server as a front proxy: what it publishes of itself, and the certificate that it shows. Virtual clocks begin when it does. */
export function frontProxy(): { readonly data: Readonly<Record<string, string>>; readonly certificate: PeerCertificate } {
  const { caCert, cert } = ensurePki(undefined, { now: () => startMs }).frontProxy;
  const raw = Buffer.from(cert.replace(/-----[^-]+-----|\s/g, ''), 'base64');
  return {
    data: { 'requestheader-client-ca-file': caCert, 'requestheader-allowed-names': '["front-proxy-client"]', 'requestheader-username-headers': '["X-Remote-User"]', 'requestheader-group-headers': '["X-Remote-Group"]' },
    certificate: { commonName: 'front-proxy-client', organizations: [], raw, notAfterMs: startMs + 3_600_000 },
  };
}
