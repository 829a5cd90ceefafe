import type { CreateLoadBalancerRequest, DeleteLoadBalancerRequest, EnsureLoadBalancerRequest, ListenerSpec, LoadBalancer } from '@orrery/proto/cloud';
import { Code, RpcError } from '@orrery/rpc';
import type { Env } from '@orrery/runtime';
import { type Conn, type Endpoint, NetError } from '@orrery/vnet';
import type { AddressPool } from '../address-pool.ts';
import type { Table } from '../ledger.ts';
import type { Quotas } from '../quotas.ts';
import { createTurns } from '../turns.ts';
import { type Forwarding, checkListener, createForwarding } from './listener.ts';
import { type Meter, createMeter, meteredConn } from './metered-conn.ts';

/** A listening socket on this machine. */
export interface HostSocket {
  /** `host:port` it listens on. */
  readonly endpoint: string;
  close(): Promise<void>;
}

/** How the data plane listens on this machine and reaches targets: adapters. */
export interface BalancerNetwork {
  /** Rejects with an Error that has a `code` (EADDRINUSE, EACCES, EADDRNOTAVAIL) when it may not listen there. */
  listen(at: { host: string; port: number }, dial: (client: Endpoint) => Promise<Conn>): Promise<HostSocket>;
  /** The same for HTTP: each request may go elsewhere, and tells the client's address in X-Forwarded-For. */
  listenHttp(at: { host: string; port: number }, dial: (client: Endpoint) => Promise<Conn>): Promise<HostSocket>;
  /** The same for datagrams; `pick` chooses the target of each new client. */
  listenUdp(at: { host: string; port: number }, pick: (client: Endpoint) => Endpoint | undefined): Promise<HostSocket>;
  /** The target sees `client` as who asks, where it can be told; without one the balancer. */
  dial(target: Endpoint, client?: Endpoint): Promise<Conn>;
}

/** What is kept of a listener. */
interface SavedListener extends ListenerSpec {
  readonly owner?: string;
}

/** What is kept of a balancer. */
export interface SavedBalancer {
  readonly name: string;
  readonly address: string;
  readonly internal?: boolean;
  readonly specification?: string;
  readonly bandwidthMbps?: number;
  readonly userCreated?: boolean;
  readonly listeners: readonly SavedListener[];
}

/** A listener as it runs. */
interface Listening {
  readonly forwarding: Forwarding;
  protocol: string;
  socket: HostSocket | undefined;
  error: string;
}

/** A balancer as it runs. */
interface Running {
  readonly listeners: Map<string, Listening>;
  readonly meters: { readonly read: Meter; readonly write: Meter };
  connections: number;
}

export interface LoadBalancers {
  create(request: CreateLoadBalancerRequest): Promise<LoadBalancer>;
  ensure(request: EnsureLoadBalancerRequest): Promise<LoadBalancer>;
  get(name: string): LoadBalancer;
  remove(request: DeleteLoadBalancerRequest): Promise<void>;
  list(): LoadBalancer[];
  /** Listens for all that is kept. */
  restore(): Promise<void>;
  close(): Promise<void>;
}

export interface LoadBalancersOptions {
  readonly table: Table<SavedBalancer>;
  readonly quotas: Quotas;
  readonly pool: AddressPool;
  /** Every balancer has this address; empty: one of the pool each. */
  readonly sharedAddress: string;
  /** Where listeners bind; empty: the balancer's address. With a fixed place there is no falling back to another. */
  readonly listenHost: string;
  readonly fallbackHost: string;
  readonly network: BalancerNetwork;
}

/** How many connections a balancer takes at once. */
const specifications: Readonly<Record<string, number>> = { 'lb.small': 5000, 'lb.medium': 50_000, 'lb.large': 500_000 };

/** TCP and HTTP cannot share a port, TCP and UDP can. */
const keyOf = ({ protocol, port = 0 }: ListenerSpec): string => `${protocol === 'UDP' ? 'UDP' : 'TCP'}/${port}`;

function checkSpecification(name: string): void {
  if (name && !specifications[name]) throw new RpcError(Code.INVALID_ARGUMENT, `specification: ${name} is none of ${Object.keys(specifications).join(', ')}`);
}

/** The listeners of a balancer after an owner has said what it wants. Throws FAILED_PRECONDITION for a port that another owner has. */
export function withListenersOf(balancer: SavedBalancer, owner: string, wanted: readonly ListenerSpec[]): readonly SavedListener[] {
  // Those of the first version's balancers have no owner: whoever comes takes them over.
  const others = balancer.listeners.filter((listener) => (listener.owner ?? '') !== owner && (listener.owner || balancer.userCreated));
  const holders = new Map(others.map((listener) => [keyOf(listener), listener.owner ?? '']));
  const own = new Map<string, SavedListener>();
  for (const spec of wanted) {
    const key = keyOf(spec);
    const holder = holders.get(key);
    if (holder !== undefined) throw new RpcError(Code.FAILED_PRECONDITION, `listener ${key} of load balancer ${balancer.name} belongs to ${holder || 'its user'}`);
    if (own.has(key)) throw new RpcError(Code.INVALID_ARGUMENT, `listeners: ${key} is there twice`);
    own.set(key, { ...spec, owner });
  }
  return [...others, ...own.values()];
}

/** The load balancers of the cloud and their listeners on this machine. */
export function createLoadBalancers(env: Env, options: LoadBalancersOptions): LoadBalancers {
  const { table, quotas, pool, fallbackHost, network } = options;
  const running = new Map<string, Running>();
  const inTurn = createTurns();
  quotas.counted('load-balancers', () => table.size);
  quotas.counted('listeners', () => [...table.values()].reduce((sum, { listeners }) => sum + listeners.length, 0));

  const describe = (saved: SavedBalancer): LoadBalancer => ({
    name: saved.name,
    address: saved.address,
    internal: saved.internal ?? false,
    specification: saved.specification || 'lb.small',
    bandwidthMbps: saved.bandwidthMbps ?? 0,
    userCreated: saved.userCreated ?? false,
    listeners: saved.listeners.map(({ owner = '', ...spec }) => {
      const live = running.get(saved.name)?.listeners.get(keyOf(spec));
      return { spec, owner, hostEndpoint: live?.socket?.endpoint ?? '', error: live?.error ?? '', health: live?.forwarding.health() ?? [] };
    }),
  });
  const runningOf = (name: string): Running => {
    const mbps = (): number => table.get(name)?.bandwidthMbps ?? 0;
    const known = running.get(name) ?? { listeners: new Map<string, Listening>(), meters: { read: createMeter(env.clock, mbps), write: createMeter(env.clock, mbps) }, connections: 0 };
    running.set(name, known);
    return known;
  };
  /** Connects a client of a listener, within what the balancer's specification allows. */
  const connect = async (name: string, live: Running, listening: Listening, client: Endpoint): Promise<Conn> => {
    const most = specifications[table.get(name)?.specification || 'lb.small'] ?? 0;
    if (live.connections >= most) throw new NetError('ECONNREFUSED', `load balancer ${name} has ${most} connections, which is all it takes`);
    live.connections++;
    try {
      const { conn, ended } = await listening.forwarding.dial(client);
      return meteredConn(conn, live.meters, () => {
        live.connections--;
        ended();
      });
    } catch (error) {
      live.connections--;
      throw error;
    }
  };
  /** The balancer's own address if this machine allows it; otherwise a port of the fallback host. */
  const open = async (saved: SavedBalancer, live: Running, { spec, listening }: { spec: ListenerSpec; listening: Listening }): Promise<void> => {
    const { port = 0 } = spec;
    const places = [{ host: saved.address, port }, { host: saved.address, port: 0 }, { host: fallbackHost, port }, { host: fallbackHost, port: 0 }];
    const attempts = options.listenHost ? [{ host: options.listenHost, port }] : places;
    const dial = (client: Endpoint): Promise<Conn> => connect(saved.name, live, listening, client);
    const listen = (at: { host: string; port: number }): Promise<HostSocket> => {
      if (spec.protocol === 'UDP') return network.listenUdp(at, (client) => listening.forwarding.pick(client));
      return spec.protocol === 'HTTP' ? network.listenHttp(at, dial) : network.listen(at, dial);
    };
    for (const attempt of attempts) {
      try {
        listening.socket = await listen(attempt);
        listening.error = '';
        return;
      } catch (error) {
        listening.error = (error as Error).message;
      }
    }
    env.log.warn('a load balancer cannot listen', { balancer: saved.name, port, error: listening.error });
  };
  const shut = async (live: Running, key: string, listening: Listening): Promise<void> => {
    live.listeners.delete(key);
    listening.forwarding.close();
    await listening.socket?.close();
  };
  /** Makes the running balancer what is kept of it. */
  const shape = async (saved: SavedBalancer): Promise<void> => {
    const live = runningOf(saved.name);
    const wanted = new Map(saved.listeners.map((spec) => [keyOf(spec), spec]));
    for (const [key, listening] of [...live.listeners]) {
      if (wanted.get(key)?.protocol !== listening.protocol) await shut(live, key, listening);
    }
    for (const [key, { owner: _owner, ...spec }] of wanted) {
      const known = live.listeners.get(key);
      known?.forwarding.update(spec);
      // A proxy of HTTP speaks for itself, as one connection of it serves many.
      const dial: BalancerNetwork['dial'] = (to, client) => network.dial(to, spec.protocol === 'HTTP' ? undefined : client);
      const listening = known ?? { forwarding: createForwarding(env, dial, spec), protocol: spec.protocol ?? '', socket: undefined, error: '' };
      live.listeners.set(key, listening);
      if (!listening.socket) await open(saved, live, { spec, listening });
    }
  };
  const forget = async (saved: SavedBalancer): Promise<void> => {
    table.delete(saved.name);
    await shape({ ...saved, listeners: [] });
    running.delete(saved.name);
  };
  const allocate = (asked: string, internal: boolean): string => {
    if (options.sharedAddress) return options.sharedAddress;
    const taken = new Set([...table.values()].map((saved) => saved.address));
    if (asked && (!pool.contains(asked) || taken.has(asked))) throw new RpcError(Code.FAILED_PRECONDITION, `address ${asked} is ${taken.has(asked) ? 'taken' : 'not of this cloud'}`);
    const address = asked || (internal ? pool.last(taken) : pool.next(taken));
    if (!address) throw new RpcError(Code.RESOURCE_EXHAUSTED, 'no load balancer address is left');
    return address;
  };
  const fresh = ({ name = '', address = '', internal = false, specification = '', bandwidthMbps = 0 }: CreateLoadBalancerRequest): SavedBalancer => {
    if (!name) throw new RpcError(Code.INVALID_ARGUMENT, 'name is required');
    checkSpecification(specification);
    quotas.take('load-balancers');
    return { name, address: allocate(address, internal), internal, specification, bandwidthMbps, listeners: [] };
  };
  const found = (name: string): SavedBalancer => {
    const saved = table.get(name);
    if (!saved) throw new RpcError(Code.NOT_FOUND, `load balancer ${name} does not exist`);
    return saved;
  };
  const ensure = async (request: EnsureLoadBalancerRequest): Promise<LoadBalancer> => {
    const { name = '', owner = '', listeners = [], sourceRanges = [], specification = '', bandwidthMbps = 0 } = request;
    const specs = listeners.map((spec) => ({ ...spec, protocol: spec.protocol || 'TCP', sourceRanges: spec.sourceRanges?.length ? spec.sourceRanges : sourceRanges }));
    for (const spec of specs) checkListener(spec);
    checkSpecification(specification);
    const known = request.mustExist ? found(name) : (table.get(name) ?? fresh(request));
    const all = withListenersOf(known, owner, specs);
    if (all.length > known.listeners.length) quotas.take('listeners', all.length - known.listeners.length);
    const next: SavedBalancer = { ...known, ...(known.userCreated ? {} : { specification, bandwidthMbps }), listeners: all };
    if (JSON.stringify(next) !== JSON.stringify(table.get(name))) table.put(name, next);
    await shape(next);
    return describe(next);
  };
  return {
    create: (request) =>
      inTurn(request.name ?? '', async () => {
        if (table.get(request.name ?? '')) throw new RpcError(Code.ALREADY_EXISTS, `load balancer ${request.name ?? ''} exists`);
        const saved = { ...fresh(request), userCreated: true };
        table.put(saved.name, saved);
        return describe(saved);
      }),
    ensure: (request) => inTurn(request.name ?? '', () => ensure(request)),
    get: (name) => describe(found(name)),
    remove: ({ name = '', owner = '' }) =>
      inTurn(name, async () => {
        const saved = table.get(name);
        if (!saved) return;
        const left = owner ? saved.listeners.filter((listener) => listener.owner !== owner) : [];
        if (!owner || (!left.length && !saved.userCreated)) return forget(saved);
        const next = { ...saved, listeners: left };
        table.put(name, next);
        await shape(next);
      }),
    list: () => [...table.values()].map(describe),
    async restore() {
      for (const saved of table.values()) await shape(saved);
    },
    async close() {
      for (const live of running.values()) for (const [key, listening] of [...live.listeners]) await shut(live, key, listening);
      running.clear();
    },
  };
}
