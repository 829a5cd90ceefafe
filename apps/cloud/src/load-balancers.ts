import type { EnsureLoadBalancerRequest, ListenerSpec, LoadBalancer } from '@orrery/proto/cloud';
import { Code, RpcError } from '@orrery/rpc';
import type { Env } from '@orrery/runtime';
import { type Conn, NetError } from '@orrery/vnet';
import type { AddressPool } from './address-pool.ts';

/** A listening socket on this machine. */
export interface HostSocket {
  /** `host:port` it listens on. */
  readonly endpoint: string;
  close(): Promise<void>;
}

/** How the data plane listens on this machine and reaches targets: adapters. */
export interface BalancerNetwork {
  /** Rejects with an Error that has a `code` (EADDRINUSE, EACCES, EADDRNOTAVAIL) when it may not listen there. */
  listen(at: { host: string; port: number }, dial: () => Promise<Conn>): Promise<HostSocket>;
  /** The same for datagrams; `pick` chooses the target of each new client. */
  listenUdp(at: { host: string; port: number }, pick: () => { ip: string; port: number } | undefined): Promise<HostSocket>;
  dial(target: { ip: string; port: number }): Promise<Conn>;
}

interface Listening {
  spec: ListenerSpec;
  socket: HostSocket | undefined;
  error: string;
  /** Round robin over targets. */
  turn: number;
}

interface Balancer {
  readonly name: string;
  readonly address: string;
  listeners: Map<string, Listening>;
}

/** What is kept over restarts: the name and address of every balancer and its listeners. */
export interface SavedBalancer {
  readonly name: string;
  readonly address: string;
  readonly listeners: readonly ListenerSpec[];
}

export interface LoadBalancers {
  ensure(request: EnsureLoadBalancerRequest): Promise<LoadBalancer>;
  get(name: string): LoadBalancer;
  remove(name: string): Promise<void>;
  list(): LoadBalancer[];
  restore(saved: readonly SavedBalancer[]): Promise<void>;
  close(): Promise<void>;
}

const keyOf = (spec: ListenerSpec): string => `${spec.protocol ?? 'TCP'}/${spec.port ?? 0}`;

function describe(balancer: Balancer): LoadBalancer {
  const listeners = [...balancer.listeners.values()].map(({ spec, socket, error }) => ({ spec, hostEndpoint: socket?.endpoint ?? '', error }));
  return { name: balancer.name, address: balancer.address, listeners };
}

function nextTarget(listening: Listening): { ip: string; port: number } | undefined {
  const targets = listening.spec.targets ?? [];
  const target = targets[listening.turn++ % Math.max(1, targets.length)];
  return target && { ip: target.address ?? '', port: target.port ?? 0 };
}

/** Tries the targets in turn until one accepts. */
async function dialTarget(network: BalancerNetwork, listening: Listening): Promise<Conn> {
  const targets = listening.spec.targets ?? [];
  const start = listening.turn++;
  let failure: unknown = new NetError('ECONNREFUSED', 'the load balancer has no targets');
  for (let i = 0; i < targets.length; i++) {
    const target = targets[(start + i) % targets.length];
    try {
      return await network.dial({ ip: target?.address ?? '', port: target?.port ?? 0 });
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

export interface LoadBalancersOptions {
  readonly pool: AddressPool;
  /** Every balancer has this address; empty: one of the pool each. */
  readonly sharedAddress: string;
  /** Where listeners bind; empty: the balancer's address. With a fixed place there is no falling back to another. */
  readonly listenHost: string;
  readonly fallbackHost: string;
  readonly network: BalancerNetwork;
  readonly save: (balancers: readonly SavedBalancer[]) => void;
}

/** The load balancers of the cloud and their listeners on this machine. */
export function createLoadBalancers(env: Env, options: LoadBalancersOptions): LoadBalancers {
  const { pool, fallbackHost, network } = options;
  const balancers = new Map<string, Balancer>();
  /** Changes of one balancer run one after the other. */
  const chains = new Map<string, Promise<unknown>>();

  const persist = (): void => options.save([...balancers.values()].map((b) => ({ name: b.name, address: b.address, listeners: [...b.listeners.values()].map((l) => l.spec) })));

  const inTurn = <T>(name: string, work: () => Promise<T>): Promise<T> => {
    const result = (chains.get(name) ?? Promise.resolve()).then(work, work);
    chains.set(name, result.catch(() => undefined));
    return result;
  };

  /** The balancer's own address if this machine allows it; otherwise a port of the fallback host. */
  const open = async (balancer: Balancer, listening: Listening): Promise<void> => {
    const { port = 0, protocol = 'TCP' } = listening.spec;
    const places = [{ host: balancer.address, port }, { host: balancer.address, port: 0 }, { host: fallbackHost, port }, { host: fallbackHost, port: 0 }];
    const attempts = options.listenHost ? [{ host: options.listenHost, port }] : places;
    const listen = (at: { host: string; port: number }): Promise<HostSocket> =>
      protocol === 'UDP' ? network.listenUdp(at, () => nextTarget(listening)) : network.listen(at, () => dialTarget(network, listening));
    for (const attempt of attempts) {
      try {
        listening.socket = await listen(attempt);
        listening.error = '';
        return;
      } catch (error) {
        listening.error = (error as Error).message;
      }
    }
    env.log.warn('a load balancer cannot listen', { balancer: balancer.name, port, error: listening.error });
  };

  const shape = async (balancer: Balancer, specs: readonly ListenerSpec[]): Promise<void> => {
    const wanted = new Map(specs.map((spec) => [keyOf(spec), spec]));
    for (const [key, listening] of [...balancer.listeners]) {
      if (wanted.has(key)) continue;
      balancer.listeners.delete(key);
      await listening.socket?.close();
    }
    for (const [key, spec] of wanted) {
      const known = balancer.listeners.get(key);
      if (known) known.spec = spec;
      const listening = known ?? { spec, socket: undefined, error: '', turn: 0 };
      balancer.listeners.set(key, listening);
      if (!listening.socket) await open(balancer, listening);
    }
  };

  const allocate = (asked: string): string => {
    if (options.sharedAddress) return options.sharedAddress;
    const taken = new Set([...balancers.values()].map((b) => b.address));
    if (asked && (!pool.contains(asked) || taken.has(asked))) throw new RpcError(Code.FAILED_PRECONDITION, `address ${asked} is ${taken.has(asked) ? 'taken' : 'not of this cloud'}`);
    const address = asked || pool.next(taken);
    if (!address) throw new RpcError(Code.RESOURCE_EXHAUSTED, 'no load balancer address is left');
    return address;
  };

  const found = (name: string): Balancer => {
    const balancer = balancers.get(name);
    if (!balancer) throw new RpcError(Code.NOT_FOUND, `load balancer ${name} does not exist`);
    return balancer;
  };

  return {
    ensure: ({ name = '', listeners = [], address = '' }) =>
      inTurn(name, async () => {
        if (!name) throw new RpcError(Code.INVALID_ARGUMENT, 'name is required');
        const balancer = balancers.get(name) ?? { name, address: allocate(address), listeners: new Map() };
        balancers.set(name, balancer);
        await shape(balancer, listeners);
        persist();
        return describe(balancer);
      }),
    get: (name) => describe(found(name)),
    remove: (name) =>
      inTurn(name, async () => {
        const balancer = balancers.get(name);
        if (!balancer) return;
        balancers.delete(name);
        await shape(balancer, []);
        persist();
      }),
    list: () => [...balancers.values()].map(describe),
    async restore(saved) {
      for (const { name, address, listeners } of saved) {
        const balancer: Balancer = { name, address, listeners: new Map() };
        balancers.set(name, balancer);
        await shape(balancer, listeners);
      }
    },
    async close() {
      for (const balancer of balancers.values()) for (const { socket } of balancer.listeners.values()) await socket?.close();
    },
  };
}
