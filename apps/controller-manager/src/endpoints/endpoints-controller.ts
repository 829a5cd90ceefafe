import { Endpoints, Pods, Services } from '@orrery/api';
import type { Service } from '@orrery/api/types';
import { type ControllerContext, type WriteFence, createWriteFence, defineController, watch } from '@orrery/controller';
import { isAlreadyExists, isNotFound } from '@orrery/errors';
import { isNamespaceTerminating } from '../pods/pod-control.ts';
import { managedByLabel, planEndpoints } from './endpoints-plan.ts';
import { createTriggerTimes, hasSelector, podsOf, watchPodsOfServices } from './service-pods.ts';

interface State {
  readonly fence: WriteFence;
  readonly triggers: ReturnType<typeof createTriggerTimes>;
  readonly sizes: Map<string, number>;
}

/** Removes the Endpoints this controller made for a Service that is gone. */
async function cleanUp(key: string, context: ControllerContext<State>): Promise<void> {
  const existing = context.store(Endpoints).get(key);
  context.state.triggers.forget(key);
  if (!existing?.metadata?.labels?.[managedByLabel]) return;
  const { namespace = '', name = '' } = existing.metadata;
  await context.api.delete(Endpoints, { namespace, name }).catch((error: unknown) => {
    if (!isNotFound(error)) throw error;
  });
}

async function reconcile(key: string, context: ControllerContext<State>): Promise<{ requeueAfterMs: number } | void> {
  const { api, state, store } = context;
  const service = store(Services).get(key);
  if (!service) return cleanUp(key, context);
  if (!hasSelector(service) || service.metadata?.deletionTimestamp) return;
  if (!state.fence.passed(key, store(Endpoints))) return { requeueAfterMs: 500 };
  const pods = podsOf(context, service);
  state.sizes.set(key, pods.length);
  const existing = store(Endpoints).get(key);
  const wanted = planEndpoints({ service, pods, existing, triggerTime: state.triggers.next(service, pods) });
  if (!wanted) return;
  try {
    state.fence.wrote(key, await (existing ? api.update(Endpoints, wanted) : api.create(Endpoints, wanted)));
  } catch (error) {
    if (isNamespaceTerminating(error)) return;
    const message = `Failed to ${existing ? 'update' : 'create'} endpoint ${key}: ${(error as Error).message}`;
    const reason = existing ? 'FailedToUpdateEndpoint' : 'FailedToCreateEndpoint';
    if (!isAlreadyExists(error)) context.events.event(Services, service, { type: 'Warning', reason, message });
    throw error;
  }
}

/** Keeps the Endpoints of Services with a selector, for clients that do not read EndpointSlices. */
export const endpointsController = defineController<Service, State>({
  name: 'endpoints-controller',
  queue: 'endpoint',
  eventSource: 'endpoint-controller',
  account: 'endpoint-controller',
  for: Services,
  watches: [
    watchPodsOfServices<State>(),
    watch(Endpoints, ({ object }) => [`${object.metadata?.namespace ?? ''}/${object.metadata?.name ?? ''}`]),
  ],
  coalesceMs: (key, { state }) => Math.min(500, Math.floor((state.sizes.get(key) ?? 0) / 20)),
  setup(context) {
    context.store(Pods);
    return { fence: createWriteFence(context.env.clock), triggers: createTriggerTimes(), sizes: new Map() };
  },
  reconcile,
});
