import { Nodes, PersistentVolumeClaims, PersistentVolumes, Services, StatefulSets } from '@orrery/api';
import { DisksDefinition, LoadBalancersDefinition, RoutesDefinition } from '@orrery/proto/cloud';
import { createClient } from '@orrery/rpc';
import type { FaultInput } from '../test-world.ts';
import type { SimulatedWorld } from './start.ts';

const minute = 60_000;
const key = { namespace: 'default', name: 'web' };

/** What befalls a cluster with a cloud, besides an outage of it. */
export const cloudFaults: readonly FaultInput[] = [
  { verb: 'cloud-outage' },
  { verb: 'pause', selector: { components: ['cloud'] } },
  { verb: 'kill', selector: { components: ['cloud'] } },
  { verb: 'kill', selector: { components: ['cloud-controller-manager'] } },
  { verb: 'kill', selector: { components: ['csi-disk'] } },
  { verb: 'partition', oneWay: true, selector: { from: ['apiserver'], to: ['cloud-controller-manager'] } },
  { verb: 'partition', oneWay: true, selector: { from: ['apiserver'], to: ['csi-disk'] } },
];

/** Of a StatefulSet: a disk of the cloud for each Pod, which goes with it. */
export const onDisks = {
  volumeClaimTemplates: [{ metadata: { name: 'data' }, spec: { storageClassName: 'cloud-disk', accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } } }],
  persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Delete' },
};

/** Asks for an address that only the cloud can give. */
export async function askOfCloud({ api }: SimulatedWorld): Promise<void> {
  await api.create(Services, { metadata: key, spec: { type: 'LoadBalancer', selector: { app: 'web' }, ports: [{ port: 80 }] } });
}

/** What the cloud has, asked by who runs it. */
async function inventory({ simulation, run }: SimulatedWorld): Promise<{ owners: string[]; disks: string[]; routes: string[] }> {
  const channel = simulation.cloud?.own();
  if (!channel) throw new Error('there is no cloud');
  const { loadBalancers = [] } = await run(() => createClient(LoadBalancersDefinition, channel).list({}));
  const { disks = [] } = await run(() => createClient(DisksDefinition, channel).list({}));
  const { routes = [] } = await run(() => createClient(RoutesDefinition, channel).list({ clusterName: 'kubernetes' }));
  return {
    owners: loadBalancers.flatMap(({ name = '', listeners = [] }) => (listeners.length ? listeners.map(({ owner = '' }) => owner) : [`nobody's ${name}`])),
    disks: disks.map(({ id = '' }) => id).sort(),
    routes: routes.map(({ targetNode = '', destinationCidr = '' }) => `${targetNode} ${destinationCidr}`).sort(),
  };
}

const differs = (what: string, has: readonly string[], wanted: readonly string[]): string[] => (has.join() === wanted.join() ? [] : [`the cloud has ${what} for ${has.join(', ') || 'nothing'}, wanted: ${wanted.join(', ') || 'none'}`]);

/** What is not as it was asked of the cloud, and the nodes that were deleted, though no machine ever is. */
export async function cloudProblems(cluster: SimulatedWorld): Promise<string[]> {
  const { api } = cluster;
  const service = await api.get(Services, key);
  const nodes = (await api.list(Nodes)).items;
  const volumes = (await api.list(PersistentVolumes)).items;
  const { owners, disks, routes } = await inventory(cluster);
  return [
    ...cluster.history(Nodes).filter(({ type }) => type === 'DELETED').map(({ object }) => `node ${object.metadata?.name ?? ''} was deleted, its machine was not`),
    ...nodes.filter(({ spec }) => !spec?.providerID || spec.taints?.some(({ key: taint }) => taint.startsWith('node.cloudprovider.kubernetes.io/'))).map(({ metadata }) => `node ${metadata?.name ?? ''} is not known for the cloud's`),
    ...(service.status?.loadBalancer?.ingress?.length === 1 ? [] : ['the Service has no address']),
    ...differs('listeners', owners, [service.metadata?.uid ?? '']),
    ...differs('routes', routes, nodes.map(({ metadata, spec }) => `${metadata?.name ?? ''} ${spec?.podCIDR ?? ''}`).sort()),
    ...differs('disks', disks, volumes.map(({ spec }) => spec?.csi?.volumeHandle ?? '').sort()),
    ...(volumes.length === 2 ? [] : [`${volumes.length} volumes for two Pods`]),
  ];
}

/** Gives back what was asked of the cloud; tells what is left of it there. */
export async function giveBack(cluster: SimulatedWorld): Promise<string[]> {
  const { api } = cluster;
  await api.delete(Services, key);
  await api.delete(StatefulSets, { namespace: 'default', name: 'db' });
  const isEmpty = async (): Promise<boolean> => {
    const { owners, disks } = await inventory(cluster);
    const claims = (await api.list(PersistentVolumeClaims, { namespace: 'default' })).items.map(({ metadata }) => metadata?.name);
    const left = [...owners, ...disks, ...claims];
    if (left.length) throw new Error(`there are still ${left.join(', ')}`);
    return true;
  };
  return cluster.eventually(isEmpty, { withinMs: 15 * minute, what: 'nothing is left in the cloud' }).then(
    () => [],
    (error: Error) => [error.message],
  );
}
