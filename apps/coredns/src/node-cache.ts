import { type ApiClient, createInformerFactory } from '@orrery/client';
import type { Component, Env } from '@orrery/runtime';
import type { Endpoint, NetStack, ServiceRule } from '@orrery/vnet';
import { clusterFeed } from './cluster-view.ts';
import { configMapSource } from './corefile/source.ts';
import { followDnsServices } from './dns-services.ts';
import { createExchange } from './server/exchange.ts';
import { createListeners } from './server/listeners.ts';
import { createReloader } from './server/reloader.ts';

/** Where caches of nodes listen by convention; an address of each node that only its own pods reach. */
export const nodeCacheAddress = '169.254.20.10';

/**
 * The Corefile of a cache on each node, as that of NodeLocal DNSCache: names of the cluster and all others are asked of the cluster's
 * DNS service over TCP, so that no datagram between nodes can be lost. It has no `loop`: it asks one address, which is not its own.
 */
export function nodeCacheCorefile({ address, clusterDomain, serviceIp }: { address: string; clusterDomain: string; serviceIp: string }): string {
  const block = (zone: string, own: { cache: readonly string[]; health?: boolean }): string[] => [
    `${zone}:53 {`,
    '    errors',
    ...own.cache.map((line) => `    ${line}`),
    '    reload',
    `    bind ${address}`,
    `    forward . ${serviceIp} {`,
    '        force_tcp',
    '    }',
    '    prometheus :9253',
    ...(own.health ? [`    health ${address}:8080`] : []),
    '}',
  ];
  return [
    ...block(clusterDomain, { cache: ['cache {', '    success 9984 30', '    denial 9984 5', '}'], health: true }),
    ...['in-addr.arpa', 'ip6.arpa', '.'].flatMap((zone) => block(zone, { cache: ['cache 30'] })),
    '',
  ].join('\n');
}

export interface NodeCacheConfig {
  readonly clusterDomain: string;
  readonly serviceIp: string;
}

/** Caches of the nodes of a process; nodes may come and go while it runs. */
export interface NodeCaches extends Component {
  /** `net` must have `nodeCacheAddress` among its addresses. */
  add(node: string, net: NetStack): void;
  remove(node: string): void;
}

/** A place elsewhere, to which the node's switch sends what is for the cache: what is to listen at `nodeCacheAddress` listens there. */
export function asNodeCache(net: NetStack): NetStack {
  const here = ({ ip, port }: Endpoint): Endpoint => ({ ip: ip === nodeCacheAddress ? '' : ip, port });
  return {
    ips: [...net.ips, nodeCacheAddress],
    dial: (to, options) => net.dial(to, options),
    listen: (at, onConn) => net.listen(here(at), onConn),
    udp: (at, onMessage) => net.udp(here(at), onMessage),
  };
}

interface Cache {
  start(): Promise<void>;
  stop(): Promise<void>;
}

export interface NodeCachesDeps {
  readonly api: ApiClient;
  /** Where the caches have a switch that no kube-proxy programs: told how the Services of the cluster's DNS are reached. */
  readonly program?: (rules: readonly ServiceRule[]) => Promise<void>;
}

/** By the ConfigMap `kube-system/node-local-dns`, which is made when missing; each node has a cache of its own. */
export function createNodeCaches(env: Env, { api, program }: NodeCachesDeps, config: NodeCacheConfig): NodeCaches {
  const informers = createInformerFactory({ api, env });
  if (program) followDnsServices({ informers, log: env.log, program });
  const initial = nodeCacheCorefile({ ...config, address: nodeCacheAddress });
  const source = configMapSource(env, { api, informers, host: undefined, initial, name: 'node-local-dns' });
  const caches = new Map<string, Cache>();
  let running = false;

  const cacheOf = (node: string, net: NetStack): Cache => {
    const world = {
      cluster: (selection: Parameters<typeof clusterFeed>[2]) => clusterFeed(informers, env.clock, selection),
      exchange: createExchange({ clock: env.clock, net }),
      readFile: (path: string) => source.readFile(path),
      glob: () => [],
      environment: () => undefined,
      localIps: () => [...net.ips],
    };
    const fatal = (reason: string): void => {
      env.log.error(`the DNS cache of a node ends: ${reason}`, { node });
      void cache.stop();
    };
    const reloader = createReloader({ env, source, world, fallback: initial, fatal, changed: () => listeners.update() });
    const listeners = createListeners({ env, nets: () => [net], current: reloader.current });
    const cache: Cache = {
      start: () => reloader.start(),
      async stop() {
        await reloader.stop();
        await listeners.close();
      },
    };
    return cache;
  };
  const begin = (node: string, cache: Cache): Promise<void> => cache.start().catch((error: unknown) => env.log.error('a node has no DNS cache', { node, error }));

  return {
    name: 'node-local-dns',
    add(node, net) {
      const cache = cacheOf(node, net);
      caches.set(node, cache);
      if (running) void begin(node, cache);
    },
    remove(node) {
      const cache = caches.get(node);
      caches.delete(node);
      if (running) cache?.stop().catch((error: unknown) => env.log.warn('a DNS cache does not end', { node, error }));
    },
    async start(signal) {
      informers.start();
      await source.start(signal);
      running = true;
      await Promise.all([...caches].map(([node, cache]) => begin(node, cache)));
    },
    async stop() {
      running = false;
      await Promise.all([...caches.values()].map((cache) => cache.stop()));
      informers.stop();
    },
    ready: () => running,
  };
}
