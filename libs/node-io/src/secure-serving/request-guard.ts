import type { AccessReviewer, ReviewedAccess, ReviewedUser, TokenReviewer } from '@orrery/client';
import type { Clock, Logger } from '@orrery/runtime';
import type { HttpHeaders, HttpRequest, PeerCertificate } from '../http-server.ts';
import { certificateUid, verifyCertificate } from '../pki/index.ts';
import type { Trust } from './trust.ts';

export interface GuardOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** Without it no token proves anything. */
  readonly tokens?: TokenReviewer;
  readonly accesses: AccessReviewer;
  readonly trust: () => Trust;
  /** Whether who shows nothing at all is let in as `system:anonymous`, for authorization to judge. */
  readonly anonymous: boolean;
}

const nobody: ReviewedUser = { name: 'system:anonymous', groups: ['system:unauthenticated'] };
const authenticated = 'system:authenticated';

/** A front proxy may say that it knows not who asks; all others are somebody. */
const withAuthenticated = (name: string, groups: readonly string[]): readonly string[] =>
  name === nobody.name || groups.includes(authenticated) || groups.includes('system:unauthenticated') ? groups : [...groups, authenticated];

const all = (headers: HttpHeaders, names: readonly string[]): string[] => names.flatMap((name) => [headers[name] ?? []].flat()).filter((value) => value !== '');

/** Who a front proxy says asks. */
function proxied({ headers }: Pick<HttpRequest, 'headers'>, trust: Trust): ReviewedUser | undefined {
  const [name] = all(headers, trust.userHeaders);
  if (name === undefined) return undefined;
  const extra: Record<string, readonly string[]> = {};
  for (const prefix of trust.extraPrefixes) {
    for (const header of Object.keys(headers)) if (header.startsWith(prefix)) extra[decodeURIComponent(header.slice(prefix.length))] = all(headers, [header]);
  }
  const [uid] = all(headers, trust.uidHeaders);
  return { name, groups: withAuthenticated(name, all(headers, trust.groupHeaders)), ...(uid ? { uid } : {}), ...(Object.keys(extra).length ? { extra } : {}) };
}

/**
 * Who asks, and may they: front proxies, client certificates, tokens (TokenReview), nobody in particular; then `system:masters`, and
 * SubjectAccessReview. As upstream's programs with delegated authentication and authorization.
 */
export class RequestGuard {
  private readonly options: GuardOptions;

  constructor(options: GuardOptions) {
    this.options = options;
  }

  /** Undefined (401) for credentials that prove nothing, and for none where that is not enough. */
  async authenticate({ headers, certificate }: Pick<HttpRequest, 'headers' | 'certificate'>): Promise<ReviewedUser | undefined> {
    const trust = this.options.trust();
    if (certificate && this.isBy(trust.proxyCa, certificate) && (trust.proxyNames.length === 0 || trust.proxyNames.includes(certificate.commonName))) {
      const user = proxied({ headers }, trust);
      if (user) return user;
    }
    if (certificate && this.isBy(trust.clientCa, certificate)) {
      const uid = certificateUid(Buffer.from(certificate.raw));
      return { name: certificate.commonName, groups: [...certificate.organizations, authenticated], ...(uid ? { uid } : {}) };
    }
    const { tokens, anonymous, log } = this.options;
    const [, token] = /^Bearer +(\S+)$/i.exec(String(headers['authorization'] ?? '')) ?? [];
    if (token === undefined || !tokens) return anonymous ? nobody : undefined;
    return tokens.userOf(token).catch((error: unknown) => {
      log.warn('unable to authenticate the request', { error: (error as Error).message });
      return undefined;
    });
  }

  /** Whether one of the accesses, asked about in this order, is allowed. Rejects when the API server cannot be asked. */
  async allows(user: ReviewedUser, accesses: readonly ReviewedAccess[]): Promise<boolean> {
    if (user.groups.includes('system:masters')) return true;
    for (const access of accesses) if (await this.options.accesses.allows(user, access)) return true;
    return false;
  }

  private isBy(caBundle: string, { raw }: PeerCertificate): boolean {
    return caBundle !== '' && verifyCertificate(Buffer.from(raw), { caBundle, nowMs: this.options.clock.now(), usage: 'client auth' }) === undefined;
  }
}
