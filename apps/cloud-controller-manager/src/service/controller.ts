import { Nodes, Services } from '@orrery/api';
import type { Node, Service } from '@orrery/api/types';
import { type AnyController, defineController, watch } from '@orrery/controller';
import { isNotFound } from '@orrery/errors';
import { LoadBalancersDefinition } from '@orrery/proto/cloud';
import { type Channel, createClient } from '@orrery/rpc';
import type { ApiClient } from '@orrery/client';
import { finalizer, hostEndpoints, plan, statusOf, type LoadBalancerStatus } from './plan.ts';

/** Where a balancer's ports really listen on this machine, when not at its own address. */
export const hostEndpointsAnnotation = 'orrery.dev/host-endpoints';

function nodeFacts(node: Node): string {
  return JSON.stringify([node.metadata?.labels, node.status?.addresses, node.status?.conditions?.find((c) => c.type === 'Ready')?.status, node.metadata?.deletionTimestamp]);
}

async function writeMetadata(api: ApiClient, service: Service, wanted: { finalizers: string[]; annotation: string }): Promise<Service> {
  const { name = '', namespace = '', finalizers = [], annotations = {} } = service.metadata ?? {};
  const sameAnnotation = (annotations[hostEndpointsAnnotation] ?? '') === wanted.annotation;
  if (sameAnnotation && JSON.stringify(finalizers) === JSON.stringify(wanted.finalizers)) return service;
  const patch = { metadata: { resourceVersion: service.metadata?.resourceVersion, finalizers: wanted.finalizers, annotations: { [hostEndpointsAnnotation]: wanted.annotation || null } } };
  return api.patch(Services, { namespace, name }, patch, { type: 'application/merge-patch+json' });
}

async function writeStatus(api: ApiClient, service: Service, loadBalancer: LoadBalancerStatus): Promise<void> {
  if (JSON.stringify(service.status?.loadBalancer ?? {}) === JSON.stringify(loadBalancer)) return;
  const { name = '', namespace = '' } = service.metadata ?? {};
  const patch = { status: { loadBalancer: Object.keys(loadBalancer).length ? loadBalancer : null } };
  await api.patch(Services, { namespace, name }, patch, { type: 'application/merge-patch+json', subresource: 'status' });
}

/** Gives every Service of type LoadBalancer a balancer in the cloud that forwards to the node ports. */
export function serviceController(cloud: Channel): AnyController {
  const balancers = createClient(LoadBalancersDefinition, cloud);
  return defineController<Service>({
    name: 'service-lb-controller',
    for: Services,
    rbac: [
      { apiGroups: [''], resources: ['services', 'nodes'], verbs: ['get', 'list', 'watch'] },
      { apiGroups: [''], resources: ['services', 'services/status'], verbs: ['patch', 'update'] },
      { apiGroups: ['', 'events.k8s.io'], resources: ['events'], verbs: ['create', 'patch', 'update'] },
    ],
    watches: [
      watch(Nodes, ({ object, old }, { store }) => {
        if (old && nodeFacts(object) === nodeFacts(old)) return [];
        return [...store(Services).list()].filter((s) => s.spec?.type === 'LoadBalancer').map((s) => `${s.metadata?.namespace ?? ''}/${s.metadata?.name ?? ''}`);
      }),
    ],
    async reconcile(key, { api, store, events }) {
      const service = store(Services).get(key);
      if (!service) return;
      const todo = plan(service, [...store(Nodes).list()]);
      const finalizers = (service.metadata?.finalizers ?? []).filter((f) => f !== finalizer);
      if (todo.action === 'ensure') {
        const isNew = !service.status?.loadBalancer?.ingress?.length;
        if (isNew) events.event(Services, service, { type: 'Normal', reason: 'EnsuringLoadBalancer', message: 'Ensuring load balancer' });
        const guarded = await writeMetadata(api, service, { finalizers: [...finalizers, finalizer], annotation: service.metadata?.annotations?.[hostEndpointsAnnotation] ?? '' });
        try {
          const { name, listeners, sourceRanges, address } = todo;
          const balancer = await balancers.ensure({ name, listeners: [...listeners], sourceRanges: [...sourceRanges], address });
          const annotated = await writeMetadata(api, guarded, { finalizers: [...finalizers, finalizer], annotation: hostEndpoints(balancer) });
          await writeStatus(api, annotated, statusOf(balancer));
        } catch (error) {
          events.event(Services, service, { type: 'Warning', reason: 'SyncLoadBalancerFailed', message: `Error syncing load balancer: failed to ensure load balancer: ${(error as Error).message}` });
          throw error;
        }
        if (isNew) events.event(Services, service, { type: 'Normal', reason: 'EnsuredLoadBalancer', message: 'Ensured load balancer' });
      } else if (todo.action === 'delete') {
        events.event(Services, service, { type: 'Normal', reason: 'DeletingLoadBalancer', message: 'Deleting load balancer' });
        await balancers.delete({ name: todo.name });
        try {
          if (!service.metadata?.deletionTimestamp) await writeStatus(api, service, {});
          await writeMetadata(api, await api.get(Services, { namespace: service.metadata?.namespace ?? '', name: service.metadata?.name ?? '' }), { finalizers, annotation: '' });
        } catch (error) {
          if (!isNotFound(error)) throw error;
        }
        events.event(Services, service, { type: 'Normal', reason: 'DeletedLoadBalancer', message: 'Deleted load balancer' });
      }
    },
  });
}
