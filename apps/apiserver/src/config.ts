import type { ConfigOf, ConfigSchema } from '@orrery/runtime';

/** Settings of the API server. Fields that take PEM also take the path of a file in `main.ts`. */
export const apiServerSchema = {
  host: { type: 'string', default: '127.0.0.1', help: 'address to listen on' },
  port: { type: 'number', default: 6443, help: 'HTTPS port for the Kubernetes API; 0 picks a free one' },
  grpcPort: { type: 'number', default: 6444, help: 'port of the orrery.api.v1 gRPC API; 0 picks a free one, -1 turns it off' },
  advertiseAddress: { type: 'string', default: '10.240.0.1', help: 'address in the endpoints of the kubernetes service' },
  tlsCert: { type: 'string', default: '', help: 'server certificate, PEM; without it the server speaks plain HTTP' },
  tlsKey: { type: 'string', default: '', help: 'key of --tls-cert, PEM' },
  clientCa: { type: 'string', default: '', help: 'CA bundle that client certificates are checked against, PEM' },
  etcdServers: { type: 'string', default: '127.0.0.1:2379', help: 'host:port of the store (Orrery store or etcd)' },
  etcdCa: { type: 'string', default: '', help: 'CA of the store, PEM' },
  etcdCert: { type: 'string', default: '', help: 'client certificate for the store, PEM' },
  etcdKey: { type: 'string', default: '', help: 'key of --etcd-cert, PEM' },
  etcdServerName: { type: 'string', default: '', help: "name that the store's certificate must hold; empty: the host of --etcd-servers" },
  etcdPrefix: { type: 'string', default: '/registry', help: 'prefix of all keys in the store' },
  natsUrl: { type: 'string', default: '', help: 'NATS server that the change feed is published on, e.g. nats://127.0.0.1:4222; empty: no feed' },
  natsCa: { type: 'string', default: '', help: 'CA of the NATS server, PEM; without it the connection is plain text' },
  natsCert: { type: 'string', default: '', help: 'client certificate for the NATS server, PEM' },
  natsKey: { type: 'string', default: '', help: 'key of --nats-cert, PEM' },
  serviceClusterIpRange: { type: 'string', default: '10.96.0.0/16', help: 'range that service cluster IPs are allocated from' },
  serviceNodePortRange: { type: 'string', default: '30000-32767', help: 'range that node ports are allocated from' },
  anonymousAuth: { type: 'boolean', default: true, help: 'serve requests without credentials as system:anonymous instead of answering 401' },
  authorizationMode: { type: 'string', default: 'Node,RBAC', help: 'authorizers in order: AlwaysAllow, Node, RBAC' },
  serviceAccountIssuer: { type: 'string', default: 'https://kubernetes.default.svc.cluster.local', help: 'issuer of service account tokens' },
  serviceAccountKey: { type: 'string', default: '', help: 'private key that signs service account tokens, PEM; made at start when absent' },
  tokenAuth: { type: 'string', default: '', help: 'static bearer tokens: a file, or CSV lines token,user,uid,"group1,group2"' },
  kubeletCa: { type: 'string', default: '', help: 'CA of the serving certificates of kubelets, PEM; without it they are not verified' },
  kubeletClientCert: { type: 'string', default: '', help: 'client certificate for kubelets, PEM' },
  kubeletClientKey: { type: 'string', default: '', help: 'key of --kubelet-client-cert, PEM' },
  compactionIntervalMs: { type: 'number', default: 300_000, help: 'how often old revisions of the store are compacted; 0 never' },
  eventTtlSeconds: { type: 'number', default: 3600, help: 'how long Events are kept' },
  watchCacheEvents: { type: 'number', default: 10_000, help: 'events a resource keeps for watches that resume' },
  bookmarkIntervalMs: { type: 'number', default: 60_000, help: 'how often watches that asked for them get a bookmark' },
  minRequestTimeoutSeconds: { type: 'number', default: 1800, help: 'watches without a timeout end after this to twice this' },
} as const satisfies ConfigSchema;

export type ApiServerConfig = ConfigOf<typeof apiServerSchema>;
