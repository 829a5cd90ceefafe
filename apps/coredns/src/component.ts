import { type ApiClient, createInformerFactory } from '@orrery/client';
import { toStatusError } from '@orrery/errors';
import { type Component, type Env, endsWithin } from '@orrery/runtime';
import type { NetStack } from '@orrery/vnet';
import { clusterFeed } from './cluster-view.ts';
import { type CoreDnsConfig, defaultCorefile } from './config.ts';
import { configMapSource, fileSource } from './corefile/source.ts';
import { publishKubeDns, withdrawKubeDns } from './kube-dns-service.ts';
import { createExchange } from './server/exchange.ts';
import { createListeners } from './server/listeners.ts';
import { createReloader } from './server/reloader.ts';
import type { DnsWorld, HostDns } from './world.ts';

export { coreDnsSchema } from './config.ts';
export { addressAfter, createScaledDns } from './scaling/scaled.ts';
export { type NodeCaches, asNodeCache, createNodeCaches, nodeCacheAddress } from './node-cache.ts';
export type { HostAnswerer, HostDns } from './world.ts';

export interface CoreDnsDeps {
  readonly api: ApiClient;
  /** Its place in the emulated network. */
  readonly net?: NetStack;
  readonly host?: HostDns;
  /** Distinguishes replicas in the kube-dns service. */
  readonly replica: string;
}

const publishAgainMs = 1_000;
/** So long each step of the start waits for an API server; without one it answers what it can. */
const patienceMs = 5_000;

/** Another try may well succeed: the server is away or busy, or another was quicker. */
function passes(error: unknown): boolean {
  const { code } = toStatusError(error);
  return code >= 500 || code === 409 || code === 429;
}

/** The cluster's DNS server: answers as its Corefile says, from Services, EndpointSlices and Namespaces, from files and other servers. */
export function createCoreDns(env: Env, deps: CoreDnsDeps, config: CoreDnsConfig): Component & { address(): string } {
  const { api, net, host, replica } = deps;
  const informers = createInformerFactory({ api, env });
  const initial = defaultCorefile(config);
  const source = config.conf ? fileSource(config.conf, host) : configMapSource(env, { api, informers, host, initial });
  const own = net?.ips[0] ?? config.address;
  const world: DnsWorld = {
    cluster: (selection) => clusterFeed(informers, env.clock, selection),
    exchange: createExchange({ clock: env.clock, ...(net ? { net } : {}), ...(host ? { host: (to, message, how) => host.exchange(to, message, how) } : {}) }),
    readFile: (path) => source.readFile(path),
    glob: (pattern) => host?.glob(pattern) ?? [],
    environment: (name) => host?.environment(name),
    localIps: () => (own ? [own] : []),
  };
  let serving = false;
  let ended: (reason: string) => void = () => undefined;
  const end = new Promise<string>((resolve) => (ended = resolve));
  const fatal = (reason: string): void => {
    env.log.error(reason, { plugin: 'loop' });
    ended(reason);
  };
  const reloader = createReloader({ env, source, world, fallback: initial, fatal, changed: () => listeners.update() });
  const listeners = createListeners({ env, nets: () => (net ? [net] : []), current: reloader.current, ...(host ? { host } : {}) });
  const closing = new AbortController();
  const publish = async (address: string): Promise<void> => {
    for (;;) {
      try {
        return await publishKubeDns(api, { serviceIp: config.serviceIp, address, replica });
      } catch (error) {
        if (!passes(error)) throw error;
        env.log.warn('cannot join the kube-dns service, trying again', { error });
        await env.clock.sleep(publishAgainMs, closing.signal);
      }
    }
  };
  return {
    name: 'coredns',
    ended: end,
    async start(signal) {
      informers.start();
      const known = source.start(signal ? AbortSignal.any([signal, closing.signal]) : closing.signal);
      const isLate = !(await endsWithin(env.clock, patienceMs, known));
      if (isLate) env.log.warn('the API server is away: starting with the built-in Corefile');
      await reloader.start();
      serving = true;
      const joined = config.serviceIp && own ? publish(own) : Promise.resolve();
      const later = (work: Promise<unknown>): void => void work.catch((error: unknown) => void (serving && ended((error as Error).message)));
      if (isLate) later(known.then(() => reloader.check()));
      if (!(await endsWithin(env.clock, patienceMs, joined))) later(joined);
    },
    async stop() {
      closing.abort(new Error('coredns stops'));
      const joined = serving;
      serving = false;
      if (joined && config.serviceIp) await withdrawKubeDns(api, replica).catch((error: unknown) => env.log.warn('cannot leave the kube-dns service', { error }));
      await reloader.stop();
      await listeners.close();
      informers.stop();
    },
    ready: () => serving && (reloader.current()?.notReady().length ?? 1) === 0,
    address: () => listeners.address(),
  };
}
