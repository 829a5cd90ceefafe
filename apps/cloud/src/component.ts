import { LoadBalancersDefinition } from '@orrery/proto/cloud';
import { type Channel, type GrpcServer, type TlsMaterial, grpcServer, inMemoryChannel, service } from '@orrery/rpc';
import type { Component, Env } from '@orrery/runtime';
import { createAddressPool } from './address-pool.ts';
import type { CloudConfig } from './config.ts';
import { type BalancerNetwork, type SavedBalancer, createLoadBalancers } from './load-balancers.ts';

export { cloudSchema } from './config.ts';
export type { BalancerNetwork, HostSocket } from './load-balancers.ts';

/** Keeps the cloud's state; a file, or memory. */
export interface CloudState {
  load(): string | undefined;
  save(text: string): void;
}

export interface CloudDeps {
  readonly network: BalancerNetwork;
  readonly state?: CloudState;
  readonly tls?: TlsMaterial;
}

interface SavedState {
  readonly version: 1;
  readonly loadBalancers: readonly SavedBalancer[];
}

function readState(text: string | undefined): readonly SavedBalancer[] {
  if (!text) return [];
  const state = JSON.parse(text) as SavedState;
  if (state.version !== 1) throw new Error(`the cloud's state has version ${String(state.version)}, which this build does not know`);
  return state.loadBalancers;
}

/** The cloud provider that the cluster runs on, emulated: load balancers with a real data plane on this machine. */
export function createCloud(env: Env, deps: CloudDeps, config: CloudConfig): Component & { channel(): Channel; port(): number } {
  const save = (loadBalancers: readonly SavedBalancer[]): void => deps.state?.save(`${JSON.stringify({ version: 1, loadBalancers } satisfies SavedState, null, 2)}\n`);
  const balancers = createLoadBalancers(env, { ...config, pool: createAddressPool(config.loadBalancerRange), network: deps.network, save });
  const services = [
    service(LoadBalancersDefinition, {
      ensure: (request) => balancers.ensure(request),
      get: ({ name = '' }) => Promise.resolve().then(() => balancers.get(name)),
      delete: async ({ name = '' }) => {
        await balancers.remove(name);
        return {};
      },
      list: () => Promise.resolve({ loadBalancers: balancers.list() }),
    }),
  ];
  let server: GrpcServer | undefined;
  let port = 0;
  let serving = false;
  return {
    name: 'cloud',
    async start() {
      await balancers.restore(readState(deps.state?.load()));
      if (config.listen) {
        server = grpcServer(services, deps.tls ? { tls: deps.tls, requireClientCert: true } : {});
        port = await server.listen(config.listen);
      }
      serving = true;
    },
    async stop() {
      serving = false;
      await server?.stop();
      await balancers.close();
    },
    ready: () => serving,
    channel: () => inMemoryChannel(services),
    port: () => port,
  };
}
