import { DisksDefinition, InstancesDefinition, LoadBalancersDefinition, OperationsDefinition, RoutesDefinition, ScalingGroupsDefinition } from '@orrery/proto/cloud';
import { createClient } from '@orrery/rpc';
import { type Random, VirtualClock, createMetrics, resolveConfig, seededRandom, silentLogger } from '@orrery/runtime';
import type { Conn, Endpoint } from '@orrery/vnet';
import { type BalancerNetwork, type DiskContents, createCloud } from '../component.ts';
import { type CloudConfig, cloudSchema } from '../config.ts';
import type { CloudState } from '../ledger.ts';

export const testEnv = (clock = new VirtualClock(), random: Random = seededRandom(1)) => ({ clock, random, log: silentLogger, metrics: createMetrics() });

/** A network of which a test sees what listens and what was dialled; `answer` decides about dials. */
export function fakeNetwork({ deny = () => false, answer = () => Promise.reject(new Error('refused')) }: { deny?: (host: string, port: number) => boolean; answer?: (to: Endpoint) => Promise<Conn> } = {}) {
  const dialled: string[] = [];
  /** Of each dial the client it was for. */
  const clients: (string | undefined)[] = [];
  const open = new Map<string, (client: Endpoint) => Promise<unknown>>();
  const listen = (prefix: string) => ({ host, port }: { host: string; port: number }, dial: (client: Endpoint) => Promise<unknown>) => {
    if (deny(host, port)) return Promise.reject(Object.assign(new Error(`listen EACCES ${host}:${port}`), { code: 'EACCES' }));
    const endpoint = `${host}:${port || 40001}`;
    open.set(`${prefix}${endpoint}`, dial);
    return Promise.resolve({ endpoint, close: () => Promise.resolve(void open.delete(`${prefix}${endpoint}`)) });
  };
  const network: BalancerNetwork = {
    listen: listen(''),
    listenHttp: listen('http '),
    listenUdp: (at, pick) => listen('udp ')(at, (client) => Promise.resolve(pick(client))),
    dial(to, client) {
      dialled.push(`${to.ip}:${to.port}`);
      clients.push(client?.ip);
      return answer(to);
    },
  };
  const client: Endpoint = { ip: '127.0.0.1', port: 50_000 };
  return { network, open, dialled, clients, connect: (at: string, from = client) => open.get(at)?.(from) };
}

/** What a file would keep. `failing` makes it refuse. */
export function memoryState(text?: string): CloudState & { text: string | undefined; failing: boolean } {
  const state = {
    text,
    failing: false,
    load: () => Promise.resolve(state.text),
    append(more: string) {
      if (state.failing) return Promise.reject(new Error('disk full'));
      state.text = (state.text ?? '') + more;
      return Promise.resolve();
    },
    replace(all: string) {
      if (state.failing) return Promise.reject(new Error('disk full'));
      state.text = all;
      return Promise.resolve();
    },
  };
  return state;
}

/** A started cloud in memory with a client of each of its services. */
export async function startCloud(options: { network?: BalancerNetwork; state?: CloudState; contents?: DiskContents; config?: Partial<CloudConfig>; clock?: VirtualClock; random?: Random } = {}) {
  const { network = fakeNetwork().network, state, contents, clock = new VirtualClock(), random } = options;
  const cloud = createCloud(testEnv(clock, random), { network, ...(state ? { state } : {}), ...(contents ? { contents } : {}) }, { ...resolveConfig(cloudSchema, [{}]), ...options.config });
  await cloud.start();
  const channel = cloud.channel();
  return {
    clock,
    cloud,
    balancers: createClient(LoadBalancersDefinition, channel),
    instances: createClient(InstancesDefinition, channel),
    routes: createClient(RoutesDefinition, channel),
    groups: createClient(ScalingGroupsDefinition, channel),
    disks: createClient(DisksDefinition, channel),
    operations: createClient(OperationsDefinition, channel),
  };
}
