import { Nodes } from '@orrery/api';
import type { Node } from '@orrery/api/types';
import { type ApiClient, deepEqual } from '@orrery/client';
import { type AnyController, type ControllerContext, defineController } from '@orrery/controller';
import { type Instance, InstancesDefinition } from '@orrery/proto/cloud';
import { type Channel, createClient } from '@orrery/rpc';
import { instanceOf, isOurs, isUninitialized } from './instance-lookup.ts';
import { changedLabels, initialization, labelCorrections, nodeAddresses } from './node-plan.ts';

const mergePatch = { type: 'application/merge-patch+json' } as const;

async function writeAddresses(api: ApiClient, node: Node, instance: Instance): Promise<void> {
  const addresses = nodeAddresses(node, instance);
  if (deepEqual(node.status?.addresses ?? [], addresses)) return;
  await api.patch(Nodes, { name: node.metadata?.name ?? '' }, { status: { addresses } }, { ...mergePatch, subresource: 'status' });
}

async function writeLabels(api: ApiClient, node: Node, labels: Record<string, string>): Promise<void> {
  if (Object.keys(labels).length) await api.patch(Nodes, { name: node.metadata?.name ?? '' }, { metadata: { uid: node.metadata?.uid, labels } }, mergePatch);
}

interface State {
  /** When a node's instance is to be looked at again, in monotonic milliseconds. */
  readonly next: Map<string, number>;
}

/** Tells nodes what the cloud knows of them: provider ID, addresses, zone, region, type; then takes the taint off that kept pods away. */
export function cloudNodeController(cloud: Channel, { concurrency, refreshMs }: { concurrency: number; refreshMs: number }): AnyController {
  const instances = createClient(InstancesDefinition, cloud);

  const initialize = async (node: Node, { api, env, events }: ControllerContext<State>): Promise<void> => {
    const { name = '', creationTimestamp, resourceVersion } = node.metadata ?? {};
    const instance = await instanceOf(instances, node);
    if (!instance) throw new Error(`failed to get instance metadata for node ${name}: instance not found`);
    // An address that the cloud does not know keeps the taint on.
    nodeAddresses(node, instance);
    const { labels, providerID, taints } = initialization(node, instance);
    const patch = { metadata: { resourceVersion, labels }, spec: { providerID, taints: taints.length ? taints : null } };
    const written = await api.patch(Nodes, { name }, patch, mergePatch);
    await writeAddresses(api, written, instance);
    events.event(Nodes, node, { type: 'Normal', reason: 'Synced', message: 'Node synced successfully' });
    const delay = env.metrics.histogram('node_controller_cloud_provider_taint_removal_delay_seconds', 'Number of seconds after node creation when NodeController removed the cloud-provider taint of a single node.', [1, 4, 16, 64, 256, 1024]);
    delay.observe(Math.max(0, (env.clock.now() - Date.parse(creationTimestamp ?? '')) / 1000 || 0));
  };
  const refresh = async (node: Node, { api, env }: ControllerContext<State>): Promise<void> => {
    const instance = await instanceOf(instances, node);
    // Whether it is gone for good is for the lifecycle controller to say.
    if (!instance) return env.log.debug('a node has no instance', { node: node.metadata?.name });
    await writeAddresses(api, node, instance);
    await writeLabels(api, node, changedLabels(node, instance));
  };
  return defineController<Node, State>({
    name: 'cloud-node-controller',
    queue: 'Nodes',
    for: Nodes,
    concurrency,
    rbac: [
      { apiGroups: [''], resources: ['nodes'], verbs: ['get', 'list', 'watch', 'patch'] },
      { apiGroups: [''], resources: ['nodes/status'], verbs: ['patch'] },
    ],
    setup: () => ({ next: new Map() }),
    async reconcile(key, context) {
      const { api, env, state, store } = context;
      const node = store(Nodes).get(key);
      if (!node) return void state.next.delete(key);
      if (isUninitialized(node)) {
        state.next.delete(key);
        return initialize(node, context);
      }
      await writeLabels(api, node, labelCorrections(node));
      if (!isOurs(node)) return;
      const nowMs = env.clock.monotonic();
      const dueMs = state.next.get(key);
      if (dueMs === undefined || dueMs <= nowMs) await refresh(node, context);
      else return { requeueAfterMs: dueMs - nowMs };
      state.next.set(key, nowMs + refreshMs);
      return { requeueAfterMs: refreshMs };
    },
  });
}
