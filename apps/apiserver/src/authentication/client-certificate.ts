import type { PeerCertificate } from '@orrery/node-io/http-server';
import { certificateUid } from '@orrery/node-io/pki';
import { unauthorized } from '@orrery/errors';
import type { Logger } from '@orrery/runtime';
import type { Authenticator, UserInfo } from '../pipeline/index.ts';

const users = new WeakMap<PeerCertificate, UserInfo>();

async function userOf(certificate: PeerCertificate): Promise<UserInfo> {
  // Of a peer in memory there is nothing but the names.
  if (!certificate.raw.length) return { username: certificate.commonName, groups: [...certificate.organizations, 'system:authenticated'] };
  const hash = Buffer.from(await crypto.subtle.digest('SHA-256', Buffer.from(certificate.raw))).toString('hex');
  const uid = certificateUid(Buffer.from(certificate.raw));
  return {
    username: certificate.commonName,
    ...(uid === undefined ? {} : { uid }),
    groups: [...certificate.organizations, 'system:authenticated'],
    extra: { 'authentication.kubernetes.io/credential-id': [`X509SHA256=${hash}`] },
  };
}

/**
 * Client certificates: the common name is the user, the organizations are the groups, the attribute 1.3.6.1.4.1.57683.2 is
 * the uid. The connection has verified the chain. A subject with a bad uid is refused.
 */
export function clientCertificates(now: () => number, log: Logger): Authenticator {
  return {
    name: 'ClientCertificate',
    async authenticate({ certificate }) {
      // A connection may outlive its certificate.
      if (!certificate?.commonName || certificate.notAfterMs < now()) return undefined;
      const known = users.get(certificate);
      if (known) return known;
      try {
        const user = await userOf(certificate);
        users.set(certificate, user);
        return user;
      } catch (error) {
        log.warn('client certificate refused', { user: certificate.commonName, error });
        throw unauthorized();
      }
    },
  };
}
