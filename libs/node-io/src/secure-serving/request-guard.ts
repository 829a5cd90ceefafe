import type { AccessReviewer, ReviewedUser, TokenReviewer } from '@orrery/client';
import { StatusError, unauthorized } from '@orrery/errors';
import type { Clock, Logger } from '@orrery/runtime';
import type { HttpHeaders, HttpRequest, PeerCertificate } from '../http-server.ts';
import { certificateUid, verifyCertificate } from '../pki/index.ts';
import type { Trust } from './trust.ts';

export interface GuardOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly tokens: TokenReviewer;
  readonly accesses: AccessReviewer;
  /** Paths that anybody may read; a `*` at the end stands for anything. */
  readonly open: readonly string[];
  readonly trust: () => Trust;
}

const anonymous: ReviewedUser = { name: 'system:anonymous', groups: ['system:unauthenticated'] };
const authenticated = 'system:authenticated';

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
  const groups = all(headers, trust.groupHeaders);
  return { name, groups: groups.includes(authenticated) ? groups : [...groups, authenticated], ...(uid ? { uid } : {}), ...(Object.keys(extra).length ? { extra } : {}) };
}

const sameButStar = (path: string) => (one: string): boolean => (one.endsWith('*') ? path.startsWith(one.slice(0, -1)) : one === path);

/**
 * Who asks, and may they: front proxies, client certificates, tokens (TokenReview), nobody in particular; then paths open to all,
 * `system:masters`, and SubjectAccessReview. As upstream's programs with delegated authentication and authorization.
 */
export class RequestGuard {
  private readonly options: GuardOptions;

  constructor(options: GuardOptions) {
    this.options = options;
  }

  /** Throws StatusError: 401 for credentials that prove nothing, 403 for what is not allowed, 500 when nobody can be asked. */
  async admit(request: Pick<HttpRequest, 'method' | 'headers' | 'certificate'>, path: string): Promise<void> {
    const user = await this.authenticate(request);
    if (this.options.open.some(sameButStar(path)) || user.groups.includes('system:masters')) return;
    const verb = request.method.toLowerCase();
    const allowed = await this.options.accesses.allows(user, { nonResourceAttributes: { verb, path } }).catch((error: unknown) => {
      throw new StatusError({ code: 500, reason: 'InternalError', message: `Internal Server Error: ${JSON.stringify(path)}: ${(error as Error).message}` });
    });
    if (!allowed) throw new StatusError({ code: 403, reason: 'Forbidden', message: `forbidden: User ${JSON.stringify(user.name)} cannot ${verb} path ${JSON.stringify(path)}`, details: {} });
  }

  private async authenticate({ headers, certificate }: Pick<HttpRequest, 'headers' | 'certificate'>): Promise<ReviewedUser> {
    const trust = this.options.trust();
    if (certificate && this.isBy(trust.proxyCa, certificate) && (trust.proxyNames.length === 0 || trust.proxyNames.includes(certificate.commonName))) {
      const user = proxied({ headers }, trust);
      if (user) return user;
    }
    if (certificate && this.isBy(trust.clientCa, certificate)) {
      const uid = certificateUid(Buffer.from(certificate.raw));
      return { name: certificate.commonName, groups: [...certificate.organizations, authenticated], ...(uid ? { uid } : {}) };
    }
    const [, token] = /^Bearer +(\S+)$/i.exec(String(headers['authorization'] ?? '')) ?? [];
    if (token === undefined) return anonymous;
    const user = await this.options.tokens.userOf(token).catch((error: unknown) => {
      this.options.log.warn('unable to authenticate the request', { error: (error as Error).message });
      return undefined;
    });
    if (!user) throw unauthorized();
    return user;
  }

  private isBy(caBundle: string, { raw }: PeerCertificate): boolean {
    return caBundle !== '' && verifyCertificate(Buffer.from(raw), { caBundle, nowMs: this.options.clock.now(), usage: 'client auth' }) === undefined;
  }
}
