import { type Timer, latencyBuckets } from '@orrery/runtime';
import { inZone } from '../corefile/zones.ts';
import { type Handler, type Query, type Reply, bare } from '../message.ts';
import { readReply } from '../server/read.ts';
import { encodeQuestion } from '../server/wire.ts';
import { type ForwardSettings, type Upstream, parseForward } from './forward-settings.ts';
import type { PluginContext, Setup } from './plugin.ts';

/** In all, and for one server. */
const deadlineMs = 5_000;
const readMs = 2_000;
/**
 * How often those that refuse at once are tried while checks have not found them wanting: behind the address of a Service another server may answer. Upstream
 * has no limit but the time. One that hangs is not waited for twice: whoever asks would have given up.
 */
const rounds = 8;

interface Proxy {
  readonly upstream: Upstream;
  readonly label: string;
  fails: number;
  probing: Timer | undefined;
}

/** One `forward` line. */
class Forwarder {
  readonly settings: ForwardSettings;
  private readonly context: PluginContext;
  private readonly proxies: Proxy[];
  private turn = 0;
  private running = 0;
  private stopped = false;

  constructor(settings: ForwardSettings, context: PluginContext) {
    this.settings = settings;
    this.context = context;
    this.proxies = settings.upstreams.map((upstream) => ({ upstream, label: `${upstream.ip.includes(':') ? `[${upstream.ip}]` : upstream.ip}:${upstream.port}`, fails: 0, probing: undefined }));
  }

  serves(name: string): boolean {
    const { from, except } = this.settings;
    return inZone(name, from) && !except.some((zone) => inZone(name, zone));
  }

  async handle(query: Query): Promise<Reply> {
    const { maxConcurrent } = this.settings;
    if (maxConcurrent && this.running >= maxConcurrent) {
      this.context.env.metrics.counter('coredns_forward_max_concurrent_rejects_total', 'Counter of the number of queries rejected because the concurrent queries were at maximum.').inc();
      throw Object.assign(new Error(`concurrent queries exceeded maximum ${maxConcurrent}`), { rcode: 'REFUSED' });
    }
    this.running++;
    try {
      return await this.ask(query);
    } finally {
      this.running--;
    }
  }

  stop(): void {
    this.stopped = true;
    for (const proxy of this.proxies) proxy.probing?.cancel();
  }

  /** In the order of the policy. */
  private order(): Proxy[] {
    const { policy } = this.settings;
    if (policy === 'sequential') return this.proxies;
    const count = this.proxies.length;
    const at = policy === 'round_robin' ? this.turn++ % count : this.context.env.random.int(count);
    return [...this.proxies.slice(at), ...this.proxies.slice(0, at)];
  }

  private isDown({ fails }: Proxy): boolean {
    const { maxFails } = this.settings;
    return maxFails > 0 && fails >= maxFails;
  }

  private async ask(query: Query): Promise<Reply> {
    const { env } = this.context;
    const began = env.clock.monotonic();
    const order = this.order();
    let up = order.filter((proxy) => !this.isDown(proxy));
    if (!up.length) {
      env.metrics.counter('coredns_forward_healthcheck_broken_total', 'Counter of the number of complete failures of the healthchecks.').inc();
      if (this.settings.failFast) throw new Error('no healthy upstreams');
      // Checks may be what is broken: one is asked all the same.
      up = [order[env.random.int(order.length)] as Proxy];
    }
    let failure: unknown = new Error('no upstream host was tried');
    let given: Reply | undefined;
    for (let round = 0; round < rounds && up.length && !given; round++) {
      for (const proxy of up) {
        if (env.clock.monotonic() - began >= deadlineMs) throw failure;
        try {
          const reply = await this.exchange(proxy, query);
          if (!this.settings.failover.includes(reply.rcode)) return reply;
          given = reply;
        } catch (error) {
          failure = error;
          this.check(proxy);
        }
      }
      up = env.clock.monotonic() - began < readMs ? up.filter((proxy) => !this.isDown(proxy)) : [];
    }
    if (given) return given;
    throw failure;
  }

  private async exchange(proxy: Proxy, query: Query): Promise<Reply> {
    const { env, world } = this.context;
    const { forceTcp, preferUdp, serverName, ca } = this.settings;
    const { upstream } = proxy;
    const began = env.clock.monotonic();
    const send = async (transport: 'udp' | 'tcp' | 'tls'): Promise<Reply> => {
      const name = upstream.serverName || serverName;
      // An id of its own: two clients may use the same.
      const own = { ...query, id: env.random.int(65_536) };
      const bytes = await world.exchange(upstream, encodeQuestion(own), { transport, timeoutMs: readMs, ...(name ? { serverName: name } : {}), ...(ca ? { ca } : {}) });
      return readReply(bytes, own);
    };
    const first = upstream.tls ? 'tls' : forceTcp ? 'tcp' : preferUdp ? 'udp' : query.transport;
    let reply = await send(first);
    if (reply.truncated && first === 'udp' && preferUdp) reply = await send('tcp');
    const seconds = env.metrics.histogram('coredns_proxy_request_duration_seconds', 'Histogram of the time each request took.', latencyBuckets);
    seconds.observe((env.clock.monotonic() - began) / 1000, { proxy_name: 'forward', to: proxy.label, rcode: reply.rcode });
    return reply;
  }

  /** Probes a server that failed until it answers again. */
  private check(proxy: Proxy): void {
    const { healthMs } = this.settings;
    if (proxy.probing || this.stopped || healthMs === 0) return;
    const { env } = this.context;
    const probe = async (): Promise<void> => {
      try {
        await this.probe(proxy);
        proxy.fails = 0;
        proxy.probing = undefined;
      } catch {
        proxy.fails++;
        env.metrics.counter('coredns_proxy_healthcheck_failures_total', 'Counter of the number of failed healthchecks.').inc({ proxy_name: 'forward', to: proxy.label });
        proxy.probing = this.stopped ? undefined : env.clock.after(healthMs, () => void probe());
      }
    };
    proxy.probing = env.clock.after(0, () => void probe());
  }

  /** Any reply will do, whatever it says. */
  private async probe({ upstream }: Proxy): Promise<void> {
    const { env, world } = this.context;
    const { healthDomain, healthRecursion, forceTcp, serverName, ca } = this.settings;
    const query: Query = {
      id: env.random.int(65_536), asked: healthDomain, name: healthDomain, type: 'NS', class: 'IN', recursionDesired: healthRecursion, checkingDisabled: false, edns: undefined,
      transport: 'udp', client: { ip: '', port: 0 }, size: 0,
    };
    const name = upstream.serverName || serverName;
    const transport = upstream.tls ? 'tls' : forceTcp ? 'tcp' : 'udp';
    await world.exchange(upstream, encodeQuestion(query), { transport, timeoutMs: 1_000, ...(name ? { serverName: name } : {}), ...(ca ? { ca } : {}) });
  }
}

/** Asks other servers: https://coredns.io/plugins/forward/. Several lines are tried by their zones, in order. */
export const forward: Setup = (lines, context) => {
  const forwarders = lines.map((line) => new Forwarder(parseForward(line, context), context));
  return {
    async handle(query, next: Handler) {
      const forwarder = forwarders.find((one) => one.serves(query.name));
      if (!forwarder) return next(query);
      try {
        return await forwarder.handle(query);
      } catch (error) {
        if ((error as { rcode?: string }).rcode === 'REFUSED') return bare('REFUSED');
        throw new Error(`plugin/forward: ${(error as Error).message}`, { cause: error });
      }
    },
    stop() {
      for (const forwarder of forwarders) forwarder.stop();
    },
  };
};
