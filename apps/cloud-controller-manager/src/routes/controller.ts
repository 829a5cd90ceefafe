import { Nodes } from '@orrery/api';
import type { Node } from '@orrery/api/types';
import { type AnyController, type ControllerContext, defineController } from '@orrery/controller';
import { type Route, RoutesDefinition } from '@orrery/proto/cloud';
import { type Channel, createClient } from '@orrery/rpc';
import { rfc3339 } from '@orrery/runtime';
import { networkCondition, routePlan } from './plan.ts';

interface State {
  /** Routes of this cluster by node, as the cloud has them; undefined before it was asked. */
  routes: Map<string, readonly Route[]> | undefined;
}

type Context = ControllerContext<State>;

/** No node can have this name. */
const wholeTable = '*';

async function writeCondition(node: Node, created: boolean, { api, env }: Context): Promise<void> {
  const condition = networkCondition(created);
  if (node.status?.conditions?.some(({ type, status }) => type === condition.type && status === condition.status)) return;
  const now = rfc3339(env.clock.now());
  const conditions = [{ ...condition, lastHeartbeatTime: now, lastTransitionTime: now }];
  await api.patch(Nodes, { name: node.metadata?.name ?? '' }, { status: { conditions } }, { type: 'application/strategic-merge-patch+json', subresource: 'status' });
}

/** Keeps the pod range of every node in the cloud's route table, and says in the node's condition whether it is there. */
export function routeController(cloud: Channel, { clusterName, periodMs }: { clusterName: string; periodMs: number }): AnyController {
  const table = createClient(RoutesDefinition, cloud);

  /** Asks the cloud for all routes; gives the nodes whose routes are not what was known. */
  const readTable = async (state: State): Promise<string[]> => {
    const { routes = [] } = await table.list({ clusterName });
    const found = new Map<string, Route[]>();
    for (const route of routes) found.set(route.targetNode ?? '', [...(found.get(route.targetNode ?? '') ?? []), route]);
    const before = state.routes ?? new Map<string, readonly Route[]>();
    state.routes = found;
    const names = new Set([...found.keys(), ...before.keys()]);
    return [...names].filter((name) => JSON.stringify(found.get(name)) !== JSON.stringify(before.get(name)));
  };
  const create = async (node: Node, wanted: { destinationCidr: string; nextHops: readonly string[] }, { env, events }: Context): Promise<Route> => {
    const { name: targetNode = '', uid = '' } = node.metadata ?? {};
    const startedMs = env.clock.monotonic();
    try {
      return await table.create({ clusterName, targetNode, destinationCidr: wanted.destinationCidr, nextHops: [...wanted.nextHops] });
    } catch (error) {
      const took = `${Math.round(env.clock.monotonic() - startedMs)}ms`;
      events.event(Nodes, node, { type: 'Warning', reason: 'FailedToCreateRoute', message: `Could not create route ${uid} ${wanted.destinationCidr} for node ${targetNode} after ${took}: ${(error as Error).message}` });
      throw error;
    }
  };
  const settle = async (name: string, context: Context): Promise<void> => {
    const { state, store } = context;
    const node = store(Nodes).get(name);
    const known = state.routes?.get(name) ?? [];
    const { create: missing, remove } = routePlan(node, known);
    let routes = known;
    const note = (next: readonly Route[]): void => {
      routes = next;
      if (next.length) state.routes?.set(name, next);
      else state.routes?.delete(name);
    };
    for (const route of remove) {
      await table.delete({ name: route.name ?? '' });
      note(routes.filter((one) => one !== route));
    }
    if (!node) return;
    let failure: unknown;
    for (const wanted of missing) {
      try {
        note([...routes, await create(node, wanted, context)]);
      } catch (error) {
        failure = error;
      }
    }
    if (missing.length || routes.length) await writeCondition(node, failure === undefined, context);
    if (failure !== undefined) throw failure;
  };
  return defineController<Node, State>({
    name: 'node-route-controller',
    eventSource: 'route_controller',
    for: Nodes,
    initialKeys: [wholeTable],
    concurrency: 20,
    rbac: [
      { apiGroups: [''], resources: ['nodes'], verbs: ['get', 'list', 'watch'] },
      { apiGroups: [''], resources: ['nodes/status'], verbs: ['patch'] },
    ],
    setup: () => ({ routes: undefined }),
    async reconcile(key, context) {
      const { enqueue, state, store } = context;
      if (key !== wholeTable) return state.routes ? settle(key, context) : undefined;
      const first = !state.routes;
      const changed = await readTable(state);
      for (const name of changed) enqueue(name);
      // Nodes that came before the table was known.
      if (first) for (const node of store(Nodes).list()) enqueue(node.metadata?.name ?? '');
      return { requeueAfterMs: periodMs };
    },
  });
}
