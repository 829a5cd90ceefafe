import { Nodes } from '@orrery/api';
import { type ApiClient, createLeaderElection } from '@orrery/client';
import { type AnyController, runTerm, type Term } from '@orrery/controller';
import type { NodeMounts } from '@orrery/cri';
import { type Channel, type ServedService, inMemoryChannel } from '@orrery/rpc';
import { type Component, type Env, resolveConfig } from '@orrery/runtime';
import { ensureClusterObjects } from './cluster-objects.ts';
import { type CsiDiskConfig, csiDiskSchema } from './config.ts';
import { controllerService } from './driver/controller-service.ts';
import { identityService } from './driver/identity.ts';
import { nodeServices } from './driver/node-service.ts';
import { attacher } from './sidecars/attacher.ts';
import { unlessGone } from './sidecars/objects.ts';
import { provisioner } from './sidecars/provisioner.ts';
import { resizer } from './sidecars/resizer.ts';
import { contentController } from './snapshots/content-controller.ts';
import { snapshotController } from './snapshots/snapshot-controller.ts';

export { csiDiskSchema } from './config.ts';
export { driverName, sockets, zoneKey } from './names.ts';

export interface CsiDiskDeps {
  readonly api: ApiClient;
  readonly cloud: Channel;
  /** Names this replica in the lease. */
  readonly identity?: string;
}

/** The part of the driver that belongs to the cluster: `csi.v1.Controller` of the cloud's disks, and the controllers that speak to it. */
export function createCsiDisk(env: Env, { api, cloud, identity }: CsiDiskDeps, settings: Partial<CsiDiskConfig> = {}): Component & { channel(): Channel } {
  const config: CsiDiskConfig = { ...resolveConfig(csiDiskSchema, []), ...settings };
  const driver = inMemoryChannel([identityService(), controllerService(cloud)]);
  const controllers: readonly AnyController[] = [provisioner(driver, config), attacher(driver, config), resizer(driver, config), snapshotController(config), contentController(driver, config)];
  let term: Promise<Term> | undefined;
  let stopping = new AbortController();
  let serving = false;

  const begin = async (signal: AbortSignal): Promise<Term> => {
    await ensureClusterObjects(env, { api, classes: config.storageClass, signal });
    return runTerm(env, { api, controllers, signal });
  };
  const lead = (signal: AbortSignal): void => {
    term = begin(signal);
    term.catch((error: unknown) => {
      if (!signal.aborted) env.log.error('the controllers of disks did not start', { error });
    });
  };
  const end = async (): Promise<void> => {
    const was = term;
    term = undefined;
    await was?.then((current) => current.stop(), () => undefined);
  };
  const election = createLeaderElection(env, {
    api,
    name: 'disk-csi-orrery-dev',
    identity: identity ?? `csi-disk_${env.random.uuid()}`,
    onStartedLeading: lead,
    onStoppedLeading: () => void end(),
  });
  return {
    name: 'csi-disk',
    async start() {
      serving = true;
      stopping = new AbortController();
      if (config.leaderElect) await election.start();
      else lead(stopping.signal);
    },
    async stop() {
      serving = false;
      stopping.abort(new Error('csi-disk stops'));
      if (config.leaderElect) await election.stop();
      await end();
    },
    ready: () => serving,
    channel: () => driver,
  };
}

export interface DiskNode {
  readonly name: string;
  /** What is mounted on the node. */
  readonly mounts: NodeMounts;
  /** What a folder of this machine holds. */
  readonly usage: (folder: string) => Promise<{ readonly bytes: number; readonly inodes: number } | undefined>;
  /** The file with the bytes of a disk that is used without a file system (`diskContent` of @orrery/cri). */
  readonly content: (folder: string) => string;
}

const zoneLabels = ['topology.kubernetes.io/zone', 'failure-domain.beta.kubernetes.io/zone'];

/** What the driver serves on a node (`csi.v1.Node`, and its introduction to the kubelet), by the path of the socket there. */
export function createDiskNode(env: Env, { api, cloud }: Pick<CsiDiskDeps, 'api' | 'cloud'>, node: DiskNode): ReadonlyMap<string, readonly ServedService[]> {
  const labelledZone = async (): Promise<string> => {
    const labels = (await unlessGone(api.get(Nodes, { name: node.name })))?.metadata?.labels ?? {};
    return zoneLabels.map((label) => labels[label]).find((zone) => zone) ?? '';
  };
  const services = nodeServices({ nodeName: node.name, cloud, log: env.log, mounts: node.mounts, usage: node.usage, content: node.content, labelledZone });
  return new Map([...services].map(([socket, served]) => [socket, [served, identityService()]]));
}
