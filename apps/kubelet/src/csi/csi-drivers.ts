import { CSINodes, Nodes } from '@orrery/api';
import type { CSINode, CSINodeDriver, Node } from '@orrery/api/types';
import type { ApiClient } from '@orrery/client';
import { isAlreadyExists, isConflict, isNotFound } from '@orrery/errors';
import { type NodeGetInfoResponse, NodeDefinition, NodeServiceCapability_RPC_Type } from '@orrery/proto/csi';
import { type Channel, type Client, createClient } from '@orrery/rpc';
import type { PluginHost } from '../plugins/plugin-host.ts';
import type { PluginHandler, PluginInfo } from '../plugins/plugin-watcher.ts';

const nodeIdAnnotation = 'csi.volume.kubernetes.io/nodeid';
const timeoutMs = 120_000;

/** A CSI driver of this node. */
export interface CsiDriver {
  readonly name: string;
  readonly node: Client<NodeDefinition>;
  readonly can: ReadonlySet<'stage' | 'expand' | 'group'>;
}

export interface CsiDriversOptions {
  readonly api: ApiClient;
  readonly host: PluginHost;
  readonly nodeName: string;
  readonly node: () => Node;
}

const capabilities = new Map<number, 'stage' | 'expand' | 'group'>([
  [NodeServiceCapability_RPC_Type.STAGE_UNSTAGE_VOLUME, 'stage'],
  [NodeServiceCapability_RPC_Type.EXPAND_VOLUME, 'expand'],
  [NodeServiceCapability_RPC_Type.VOLUME_MOUNT_GROUP, 'group'],
]);

/** The CSI drivers that have registered; the API server is told of them in the CSINode object and on the Node. */
export class CsiDrivers implements PluginHandler {
  readonly type = 'CSIPlugin';
  private readonly options: CsiDriversOptions;
  private readonly drivers = new Map<string, { driver: CsiDriver; channel: Channel; endpoint: string }>();

  constructor(options: CsiDriversOptions) {
    this.options = options;
  }

  get(name: string): CsiDriver | undefined {
    return this.drivers.get(name)?.driver;
  }

  async register({ name, endpoint, versions }: PluginInfo): Promise<void> {
    if (!versions.some((version) => /^v?1\./.test(version))) throw new Error(`versions "${versions.join(', ')}" of CSI driver ${name} are not supported: none begins with 1`);
    const channel = this.options.host.connect(endpoint);
    try {
      const node = createClient(NodeDefinition, channel);
      const info = await node.nodeGetInfo({}, { timeoutMs });
      const { capabilities: told = [] } = await node.nodeGetCapabilities({}, { timeoutMs });
      const can = new Set(told.flatMap(({ type }) => capabilities.get(type?.value.type ?? 0) ?? []));
      await this.publish(name, info);
      await this.drivers.get(name)?.channel.close();
      this.drivers.set(name, { driver: { name, node, can }, channel, endpoint });
    } catch (error) {
      await channel.close();
      throw error;
    }
  }

  deregister({ name, endpoint }: PluginInfo): void {
    const known = this.drivers.get(name);
    // Another socket of the same driver may have taken its place.
    if (known?.endpoint !== endpoint) return;
    this.drivers.delete(name);
    void known.channel.close();
    void this.changeCsiNode((drivers) => drivers.filter((driver) => driver.name !== name)).catch(() => undefined);
  }

  async close(): Promise<void> {
    for (const { channel } of this.drivers.values()) await channel.close();
    this.drivers.clear();
  }

  private async publish(name: string, { nodeId = '', maxVolumesPerNode = 0, accessibleTopology }: NodeGetInfoResponse): Promise<void> {
    const { api, nodeName } = this.options;
    const topology = accessibleTopology?.segments ?? {};
    const node = await api.get(Nodes, { name: nodeName });
    const ids = JSON.parse(node.metadata?.annotations?.[nodeIdAnnotation] ?? '{}') as Record<string, string>;
    const patch = { metadata: { annotations: { [nodeIdAnnotation]: JSON.stringify({ ...ids, [name]: nodeId }) }, labels: topology } };
    await api.patch(Nodes, { name: nodeName }, patch, { type: 'application/strategic-merge-patch+json' });
    const entry: CSINodeDriver = { name, nodeID: nodeId, topologyKeys: Object.keys(topology), ...(maxVolumesPerNode > 0 ? { allocatable: { count: maxVolumesPerNode } } : {}) };
    await this.changeCsiNode((drivers) => [...drivers.filter((driver) => driver.name !== name), entry]);
  }

  /** Writes the drivers anew, however often somebody else writes at the same time. */
  private async changeCsiNode(change: (drivers: readonly CSINodeDriver[]) => CSINodeDriver[]): Promise<void> {
    const { api, nodeName, node } = this.options;
    for (;;) {
      try {
        const old = await api.get(CSINodes, { name: nodeName }).catch((error: unknown) => {
          if (isNotFound(error)) return undefined;
          throw error;
        });
        const spec = { drivers: change(old?.spec?.drivers ?? []) };
        if (old) await api.update(CSINodes, { ...old, spec });
        else {
          const ownerReferences = [{ apiVersion: 'v1', kind: 'Node', name: nodeName, uid: node().metadata?.uid ?? '' }];
          const made: CSINode = { apiVersion: 'storage.k8s.io/v1', kind: 'CSINode', metadata: { name: nodeName, ownerReferences }, spec };
          await api.create(CSINodes, made);
        }
        return;
      } catch (error) {
        if (!isConflict(error) && !isAlreadyExists(error)) throw error;
      }
    }
  }
}
