import type { Forwarder, Iptables } from '@orrery/linux';
import { chainNames, renderPiece } from '../iptables/piece.ts';
import { createIptablesBackEnd } from '../iptables/back-end.ts';
import { type BackEnd, type Changes, type Hash, type NodeSettings, hostPort } from '../linux/back-end.ts';
import type { Endpoint, ProxyNode, Routing } from '../model/endpoints.ts';
import type { Family, ServicePort } from '../model/service-port.ts';

export interface UserspaceOptions {
  readonly iptables: Partial<Record<Family, Iptables>>;
  readonly hash: Hash;
  readonly node: ProxyNode;
  readonly settings: NodeSettings;
  /** Where the node's own programs find its ports: a loopback address would be forgotten by answers to datagrams. */
  readonly nodeIps: Partial<Record<Family, string>>;
  /** Opens a port of the node that forwards to endpoints. */
  open(protocol: 'TCP' | 'UDP'): Promise<Forwarder>;
}

interface Opened {
  readonly forwarder: Forwarder;
  readonly chain: string;
}

/** Chains of the iptables mode that lead to forwarders instead of endpoints. */
function redirects(routing: Routing, hash: Hash): { chain: string; endpoints: readonly Endpoint[] }[] {
  const names = chainNames(routing.port, hash);
  const wanted = [{ chain: names.cluster, endpoints: routing.cluster }, { chain: names.local, endpoints: routing.local }];
  return wanted.filter(({ endpoints }) => endpoints.length > 0);
}

/**
 * The userspace mode: the rules of the iptables mode lead to ports of the node, behind which this process forwards to endpoints in
 * turn. Endpoints see the node as their client, whatever the policy; SCTP is not forwarded.
 */
export function createUserspaceBackEnd(options: UserspaceOptions): BackEnd {
  const { hash, open, nodeIps } = options;
  /** By service, then by family, protocol and chain. */
  const services = new Map<string, Map<string, Opened>>();
  const ports = new Map<string, number>();

  const prepare = async (key: string, routings: readonly Routing[]): Promise<() => void> => {
    const before = services.get(key) ?? new Map<string, Opened>();
    const after = new Map<string, Opened>();
    for (const routing of routings) {
      const { family, protocol, affinitySeconds } = routing.port;
      if (protocol === 'SCTP') continue;
      for (const { chain, endpoints } of redirects(routing, hash)) {
        const id = `${family}/${protocol}/${chain}`;
        const opened = before.get(id) ?? { chain, forwarder: await open(protocol) };
        opened.forwarder.update({ endpoints: endpoints.map(({ ip, port }) => ({ ip, port })), affinitySeconds });
        after.set(id, opened);
        ports.set(`${family}/${chain}`, opened.forwarder.port);
      }
    }
    if (after.size) services.set(key, after);
    else services.delete(key);
    return () => {
      for (const [id, { forwarder }] of before) if (!after.has(id)) forwarder.close();
    };
  };

  const toForwarder = ({ family, protocol }: ServicePort, port: number): string[] => {
    const match = `-p ${protocol.toLowerCase()}`;
    const ip = nodeIps[family];
    return [...(ip ? [`${match} -m addrtype --src-type LOCAL -j DNAT --to-destination ${hostPort({ ip, port })}`] : []), `${match} -j REDIRECT --to-ports ${port}`];
  };
  const rules = createIptablesBackEnd({
    ...options,
    render(routings, context) {
      const own = routings.filter(({ port }) => port.protocol !== 'SCTP');
      const piece = renderPiece(own, context);
      const chains = new Map([...piece.chains].filter(([name]) => /^KUBE-(EXT|FW)-/.test(name)));
      for (const routing of own) {
        for (const { chain } of redirects(routing, hash)) chains.set(chain, toForwarder(routing.port, ports.get(`${routing.port.family}/${chain}`) ?? 0));
      }
      return { ...piece, chains };
    },
  });
  return {
    mode: 'userspace',
    repairs: true,
    async sync(changes: Changes) {
      const closing: (() => void)[] = [];
      if (changes.full) for (const key of services.keys()) if (!changes.services.has(key)) closing.push(await prepare(key, []));
      for (const [key, routings] of changes.services) closing.push(await prepare(key, routings));
      await rules.sync(changes);
      // Only now does nothing lead there any more.
      for (const close of closing) close();
    },
    async cleanUp() {
      await rules.cleanUp();
      for (const opened of services.values()) for (const { forwarder } of opened.values()) forwarder.close();
      services.clear();
    },
  };
}
