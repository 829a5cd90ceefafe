import { Nodes } from '@orrery/api';
import type { Node } from '@orrery/api/types';
import { deepEqual } from '@orrery/client';
import { type AnyController, defineController } from '@orrery/controller';
import { cidrWatch, showCidrs } from './metrics.ts';
import { type CidrAllocator, type CidrWatch, createCidrAllocator } from './cidr-allocator.ts';

export interface IpamSettings {
  /** One range, or one of each family separated by a comma; the first gives `podCIDR`. */
  readonly clusterCidr: string;
  /** Of the parts of the only range; with two ranges each family has its own. */
  readonly nodeCidrMaskSize: number;
  readonly nodeCidrMaskSizeIpv4: number;
  readonly nodeCidrMaskSizeIpv6: number;
  /** Of Services, a comma between two: no part of it is given away. */
  readonly serviceClusterIpRange?: string;
}

interface State {
  /** One a range. */
  readonly allocators: readonly CidrAllocator[];
  /** Ranges by node name, written or about to be. */
  readonly assigned: Map<string, readonly string[]>;
  started: boolean;
}

const rangesOf = (node: Node): readonly string[] => node.spec?.podCIDRs ?? (node.spec?.podCIDR ? [node.spec.podCIDR] : []);

/** The allocators of the cluster's ranges. Throws an Error for ranges that cannot be divided, or are not one of each family. */
export function allocatorsOf(settings: IpamSettings, watch?: (range: string) => CidrWatch): CidrAllocator[] {
  const ranges = settings.clusterCidr.split(',').map((range) => range.trim());
  const isIpv6 = (range: string): boolean => range.includes(':');
  if (ranges.length > 2 || new Set(ranges.map(isIpv6)).size !== ranges.length) throw new Error(`expected one range, or one IPv4 and one IPv6 range, found ${settings.clusterCidr}`);
  const { nodeCidrMaskSize, nodeCidrMaskSizeIpv4, nodeCidrMaskSizeIpv6 } = settings;
  const maskSize = (range: string): number => {
    const ofFamily = isIpv6(range) ? nodeCidrMaskSizeIpv6 || 64 : nodeCidrMaskSizeIpv4 || 24;
    return ranges.length === 1 && nodeCidrMaskSize ? nodeCidrMaskSize : ofFamily;
  };
  const allocators = ranges.map((range) => createCidrAllocator(range, maskSize(range), watch?.(range)));
  const services = (settings.serviceClusterIpRange ?? '').split(',').map((range) => range.trim()).filter((range) => range !== '');
  for (const range of services) for (const allocator of allocators) allocator.occupy(range);
  return allocators;
}

function release({ allocators }: State, ranges: readonly string[]): void {
  for (const range of ranges) for (const allocator of allocators) allocator.release(range);
}

/** Notes what a node has, whatever we meant to give it. */
function occupy(state: State, node: Node): void {
  const { name = '' } = node.metadata ?? {};
  const ranges = rangesOf(node);
  const known = state.assigned.get(name);
  if (!ranges.length || deepEqual(known, ranges)) return;
  if (known) release(state, known);
  for (const range of ranges) for (const allocator of state.allocators) allocator.occupy(range);
  state.assigned.set(name, ranges);
}

/** A free part of every range; undefined when one has none left. */
function allocate(state: State): readonly string[] | undefined {
  const found: string[] = [];
  for (const allocator of state.allocators) {
    const range = allocator.allocate();
    if (!range) {
      release(state, found);
      return undefined;
    }
    found.push(range);
  }
  return found;
}

/** Gives every node a pod range of its own, of each family the cluster has. */
export function nodeIpamController(settings: IpamSettings): AnyController {
  return defineController<Node, State>({
    name: 'node-ipam-controller',
    account: 'node-controller',
    eventSource: 'cidrAllocator',
    for: Nodes,
    concurrency: 30,
    setup({ env: { metrics } }) {
      const allocators = allocatorsOf(settings, (range) => cidrWatch(metrics, range));
      showCidrs(metrics, allocators);
      return { allocators, assigned: new Map(), started: false };
    },
    async reconcile(key, { api, events, state, store }) {
      const { assigned } = state;
      // Nothing is given before all that was given earlier is known.
      if (!state.started) for (const node of store(Nodes).list()) occupy(state, node);
      state.started = true;
      const node = store(Nodes).get(key);
      if (!node) {
        release(state, assigned.get(key) ?? []);
        return void assigned.delete(key);
      }
      if (rangesOf(node).length) return occupy(state, node);
      const ranges = assigned.get(key) ?? allocate(state);
      if (!ranges) {
        events.event(Nodes, node, { type: 'Normal', reason: 'CIDRNotAvailable', message: `Node ${key} status is now: CIDRNotAvailable` });
        throw new Error(`no pod range is left in ${settings.clusterCidr} for node ${key}`);
      }
      assigned.set(key, ranges);
      const patch = { metadata: { uid: node.metadata?.uid }, spec: { podCIDR: ranges[0], podCIDRs: ranges } };
      await api.patch(Nodes, { name: key }, patch, { type: 'application/strategic-merge-patch+json' });
    },
  });
}
