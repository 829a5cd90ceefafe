import { DisksDefinition, InstancesDefinition, LoadBalancersDefinition, OperationsDefinition, RoutesDefinition, ScalingGroupsDefinition } from '@orrery/proto/cloud';
import { type ServedService, service } from '@orrery/rpc';
import type { LoadBalancers } from './balancer/load-balancers.ts';
import type { Disks } from './disks.ts';
import type { Faults } from './faults.ts';
import type { Instances } from './instances.ts';
import type { Quotas } from './quotas.ts';
import type { Routes } from './routes.ts';
import type { ScalingGroups } from './scaling-groups.ts';
import type { Snapshots } from './snapshots.ts';

export interface CloudParts {
  readonly balancers: LoadBalancers;
  readonly instances: Instances;
  readonly routes: Routes;
  readonly groups: ScalingGroups;
  readonly disks: Disks;
  readonly snapshots: Snapshots;
  readonly faults: Faults;
  readonly quotas: Quotas;
  readonly place: { readonly region: string; readonly zones: readonly string[]; readonly disksPerNode: number };
  /** Resolves when all that was changed is kept. */
  readonly flush: () => Promise<void>;
}

/** The cloud's gRPC services. Nothing is answered before it is kept; planted faults come first, except before Operations. */
export function cloudServices(parts: CloudParts): ServedService[] {
  const { balancers, disks, faults, flush, groups, instances, place, quotas, routes, snapshots } = parts;
  const kept = async <T>(work: () => T | Promise<T>): Promise<T> => {
    const result = await work();
    await flush();
    return result;
  };
  const nothing = (work: () => void | Promise<void>) => kept(async () => (await work(), {}));
  const guarded = [
    service(LoadBalancersDefinition, {
      create: (request) => kept(() => balancers.create(request)),
      ensure: (request) => kept(() => balancers.ensure(request)),
      get: async ({ name = '' }) => balancers.get(name),
      delete: (request) => nothing(() => balancers.remove(request)),
      list: async () => ({ loadBalancers: balancers.list() }),
    }),
    service(InstancesDefinition, {
      create: ({ name, type, zone, privateIp, privateIpv6, publicIp, labels, image, clientToken }) => kept(() => instances.create({ name, type, zone, privateIp, privateIpv6, publicIp, labels, image, clientToken })),
      get: async (ref) => instances.get(ref),
      list: async ({ scalingGroup = '' }) => ({ instances: instances.list(scalingGroup) }),
      start: (ref) => kept(() => instances.start(ref)),
      stop: (ref) => kept(() => instances.stop(ref)),
      terminate: (ref) => nothing(() => instances.terminate(ref)),
    }),
    service(RoutesDefinition, {
      create: (route) => kept(() => routes.create(route)),
      delete: (request) => nothing(() => routes.delete(request)),
      list: async ({ clusterName = '' }) => ({ routes: routes.list(clusterName) }),
    }),
    service(ScalingGroupsDefinition, {
      put: (group) => kept(() => groups.put(group)),
      get: async ({ name = '' }) => groups.get(name),
      list: async () => ({ groups: groups.list() }),
      setDesired: (request) => kept(() => groups.setDesired(request)),
      removeInstances: (request) => kept(() => groups.removeInstances(request)),
      delete: ({ name = '' }) => nothing(() => groups.delete(name)),
    }),
    service(DisksDefinition, {
      create: (request) => kept(() => disks.create(request)),
      get: async (ref) => disks.get(ref),
      list: async ({ attachedTo = '' }) => ({ disks: disks.list(attachedTo) }),
      delete: (ref) => nothing(() => disks.delete(ref)),
      attach: (request) => kept(() => disks.attach(request)),
      detach: (request) => kept(() => disks.detach(request)),
      expand: (request) => kept(() => disks.expand(request)),
      modify: (request) => kept(() => disks.modify(request)),
      createSnapshot: (request) => kept(() => snapshots.create(request)),
      getSnapshot: async (ref) => snapshots.get(ref),
      listSnapshots: async ({ diskId = '' }) => ({ snapshots: snapshots.list(diskId) }),
      deleteSnapshot: (ref) => nothing(() => snapshots.delete(ref)),
    }),
  ].map((one) => faults.guard(one));
  const operations = service(OperationsDefinition, {
    setFault: (fault) => kept(() => faults.set(fault)),
    clearFaults: ({ method = '' }) => kept(() => ({ faults: faults.clear(method) })),
    listFaults: async () => ({ faults: faults.list() }),
    setQuota: (quota) => kept(() => quotas.set(quota)),
    listQuotas: async () => ({ quotas: quotas.list() }),
    describe: async () => ({ ...place, zones: [...place.zones] }),
  });
  return [...guarded, operations];
}
