import { Nodes } from '@orrery/api';
import type { Node, Taint } from '@orrery/api/types';
import type { KubeObject } from '@orrery/apimachinery';
import { type AnyController, type ControllerContext, defineController } from '@orrery/controller';
import { isNotFound } from '@orrery/errors';
import { type Instance, InstancesDefinition } from '@orrery/proto/cloud';
import { type Channel, createClient } from '@orrery/rpc';
import { isOurs, shutdownTaint } from './instance-lookup.ts';

/** What to do about one node. */
export type LifecycleAction = 'none' | 'delete' | 'taint' | 'untaint';

/** `instance` is that of the node, if there is one. Only nodes of this cloud that are not ready may be deleted or tainted. */
export function lifecycleAction(node: Node, instance: Instance | undefined): LifecycleAction {
  const tainted = node.spec?.taints?.some(({ key }) => key === shutdownTaint) ?? false;
  if (node.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True')) return tainted ? 'untaint' : 'none';
  if (!isOurs(node)) return 'none';
  if (!instance) return 'delete';
  return instance.state === 'STOPPED' && !tainted ? 'taint' : 'none';
}

async function writeTaints({ api }: Pick<ControllerContext, 'api'>, node: Node, taints: readonly Taint[]): Promise<void> {
  const { name = '', resourceVersion } = node.metadata ?? {};
  await api.patch(Nodes, { name }, { metadata: { resourceVersion }, spec: { taints: taints.length ? taints : null } }, { type: 'application/merge-patch+json' });
}

async function act(node: Node, action: LifecycleAction, context: ControllerContext): Promise<void> {
  const { api, env, events } = context;
  const { name = '', uid } = node.metadata ?? {};
  const others = (node.spec?.taints ?? []).filter(({ key }) => key !== shutdownTaint);
  try {
    if (action === 'untaint') await writeTaints(context, node, others);
    if (action === 'taint') await writeTaints(context, node, [...others, { key: shutdownTaint, effect: 'NoSchedule' }]);
    if (action !== 'delete') return;
    events.event(Nodes, node, { type: 'Normal', reason: 'DeletingNode', message: `Deleting node ${name} because it does not exist in the cloud provider` });
    await api.delete(Nodes, { name }, { preconditions: { ...(uid ? { uid } : {}) } });
  } catch (error) {
    if (isNotFound(error)) return;
    // It is looked at again in the next period.
    env.log.warn(`cannot ${action} a node`, { node: name, error });
    if (action === 'delete') events.event(Nodes, node, { type: 'Warning', reason: 'DeletingNodeFailed', message: `Failed deleting node ${name}: ${(error as Error).message}` });
  }
}

/** Deletes nodes whose instance is gone and taints those whose instance is shut down, once they are not ready. */
export function cloudNodeLifecycleController(cloud: Channel, { periodMs }: { periodMs: number }): AnyController {
  const instances = createClient(InstancesDefinition, cloud);
  return defineController<KubeObject>({
    name: 'cloud-node-lifecycle-controller',
    initialKeys: ['nodes'],
    concurrency: 1,
    rbac: [{ apiGroups: [''], resources: ['nodes'], verbs: ['get', 'list', 'watch', 'patch', 'delete'] }],
    setup: ({ store }) => void store(Nodes),
    async reconcile(_key, context) {
      const nodes = [...context.store(Nodes).list()];
      // The cloud is asked only when there is a node to ask about.
      const doubtful = nodes.some((node) => !['none', 'untaint'].includes(lifecycleAction(node, undefined)));
      try {
        const all = doubtful ? ((await instances.list({})).instances ?? []) : [];
        const byProvider = new Map(all.map((instance) => [instance.providerId, instance]));
        for (const node of nodes) {
          const action = lifecycleAction(node, byProvider.get(node.spec?.providerID));
          if (action !== 'none') await act(node, action, context);
        }
      } catch (error) {
        context.env.log.warn('cannot look up nodes in the cloud', { error });
      }
      return { requeueAfterMs: periodMs };
    },
  });
}
