import type { ConfigOf, ConfigSchema } from '@orrery/runtime';

export const storeSchema = {
  name: { type: 'string', default: 'default', help: 'name of this member' },
  dataDir: { type: 'string', default: '', help: 'directory of the log and snapshots; empty keeps everything in memory' },
  initialSnapshot: { type: 'string', default: '', help: 'backup (of etcdctl snapshot save) that a new data directory begins with' },
  listenClient: { type: 'list', default: ['127.0.0.1:2379'], help: 'host:port or unix:/path to serve etcd v3 gRPC on; port 0 picks one' },
  certFile: { type: 'string', default: '', help: 'PEM certificate of the server; empty serves plain text' },
  keyFile: { type: 'string', default: '', help: 'PEM key of the certificate' },
  trustedCaFile: { type: 'string', default: '', help: 'PEM authorities that client certificates are verified against' },
  clientCertAuth: { type: 'boolean', default: false, help: 'refuse clients without a verified certificate' },
  listenPeer: { type: 'list', default: [], help: 'host:port for the other members of the cluster; empty is a store alone' },
  initialAdvertisePeer: { type: 'list', default: [], help: 'host:port or URL that the others reach this member by; empty is listen-peer' },
  initialCluster: { type: 'list', default: [], help: 'name=host:port of every member a new cluster begins with, or of the one that is joined' },
  initialClusterState: { type: 'string', default: 'new', choices: ['new', 'existing'], help: 'existing joins a cluster that this member was added to' },
  initialClusterToken: { type: 'string', default: 'etcd-cluster', help: 'tells clusters with the same addresses apart' },
  heartbeatInterval: { type: 'number', default: 100, help: 'milliseconds between a leader’s heartbeats' },
  electionTimeout: { type: 'number', default: 1000, help: 'milliseconds without a leader after which a member stands for election' },
  peerCertFile: { type: 'string', default: '', help: 'PEM certificate towards other members, as server and as client; empty is plain text' },
  peerKeyFile: { type: 'string', default: '', help: 'PEM key of the certificate' },
  peerTrustedCaFile: { type: 'string', default: '', help: 'PEM authorities that other members are verified against' },
  peerClientCertAuth: { type: 'boolean', default: false, help: 'refuse members without a verified certificate' },
  snapshotCount: { type: 'number', default: 100_000, help: 'log entries after which a snapshot is taken' },
  quotaBackendBytes: { type: 'number', default: 2 * 1024 ** 3, help: 'bytes of data beyond which the NOSPACE alarm goes on' },
  maxTxnOps: { type: 'number', default: 128, help: 'most operations in one transaction' },
  maxRequestBytes: { type: 'number', default: 1.5 * 1024 ** 2, help: 'most bytes in one request' },
  autoCompactionRetentionSeconds: { type: 'number', default: 0, help: 'compact history older than this; 0 leaves it to the clients' },
  watchProgressNotifySeconds: { type: 'number', default: 600, help: 'how often idle watchers that asked for it are told the revision' },
  minLeaseTtlSeconds: { type: 'number', default: 2, help: 'shortest lease; shorter ones are granted this much' },
  leaseCheckpointIntervalSeconds: { type: 'number', default: 300, help: 'how often the log is told what longer leases have left; 0 never: a new leader then gives them their full time' },
  listenMetrics: { type: 'string', default: '', help: 'host:port for /metrics and /health over HTTP; empty is off' },
} as const satisfies ConfigSchema;

export type StoreConfig = ConfigOf<typeof storeSchema>;
