import { type Channel, type GrpcServer, grpcServer, inMemoryChannel, type ServedService } from '@orrery/rpc';
import { type Component, type Env, resolveConfig } from '@orrery/runtime';
import { type StoreConfig, storeSchema } from './config.ts';
import { Member } from './member.ts';
import { authService } from './services/auth.ts';
import { clusterService } from './services/cluster.ts';
import { kvService } from './services/kv.ts';
import { leaseService } from './services/lease.ts';
import { watchService } from './services/watch.ts';

export { type StoreConfig, storeSchema } from './config.ts';

export interface Store extends Component {
  /** The etcd services of this process, called directly. Calls before `start` and after `stop` fail with UNAVAILABLE. */
  channel(): Channel;
  /** Addresses it listens on, with the ports that were picked. */
  readonly addresses: readonly string[];
}

function randomId(env: Env): string {
  return String((BigInt(env.random.int(2 ** 32)) << 32n) | BigInt(1 + env.random.int(2 ** 32 - 1)));
}

/** One member of etcd v3. Settings left out take their defaults. */
export function createStore(env: Env, _deps: object, settings: Partial<StoreConfig> = {}): Store {
  const config = resolveConfig(storeSchema, [settings]);
  const member = new Member(env, { identity: { clusterId: randomId(env), memberId: randomId(env) } });
  const servers: GrpcServer[] = [];
  const addresses: string[] = [];
  let up = false;
  const urls = (): string[] => addresses.map((address) => `http://${address}`);
  const services: ServedService[] = [
    kvService(member, config),
    watchService(member, {
      clock: env.clock,
      progressNotifyMs: config.watchProgressNotifySeconds * 1000,
      maxResponseBytes: config.maxRequestBytes + 512 * 1024,
    }),
    leaseService(member, { random: env.random, minTtl: config.minLeaseTtlSeconds }),
    clusterService(member, () => ({ name: config.name, clientURLs: urls(), peerURLs: [] })),
    authService(member),
  ];
  return {
    name: 'store',
    addresses,
    async start() {
      for (const address of config.listenClient) {
        const server = grpcServer(services);
        servers.push(server);
        const port = await server.listen(address);
        addresses.push(port ? address.replace(/:\d+$/, `:${port}`) : address);
      }
      up = true;
    },
    async stop() {
      up = false;
      await member.stop();
      for (const server of servers.splice(0)) await server.stop();
    },
    ready: () => up,
    channel: () => inMemoryChannel(services),
  };
}
