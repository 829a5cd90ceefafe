import type { CounterSet, Device, ResourceClaim, ResourceSlice } from '@orrery/api/types';
import type { NodeInfo } from '../../cache/node-info.ts';
import { matchesNodeSelector } from '../node-selector.ts';

/** A device that a node can reach, with where it comes from. */
export interface PoolDevice {
  /** `driver/pool/device` */
  readonly id: string;
  readonly driver: string;
  readonly pool: string;
  readonly device: Device;
  /** Of the node alone. */
  readonly isLocal: boolean;
}

/** The devices of one node. */
export interface NodeDevices {
  readonly devices: readonly PoolDevice[];
  /** What devices of a pool share, by `driver/pool/set`. */
  readonly counters: ReadonlyMap<string, CounterSet>;
}

export const deviceId = (driver: string, pool: string, device: string): string => `${driver}/${pool}/${device}`;

function reaches(at: Pick<Device, 'nodeName' | 'allNodes' | 'nodeSelector'>, node: NodeInfo): boolean {
  if (at.nodeName !== undefined) return at.nodeName === node.name;
  return at.allNodes === true || (at.nodeSelector !== undefined && matchesNodeSelector(at.nodeSelector, node));
}

/** The slices of complete pools, by the node they are for. */
export interface Pools {
  readonly byNode: ReadonlyMap<string, readonly ResourceSlice[]>;
  /** Those that are not for one node alone. */
  readonly shared: readonly ResourceSlice[];
  readonly counters: ReadonlyMap<string, CounterSet>;
}

/** The newest generation of each pool, where all of its slices are there: pools that are being published anew offer nothing. */
export function poolsOf(slices: Iterable<ResourceSlice>): Pools {
  const pools = new Map<string, { generation: number; slices: ResourceSlice[] }>();
  for (const slice of slices) {
    const { spec } = slice;
    if (!spec) continue;
    const key = `${spec.driver}/${spec.pool.name}`;
    const found = pools.get(key);
    if (!found || found.generation < spec.pool.generation) pools.set(key, { generation: spec.pool.generation, slices: [slice] });
    else if (found.generation === spec.pool.generation) found.slices.push(slice);
  }
  const byNode = new Map<string, ResourceSlice[]>();
  const shared: ResourceSlice[] = [];
  const counters = new Map<string, CounterSet>();
  for (const [key, pool] of pools) {
    if (pool.slices.length !== pool.slices[0]?.spec?.pool.resourceSliceCount) continue;
    for (const slice of pool.slices) {
      for (const set of slice.spec?.sharedCounters ?? []) counters.set(`${key}/${set.name}`, set);
      const nodeName = slice.spec?.nodeName;
      if (nodeName === undefined) shared.push(slice);
      else byNode.set(nodeName, [...(byNode.get(nodeName) ?? []), slice]);
    }
  }
  return { byNode, shared, counters };
}

export function devicesOn(node: NodeInfo, pools: Pools): NodeDevices {
  const devices: PoolDevice[] = [];
  for (const { spec } of [...(pools.byNode.get(node.name) ?? []), ...pools.shared]) {
    if (!spec) continue;
    const wholeSlice = !spec.perDeviceNodeSelection && reaches(spec, node);
    for (const device of spec.devices ?? []) {
      if (!wholeSlice && !(spec.perDeviceNodeSelection && reaches(device, node))) continue;
      const isLocal = spec.nodeName !== undefined || device.nodeName !== undefined || device.bindsToNode === true;
      devices.push({ id: deviceId(spec.driver, spec.pool.name, device.name), driver: spec.driver, pool: spec.pool.name, device, isLocal });
    }
  }
  return { devices, counters: pools.counters };
}

/** The devices that a claim holds alone; those taken for administration are held by nobody. */
export function heldBy({ status }: Pick<ResourceClaim, 'status'>): string[] {
  return (status?.allocation?.devices?.results ?? []).flatMap(({ driver, pool, device, adminAccess, shareID }) => (adminAccess || shareID !== undefined ? [] : [deviceId(driver, pool, device)]));
}
