import type { DialGrpc, ServeGrpc } from '@orrery/node-io';
import { type Channel, type GrpcServer, type ServedService, type TlsMaterial, grpcChannel } from '@orrery/rpc';
import { ConfigError } from '@orrery/runtime';
import type { StoreConfig } from '../config.ts';
import type { ClusterSettings } from './cluster-member.ts';
import { parseInitialCluster, peerUrl } from './identity.ts';

/** Whether the flags make this store one of several. */
export function isClustered(config: StoreConfig): boolean {
  return config.listenPeer.length > 0;
}

/** What the flags say of the cluster. Throws ConfigError. */
export function clusterSettings(config: StoreConfig): ClusterSettings {
  if (!config.dataDir) throw new ConfigError('--listen-peer needs --data-dir: what a member has promised must survive it');
  const tls = config.peerCertFile !== '';
  const advertised = config.initialAdvertisePeer.length ? config.initialAdvertisePeer : config.listenPeer;
  const peerURLs = advertised.map((address) => peerUrl(address, tls));
  for (const url of peerURLs) if (url.endsWith(':0')) throw new ConfigError('--listen-peer with port 0 needs --initial-advertise-peer');
  if (config.heartbeatInterval <= 0 || config.electionTimeout < 5 * config.heartbeatInterval) {
    throw new ConfigError('--election-timeout must be at least five times --heartbeat-interval');
  }
  const initialCluster = config.initialCluster.length ? parseInitialCluster(config.initialCluster, tls) : [{ name: config.name, peerURLs }];
  return {
    name: config.name,
    peerURLs,
    initialCluster,
    joins: config.initialClusterState === 'existing',
    token: config.initialClusterToken,
    heartbeatMs: config.heartbeatInterval,
    electionMs: config.electionTimeout,
  };
}

/** Connects to a member at its URL, with this member's certificate where that is https. */
export function dialPeer(url: string, tls: TlsMaterial | undefined, dial: DialGrpc = grpcChannel): Channel {
  const { protocol, host } = new URL(url);
  return dial(host, { ...(protocol === 'https:' ? { tls: tls ?? {} } : {}), keepAliveMs: 2000 });
}

/** Listens for the other members. */
export async function listenForPeers(service: ServedService, options: { addresses: readonly string[]; tls: TlsMaterial | undefined; requireClientCert: boolean; serve: ServeGrpc }): Promise<GrpcServer[]> {
  const { addresses, tls, requireClientCert, serve } = options;
  const servers: GrpcServer[] = [];
  for (const address of addresses) {
    const server = serve([service], { ...(tls ? { tls } : {}), requireClientCert });
    servers.push(server);
    await server.listen(address.replace(/^https?:\/\//, ''));
  }
  return servers;
}
