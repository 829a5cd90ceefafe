import { type ApiClient, createInformerFactory } from '@orrery/client';
import type { Component, Env } from '@orrery/runtime';
import type { NetStack } from '@orrery/vnet';
import { createClusterView } from './cluster-view.ts';
import type { CoreDnsConfig } from './config.ts';
import { publishKubeDns, withdrawKubeDns } from './kube-dns-service.ts';
import { type DnsServer, type Upstream, createDnsServer, listenOn } from './server.ts';
import { resolveKubernetes } from './zone/kubernetes.ts';

export { coreDnsSchema } from './config.ts';
export type { DnsServer, Upstream } from './server.ts';

/** A listener on this machine's own network, from the adapters; see `listenDns` of node-io. */
export interface HostDns {
  /** Resolves to `host:port`. */
  listen(server: DnsServer): Promise<string>;
  close(): Promise<void>;
}

export interface CoreDnsDeps {
  readonly api: ApiClient;
  /** Its place in the emulated network. */
  readonly net?: NetStack;
  readonly host?: HostDns;
  readonly upstream?: Upstream;
  /** Distinguishes replicas in the kube-dns service. */
  readonly replica: string;
}

/** The cluster's DNS server: answers from Services, EndpointSlices and Namespaces, forwards the rest. */
export function createCoreDns(env: Env, deps: CoreDnsDeps, config: CoreDnsConfig): Component & { address(): string } {
  const { api, net, host, replica } = deps;
  const informers = createInformerFactory({ api, env });
  const { view, changes } = createClusterView(informers);
  const zone = { zone: config.clusterDomain, ttl: config.ttlSeconds, pods: config.pods as 'insecure' | 'disabled', serial: changes };
  const server = createDnsServer({ env, resolve: (question) => resolveKubernetes(question, view, zone), upstream: deps.upstream });
  const onError = (error: unknown): void => env.log.debug('a query failed', { error });
  let close: (() => void) | undefined;
  let address = '';
  let serving = false;
  return {
    name: 'coredns',
    async start(signal) {
      informers.start();
      await informers.whenSynced(signal);
      if (net) close = listenOn(server, net, { port: 53, onError });
      if (host) address = await host.listen(server);
      const own = net?.ips[0] ?? config.address;
      if (config.serviceIp && own) await publishKubeDns(api, { serviceIp: config.serviceIp, address: own, replica });
      serving = true;
    },
    async stop() {
      if (serving && config.serviceIp) await withdrawKubeDns(api, replica).catch((error: unknown) => env.log.warn('cannot leave the kube-dns service', { error }));
      serving = false;
      close?.();
      await host?.close();
      informers.stop();
    },
    ready: () => serving && informers.synced(),
    address: () => address,
  };
}
