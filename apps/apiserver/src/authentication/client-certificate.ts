import type { PeerCertificate } from '@orrery/node-io/http-server';
import { certificateUid } from '@orrery/node-io/pki';
import { unauthorized } from '@orrery/errors';
import type { Env } from '@orrery/runtime';
import type { Authenticator, UserInfo } from '../pipeline/index.ts';

const [hour, day] = [3600, 86_400];
/** Upstream's, from half an hour to a year. */
const lifetimeBuckets = [0, hour / 2, hour, 2 * hour, 6 * hour, 12 * hour, day, 2 * day, 4 * day, 7 * day, 30 * day, 90 * day, 180 * day, 360 * day];

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
export function clientCertificates(now: () => number, { log, metrics }: Pick<Env, 'log' | 'metrics'>): Authenticator {
  const lifetimes = metrics.histogram('apiserver_client_certificate_expiration_seconds', 'Distribution of the remaining lifetime on the certificate used to authenticate a request.', lifetimeBuckets).with({});
  return {
    name: 'ClientCertificate',
    async authenticate({ certificate }) {
      // A connection may outlive its certificate.
      if (!certificate?.commonName || certificate.notAfterMs < now()) return undefined;
      if (Number.isFinite(certificate.notAfterMs)) lifetimes.observe((certificate.notAfterMs - now()) / 1000);
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
