import type { AltNames, Subject } from './pki/index.ts';
import { clusterServerName } from './vnet-member.ts';

/** The name that lets a component publish the change feed; NATS knows its clients by the names of their certificates. */
const publisherName = 'publisher.orrery.internal';

/** The API server knows extension servers by the names of their Services. */
const serviceNames: Readonly<Record<string, readonly string[]>> = { 'system:metrics-server': ['metrics-server.kube-system.svc'] };

/** What the certificate of a component says: a user and groups to the API server, names to its clients. */
export function componentIdentity(options: { user: string; groups: readonly string[]; hostNames?: readonly string[]; addresses?: readonly string[] }): { subject: Subject; altNames: AltNames } {
  const { user, groups, hostNames = [], addresses = [] } = options;
  const publisher = user === 'kube-apiserver' ? [publisherName] : [];
  return {
    subject: { commonName: user, organizations: groups },
    altNames: { dnsNames: [...publisher, ...(serviceNames[user] ?? []), clusterServerName, 'localhost', ...hostNames], ipAddresses: ['127.0.0.1', ...addresses] },
  };
}

/**
 * The configuration of a NATS server for one cluster: TLS both ways; the API server publishes the feed, components read it
 * and ask where it is.
 */
export function natsServerConfig(options: { listen: string; ca: string; cert: string; key: string }): string {
  const { listen, ca, cert, key } = options;
  const quoted = (text: string): string => JSON.stringify(text);
  return `listen: ${quoted(listen)}
tls { ca_file: ${quoted(ca)}, cert_file: ${quoted(cert)}, key_file: ${quoted(key)}, verify_and_map: true, timeout: 5 }
authorization {
  users: [
    { user: ${quoted(publisherName)}, permissions: { publish: "feed.>", subscribe: "feed.ask" } }
    { user: ${quoted(clusterServerName)}, permissions: { publish: "feed.ask", subscribe: "feed.>" } }
  ]
}
`;
}
