import { type LabNamespace, type LabNode, createTwoNodes } from '@orrery/linux/lab';
import { type Shell, createConntrack, createIp } from '@orrery/linux';
import type { BackEnd, NodeSettings } from '../linux/back-end.ts';
import { removeStaleFlows } from '../linux/conntrack.ts';
import { endpointsOf, route } from '../model/endpoints.ts';
import { servicePorts } from '../model/service-port.ts';
import type { Place, PodName, ServiceWithSlices, World } from './service-matrix.ts';

interface WorldNode {
  readonly lab: LabNode;
  readonly backEnd: BackEnd;
  readonly shell: Shell;
  fresh: boolean;
}

/** What makes a back end for one node; `node` is where its programs and sockets live. */
export type MakeBackEnd = (node: { name: string; namespace: LabNamespace; nodeIps: { 4: string; 6: string }; settings: NodeSettings }) => Promise<BackEnd> | BackEnd;

const settings: NodeSettings = { families: [4, 6], local: { 4: { cidr: '10.244.0.0/16' }, 6: { cidr: 'fd00:244::/32' } }, nodePortAddresses: [], localhostNodePorts: true, masqueradeAll: false, masqueradeBit: 14 };

/** Two nodes of real network namespaces, which end with the test. */
export async function createLinuxWorld(make: MakeBackEnd): Promise<World> {
  const { nodes, outside, close } = await createTwoNodes({ network: 'host-gw' });
  const [labA, labB] = nodes;
  const worldNode = async (lab: LabNode): Promise<WorldNode> => ({ lab, shell: lab.namespace.shell, fresh: true, backEnd: await make({ name: lab.name, namespace: lab.namespace, nodeIps: { 4: lab.address, 6: lab.address6 }, settings }) });
  const byName = { a: await worldNode(labA), b: await worldNode(labB) };
  const numbers: readonly (readonly [PodName, LabNode, number])[] = [['a1', labA, 11], ['a2', labA, 12], ['b1', labB, 11], ['b2', labB, 12]];
  const pods = new Map<Place, { namespace: LabNamespace; ips: readonly string[] }>();
  for (const [name, lab, number] of numbers) {
    const pod = await lab.pod(number);
    for (const protocol of ['TCP', 'UDP'] as const) await pod.namespace.serve({ name, protocol, port: 8080 });
    pods.set(name, pod);
  }
  pods.set('a', { namespace: labA.namespace, ips: [labA.address] });
  pods.set('b', { namespace: labB.namespace, ips: [labB.address] });
  pods.set('outside', { namespace: outside, ips: [outside.address] });
  let known: string[] = [];

  const program = async (node: WorldNode, services: readonly ServiceWithSlices[]): Promise<void> => {
    const changes = new Map(known.map((key): [string, ReturnType<typeof route>[]] => [key, []]));
    for (const { service, slices } of services) {
      const routings = servicePorts(service).map((port) => route(port, endpointsOf(port, slices), { name: node.lab.name }));
      changes.set(`default/${service.metadata?.name}`, routings);
    }
    await node.backEnd.sync({ full: node.fresh, services: changes });
    node.fresh = false;
    await removeStaleFlows(createConntrack(node.shell), { families: [4, 6], routings: [...changes.values()].flat() });
  };
  return {
    ips: (of) => pods.get(of)?.ips ?? [],
    nodeIps: (node) => [byName[node].lab.address, ...byName[node].lab.network.gateways.map((gateway) => gateway.split('/')[0] ?? '')],
    async apply(services) {
      await Promise.all([program(byName.a, services), program(byName.b, services)]);
      known = services.map(({ service }) => `default/${service.metadata?.name}`);
    },
    routeOutside: (ip, node) => createIp(outside.shell).batch([`route replace ${ip} via ${byName[node].lab.address}`]),
    ask(from, to) {
      const place = pods.get(from);
      if (!place) throw new Error(`nobody is called ${from}`);
      return place.namespace.ask(to);
    },
    close,
  };
}
