import type { Disk, Fault, Quota, Route, ScalingGroup, Snapshot } from '@orrery/proto/cloud';
import type { BlobFolder, HttpServer, ServeHttp } from '@orrery/node-io';
import { type Channel, type GrpcServer, type TlsMaterial, grpcServer, inMemoryChannel } from '@orrery/rpc';
import { type Component, ConfigError, type Env } from '@orrery/runtime';
import { createAddressPool } from './address-pool.ts';
import { type BalancerNetwork, type SavedBalancer, createLoadBalancers } from './balancer/load-balancers.ts';
import type { CloudConfig } from './config.ts';
import { type DiskContents, createDisks } from './disks.ts';
import { createFaults } from './faults.ts';
import { type SavedInstance, createInstances } from './instances.ts';
import { type CloudState, type Ledger, createLedger } from './ledger.ts';
import { createRegistry } from './registry/registry.ts';
import { createQuotas } from './quotas.ts';
import { createRoutes } from './routes.ts';
import { createScalingGroups } from './scaling-groups.ts';
import { type CloudParts, cloudServices } from './services.ts';
import { createSnapshots } from './snapshots.ts';

export { cloudSchema } from './config.ts';
export type { BalancerNetwork, HostSocket } from './balancer/load-balancers.ts';
export type { DiskContents } from './disks.ts';
export type { CloudState } from './ledger.ts';

export interface CloudDeps {
  readonly network: BalancerNetwork;
  /** Keeps all it has over restarts. */
  readonly state?: CloudState;
  /** Without it disks have no content. */
  readonly contents?: DiskContents;
  readonly tls?: TlsMaterial;
  /** What the image registry needs where one is wanted. */
  readonly registry?: {
    readonly blobs: BlobFolder;
    readonly serve: ServeHttp;
    /** What it shows; without it the registry speaks plain HTTP. */
    readonly tls?: { readonly cert: string; readonly key: string };
    /** Password by user. */
    readonly users: ReadonlyMap<string, string>;
  };
}

function createParts(env: Env, { deps, ledger, config }: { deps: CloudDeps; ledger: Ledger; config: CloudConfig }): CloudParts {
  const { contents, network } = deps;
  const { region, zones } = config;
  if (!zones.length) throw new ConfigError('--zones: at least one is needed');
  const quotas = createQuotas(config.quotas, ledger.table<Quota>('quotas'));
  const instances = createInstances(env, { table: ledger.table<SavedInstance>('instances'), quotas, pool: createAddressPool(config.instanceRange), ...(config.instanceIpv6Range ? { pool6: createAddressPool(config.instanceIpv6Range, 6) } : {}), region, zones, transitionMs: config.instanceTransitionMs });
  const routes = createRoutes(env, { table: ledger.table<Route>('routes'), quotas });
  instances.onTerminated(({ name = '' }) => routes.lost(name));
  const snapshots = createSnapshots(env, { table: ledger.table<Snapshot>('snapshots'), quotas, disks: () => disks, contents });
  const disks = createDisks(env, { table: ledger.table<Disk>('disks'), quotas, instances, zones, perNode: config.disksPerNode, contents, snapshotSize: (id) => snapshots.get({ id }).sizeBytes ?? 0 });
  return {
    balancers: createLoadBalancers(env, { ...config, table: ledger.table<SavedBalancer>('load-balancers'), quotas, pool: createAddressPool(config.loadBalancerRange), network }),
    instances,
    routes,
    groups: createScalingGroups(env, { table: ledger.table<ScalingGroup>('scaling-groups'), quotas, instances, zones }),
    disks,
    snapshots,
    faults: createFaults(env, ledger.table<Fault>('faults')),
    quotas,
    place: { region, zones, disksPerNode: config.disksPerNode },
    flush: () => ledger.flush(),
  };
}

async function startRegistry(env: Env, { deps, ledger, config }: { deps: CloudDeps; ledger: Ledger; config: CloudConfig }): Promise<HttpServer | undefined> {
  const { registry } = deps;
  if (!config.registryListen) return undefined;
  if (!registry) throw new ConfigError('--registry-dir is needed for --registry-listen');
  const colon = config.registryListen.lastIndexOf(':');
  await registry.blobs.discardAll();
  const handler = createRegistry(env, { ledger, blobs: registry.blobs, users: registry.users, open: config.registryOpen });
  return registry.serve({ host: config.registryListen.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(config.registryListen.slice(colon + 1)), handler, ...(registry.tls ? { tls: registry.tls } : {}) });
}

/** The cloud provider that the cluster runs on, emulated: machines, disks, routes, and load balancers with a real data plane on this machine. */
export function createCloud(env: Env, deps: CloudDeps, config: CloudConfig): Component & { channel(): Channel; port(): number; registryPort(): number } {
  const ledger = createLedger(deps.state);
  const parts = createParts(env, { deps, ledger, config });
  const services = cloudServices(parts);
  let server: GrpcServer | undefined;
  let registry: HttpServer | undefined;
  let port = 0;
  let serving = false;
  return {
    name: 'cloud',
    async start() {
      await ledger.load();
      await parts.balancers.restore();
      registry = await startRegistry(env, { deps, ledger, config });
      if (config.listen) {
        server = grpcServer(services, deps.tls ? { tls: deps.tls, requireClientCert: true } : {});
        port = await server.listen(config.listen);
      }
      serving = true;
    },
    async stop() {
      serving = false;
      await server?.stop();
      await registry?.close();
      await parts.balancers.close();
      await ledger.flush();
    },
    ready: () => serving,
    channel: () => inMemoryChannel(services),
    port: () => port,
    registryPort: () => registry?.port ?? 0,
  };
}
