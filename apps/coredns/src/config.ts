import type { ConfigOf, ConfigSchema } from '@orrery/runtime';

/** Settings of the DNS server. What it answers is said by a Corefile; the flags about zones only make the Corefile it begins with. */
export const coreDnsSchema = {
  conf: { type: 'string', default: '', help: 'Corefile to load; without it the ConfigMap kube-system/coredns is, which is made when missing' },
  clusterDomain: { type: 'string', default: 'cluster.local', help: 'zone of the cluster, in the Corefile that is made' },
  ttlSeconds: { type: 'number', default: 30, help: 'time to live of answers from the cluster, in the Corefile that is made' },
  pods: { type: 'string', default: 'insecure', choices: ['insecure', 'verified', 'disabled'], help: 'whether 1-2-3-4.namespace.pod names are answered, in the Corefile that is made' },
  forward: { type: 'list', default: [], help: 'name servers for all other zones (host, host:port or a resolv.conf), in the Corefile that is made; none: REFUSED' },
  serviceIp: { type: 'string', default: '10.96.0.10', help: 'cluster address of the kube-dns service, which is made when missing; empty for none' },
  address: { type: 'string', default: '10.240.0.53', help: 'its address in the emulated network, which the kube-dns service points at' },
  replica: { type: 'string', default: '0', help: 'distinguishes replicas in the kube-dns service' },
  nodeCache: { type: 'string', default: '', help: 'name of a node: it is the DNS cache of this node (NodeLocal DNSCache), by the ConfigMap kube-system/node-local-dns, and asks the kube-dns service at --service-ip' },
  listen: { type: 'string', default: '', help: 'host:port on this machine to answer on for port 53, UDP and TCP; port 0 picks one, empty for none' },
} as const satisfies ConfigSchema;

export type CoreDnsConfig = ConfigOf<typeof coreDnsSchema>;

/**
 * The Corefile a cluster begins with: kubeadm's, without its pause of five seconds at the end. Without `--forward` it serves the
 * cluster's own zones only.
 */
export function defaultCorefile(config: Pick<CoreDnsConfig, 'clusterDomain' | 'ttlSeconds' | 'pods' | 'forward'>): string {
  const { clusterDomain, ttlSeconds, pods, forward } = config;
  const zones = [clusterDomain, 'in-addr.arpa', 'ip6.arpa'];
  const forwards = forward.length > 0;
  return [
    `${forwards ? '.:53' : zones.map((zone) => `${zone}:53`).join(' ')} {`,
    '    errors',
    '    health',
    '    ready',
    `    kubernetes ${zones.join(' ')} {`,
    `       pods ${pods}`,
    ...(forwards ? ['       fallthrough in-addr.arpa ip6.arpa'] : []),
    `       ttl ${ttlSeconds}`,
    '    }',
    '    prometheus :9153',
    ...(forwards ? [`    forward . ${forward.join(' ')} {`, '       max_concurrent 1000', '    }'] : []),
    '    cache 30 {',
    `       disable success ${clusterDomain}`,
    `       disable denial ${clusterDomain}`,
    '    }',
    ...(forwards ? ['    loop'] : []),
    '    reload',
    '    loadbalance',
    '}',
    '',
  ].join('\n');
}
