import type { ConfigOf, ConfigSchema } from '@orrery/runtime';

/** Settings of the DNS server. */
export const coreDnsSchema = {
  clusterDomain: { type: 'string', default: 'cluster.local', help: 'zone of the cluster' },
  ttlSeconds: { type: 'number', default: 30, help: 'time to live of answers from the cluster' },
  pods: { type: 'string', default: 'insecure', choices: ['insecure', 'disabled'], help: 'whether 1-2-3-4.namespace.pod names are answered' },
  serviceIp: { type: 'string', default: '10.96.0.10', help: 'cluster address of the kube-dns service, which is made when missing; empty for none' },
  address: { type: 'string', default: '10.240.0.53', help: 'its address in the emulated network, which the kube-dns service points at' },
  replica: { type: 'string', default: '0', help: 'distinguishes replicas in the kube-dns service' },
  listen: { type: 'string', default: '', help: 'host:port on this machine to answer on too, UDP and TCP; port 0 picks one, empty for none' },
  forward: { type: 'list', default: [], help: 'name servers for all other zones (host or host:port); none: REFUSED' },
} as const satisfies ConfigSchema;

export type CoreDnsConfig = ConfigOf<typeof coreDnsSchema>;
