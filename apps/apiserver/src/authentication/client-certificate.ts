import type { PeerCertificate } from '@orrery/node-io/http-server';
import type { Authenticator, UserInfo } from '../pipeline/index.ts';

const users = new WeakMap<PeerCertificate, UserInfo>();

async function userOf(certificate: PeerCertificate): Promise<UserInfo> {
  const hash = Buffer.from(await crypto.subtle.digest('SHA-256', Buffer.from(certificate.raw))).toString('hex');
  return {
    username: certificate.commonName,
    groups: [...certificate.organizations, 'system:authenticated'],
    extra: { 'authentication.kubernetes.io/credential-id': [`X509SHA256=${hash}`] },
  };
}

/** Client certificates: the common name is the user, the organizations are the groups. The connection has verified the chain. */
export function clientCertificates(now: () => number): Authenticator {
  return {
    name: 'ClientCertificate',
    async authenticate({ certificate }) {
      // A connection may outlive its certificate.
      if (!certificate?.commonName || certificate.notAfterMs < now()) return undefined;
      let user = users.get(certificate);
      if (!user) users.set(certificate, (user = await userOf(certificate)));
      return user;
    },
  };
}
