import type { ClientAuthSettings } from '../annotations/settings.ts';
import type { ProxiedRequest, PresentedCertificate } from '../proxy.ts';

/** What nginx forgives under `optional_no_ca`. */
const forgiven = ['DEPTH_ZERO_SELF_SIGNED_CERT', 'SELF_SIGNED_CERT_IN_CHAIN', 'UNABLE_TO_GET_ISSUER_CERT', 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'];

function problemOf({ error, intermediates }: PresentedCertificate, { depth }: ClientAuthSettings): string {
  return error || (intermediates > depth ? 'CERT_CHAIN_TOO_LONG' : '');
}

export interface CertificateRefusal {
  readonly status: number;
  readonly text: string;
  /** Where who has no good certificate is sent; empty: nowhere. */
  readonly page: string;
}

/** Why a request over TLS may not come, by the certificate that its client has shown; undefined: it may. */
export function certificateRefusal(request: ProxiedRequest, settings: ClientAuthSettings, hasCa: boolean): CertificateRefusal | undefined {
  if (!hasCa) return { status: 403, text: '403 Forbidden', page: '' };
  const shown = request.clientCertificate?.();
  const refusal = (text: string): CertificateRefusal => ({ status: 400, text, page: settings.errorPage });
  if (!shown) return settings.verify === 'on' ? refusal('400 No required SSL certificate was sent') : undefined;
  const problem = problemOf(shown, settings);
  if (problem && !(settings.verify === 'optional_no_ca' && forgiven.includes(problem))) return refusal('400 The SSL certificate error');
  if (settings.matchName && !settings.matchName.test(shown.commonName)) return { status: 403, text: '403 Forbidden', page: '' };
  return undefined;
}

/** What backends are told of it; nothing that a client says itself gets through. */
export function certificateHeaders(request: ProxiedRequest, settings: ClientAuthSettings): Record<string, string> {
  const shown = request.clientCertificate?.();
  const problem = shown && problemOf(shown, settings);
  return {
    'ssl-client-verify': !shown ? 'NONE' : problem ? `FAILED:${problem.toLowerCase().replaceAll('_', ' ')}` : 'SUCCESS',
    'ssl-client-subject-dn': shown?.subject ?? '',
    'ssl-client-issuer-dn': shown?.issuer ?? '',
    'ssl-client-cert': shown && settings.pass ? encodeURIComponent(shown.pem) : '',
  };
}
