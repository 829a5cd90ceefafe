import { realClock } from '@orrery/node-io';
import { createMetrics, seededRandom, silentLogger } from '@orrery/runtime';
import { type NetStack, type SwitchControl, type VnetSwitch, createFabric } from '@orrery/vnet';
import { serviceModel, serviceRules } from '../vnet/rules.ts';
import type { Ask, Place, PodName, World } from './service-matrix.ts';

const addresses: Readonly<Record<PodName, readonly [string, string]>> = {
  a1: ['10.244.1.11', 'fd00:244:1::11'],
  a2: ['10.244.1.12', 'fd00:244:1::12'],
  b1: ['10.244.2.11', 'fd00:244:2::11'],
  b2: ['10.244.2.12', 'fd00:244:2::12'],
};
const nodeIp = { a: '10.0.0.11', b: '10.0.0.12' } as const;
const outsideIp = '10.0.0.100';

function serve(stack: NetStack, name: string): void {
  stack.listen({ ip: '', port: 8080 }, (conn) => void conn.write(Buffer.from(`${name} ${conn.remote.ip}`)).then(() => conn.closeWrite()));
  const socket = stack.udp({ ip: '', port: 8080 }, (_bytes, from) => socket.send(Buffer.from(`${name} ${from.ip}`), from));
}

async function askTcp(stack: Client, { ip, port, timeoutMs }: Ask): Promise<string> {
  const conn = await stack.dial({ ip, port }, { timeoutMs }).catch((error: Error & { code?: string }) => {
    throw new Error(error.code === 'ETIMEDOUT' ? 'TIMEOUT' : (error.code ?? error.message));
  });
  let answer = '';
  for (let bytes = await conn.read(); bytes; bytes = await conn.read()) answer += Buffer.from(bytes).toString();
  conn.close();
  return answer;
}

function askUdp(stack: Client, { ip, port, timeoutMs, fromPort = 0 }: Ask): Promise<string> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => (socket.close(), reject(new Error('TIMEOUT'))), timeoutMs);
    const socket = stack.udp({ ip: '', port: fromPort }, (bytes) => {
      clearTimeout(timer);
      socket.close();
      resolve(Buffer.from(bytes).toString());
    });
    socket.send(Buffer.from('?'), { ip, port });
  });
}

let lastPort = 40_000;

/** A stack all whose packets go to one node, as those of a client whose router knows services by that node. */
function routed(stack: NetStack, node: VnetSwitch): Pick<NetStack, 'dial' | 'udp'> {
  return {
    dial: (to, options = {}) => node.admit({ source: { ip: outsideIp, port: lastPort++ }, to, fromNode: 'outside', options }),
    udp(at, onMessage) {
      const socket = stack.udp(at, onMessage);
      return { ...socket, send: (bytes, to) => node.deliverDatagram({ source: { ip: outsideIp, port: socket.address.port }, to, bytes }) };
    },
  };
}

type Client = Pick<NetStack, 'dial' | 'udp'>;

/** The emulated network, with a switch outside that sends addresses of services to a node, as a router does. */
export function createVnetWorld(): Promise<World & { readonly switches: Readonly<Record<'a' | 'b', VnetSwitch>> }> {
  const fabric = createFabric({ clock: realClock, random: seededRandom(5), log: silentLogger, metrics: createMetrics() });
  const switches: Record<'a' | 'b', VnetSwitch> = {
    a: fabric.addSwitch({ node: 'node-a', nodeIp: nodeIp.a, podCidr: '10.244.1.0/24' }),
    b: fabric.addSwitch({ node: 'node-b', nodeIp: nodeIp.b, podCidr: '10.244.2.0/24' }),
  };
  const outside = fabric.addSwitch({ node: 'outside', nodeIp: outsideIp });
  const pods = Object.fromEntries(Object.entries(addresses).map(([name, ips]) => [name, switches[name[0] as 'a' | 'b'].attach({ ips }).stack])) as Record<PodName, NetStack>;
  for (const [name, stack] of Object.entries(pods)) serve(stack, name);
  const stacks: Record<Place, NetStack> = { ...pods, a: switches.a.hostStack, b: switches.b.hostStack, outside: outside.hostStack };
  const routes = new Map<string, 'a' | 'b'>();
  let known: string[] = [];

  const program = (name: string, control: SwitchControl, world: Parameters<World['apply']>[0]): Promise<void> => {
    const rules = new Map(known.map((key): [string, ReturnType<typeof serviceRules>] => [key, []]));
    for (const { service, slices } of world) rules.set(`default/${service.metadata?.name}`, serviceRules(serviceModel(service, slices), { name }));
    return control.updateServices([{ layer: 'own', full: false, services: rules }]);
  };
  return Promise.resolve({
    switches,
    ips: (of) => stacks[of].ips,
    nodeIps: (node) => [nodeIp[node]],
    async apply(services) {
      for (const node of ['a', 'b'] as const) await program(`node-${node}`, switches[node], services);
      known = services.map(({ service }) => `default/${service.metadata?.name}`);
    },
    routeOutside: (ip, node) => Promise.resolve(void routes.set(ip, node)),
    ask(from, to) {
      const via = from === 'outside' ? routes.get(to.ip) : undefined;
      const stack = via ? routed(outside.hostStack, switches[via]) : stacks[from];
      return to.protocol === 'TCP' ? askTcp(stack, to) : askUdp(stack, to);
    },
    close() {
      for (const each of [switches.a, switches.b, outside]) each.close();
      return Promise.resolve();
    },
  } satisfies World & { switches: unknown });
}
