import { Nodes } from '@orrery/api';
import type { Node } from '@orrery/api/types';
import { type AnyController, defineController } from '@orrery/controller';
import { type CidrAllocator, createCidrAllocator } from './cidr-allocator.ts';

interface State {
  readonly allocator: CidrAllocator;
  /** Ranges by node name, written or about to be. */
  readonly assigned: Map<string, string[]>;
  started: boolean;
}

const rangesOf = (node: Node): string[] => node.spec?.podCIDRs ?? (node.spec?.podCIDR ? [node.spec.podCIDR] : []);

function occupy(state: State, node: Node): void {
  const { name = '' } = node.metadata ?? {};
  const ranges = rangesOf(node);
  if (!ranges.length || state.assigned.has(name)) return;
  for (const range of ranges) state.allocator.occupy(range);
  state.assigned.set(name, ranges);
}

/** Gives every node a pod range of its own. */
export function nodeIpamController(settings: { clusterCidr: string; nodeCidrMaskSize: number }): AnyController {
  return defineController<Node, State>({
    name: 'node-ipam-controller',
    for: Nodes,
    rbac: [
      { apiGroups: [''], resources: ['nodes'], verbs: ['get', 'list', 'watch', 'patch', 'update'] },
      { apiGroups: [''], resources: ['nodes/status'], verbs: ['patch'] },
      { apiGroups: ['', 'events.k8s.io'], resources: ['events'], verbs: ['create', 'patch', 'update'] },
    ],
    concurrency: 30,
    setup: () => ({ allocator: createCidrAllocator(settings.clusterCidr, settings.nodeCidrMaskSize), assigned: new Map(), started: false }),
    async reconcile(key, { api, events, state, store }) {
      const { allocator, assigned } = state;
      if (!state.started) for (const node of store(Nodes).list()) occupy(state, node);
      state.started = true;
      const node = store(Nodes).get(key);
      if (!node) {
        for (const range of assigned.get(key) ?? []) allocator.release(range);
        return void assigned.delete(key);
      }
      if (rangesOf(node).length) return occupy(state, node);
      let ranges = assigned.get(key);
      if (!ranges) {
        const range = allocator.allocate();
        if (!range) {
          events.event(Nodes, node, { type: 'Normal', reason: 'CIDRNotAvailable', message: `Node ${key} status is now: CIDRNotAvailable` });
          throw new Error(`no pod range is left in ${settings.clusterCidr} for node ${key}`);
        }
        assigned.set(key, (ranges = [range]));
      }
      const patch = { metadata: { uid: node.metadata?.uid }, spec: { podCIDR: ranges[0], podCIDRs: ranges } };
      await api.patch(Nodes, { name: key }, patch, { type: 'application/strategic-merge-patch+json' });
    },
  });
}
