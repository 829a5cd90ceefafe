import type { Ip, Ipset, Iptables, Ipvs } from '@orrery/linux';
import type { Piece as IptablesPiece } from '../iptables/piece.ts';
import { createIptablesBackEnd } from '../iptables/back-end.ts';
import type { BackEnd, Changes, Hash, LocalDetector, NodeSettings } from '../linux/back-end.ts';
import type { ProxyNode } from '../model/endpoints.ts';
import type { Family } from '../model/service-port.ts';
import { type Piece, renderPiece, renderServers, renderSets, setName } from './render.ts';

export interface IpvsOptions {
  readonly ipvs: Ipvs;
  readonly ipset: Ipset;
  readonly ip: Ip;
  readonly iptables: Partial<Record<Family, Iptables>>;
  readonly hash: Hash;
  readonly node: ProxyNode;
  readonly nodeIps: readonly string[];
  readonly settings: NodeSettings;
  readonly scheduler: string;
}

/** The dummy device that has the addresses of services, so that the kernel takes their packets in. */
const device = 'kube-ipvs0';

const notFromPods = (local: LocalDetector): string => ('cidr' in local ? `! -s ${local.cidr}` : `! -i ${'interface' in local ? local.interface : `${local.interfacePrefix}+`}`);

/** What is masqueraded and who is let in, by sets. */
export function sharedPiece(family: Family, { local, masqueradeAll }: Pick<NodeSettings, 'local' | 'masqueradeAll'>): IptablesPiece {
  const set = (name: string, match: string): string => `-m set --match-set ${setName(family, name)} ${match}`;
  const detector = local[family];
  const nat = (rule: string): { table: 'nat'; chain: string; rule: string } => ({ table: 'nat', chain: 'KUBE-SERVICES', rule });
  const cluster = masqueradeAll ? [nat(`${set('CLUSTER-IP', 'dst,dst')} -j KUBE-MARK-MASQ`)] : detector ? [nat(`${set('CLUSTER-IP', 'dst,dst')} ${notFromPods(detector)} -j KUBE-MARK-MASQ`)] : [];
  const nodePorts = (['TCP', 'UDP'] as const).map((protocol) => ({ table: 'nat' as const, chain: 'KUBE-NODEPORTS', rule: `-p ${protocol.toLowerCase()} ${set(`NODE-PORT-${protocol}`, 'dst')} -j KUBE-MARK-MASQ` }));
  return {
    chains: new Map(),
    shared: [
      ...cluster,
      nat(`${set('EXTERNAL-IP', 'dst,dst')} -j KUBE-MARK-MASQ`),
      nat(`${set('LOAD-BALANCER', 'dst,dst')} -j KUBE-MARK-MASQ`),
      ...nodePorts,
      { table: 'nat', chain: 'KUBE-POSTROUTING', rule: `-m comment --comment "Kubernetes endpoints dst ip:port, source ip for solving hairpin purpose" ${set('LOOP-BACK', 'dst,dst,src')} -j MASQUERADE` },
      { table: 'filter', chain: 'KUBE-PROXY-FIREWALL', rule: `${set('LOAD-BALANCER-FW', 'dst,dst')} -m set ! --match-set ${setName(family, 'LOAD-BALANCER-SOURCE-CIDR')} dst,dst,src -j DROP` },
    ],
  };
}

/** Endpoints of weight 0 without connections: lines of `ipvsadm -d`. `table` is what `ipvsadm -L -n` prints. */
export function drained(table: string, draining: ReadonlySet<string>): string[] {
  const found: string[] = [];
  let server = '';
  for (const line of table.split('\n')) {
    const virtual = /^(TCP|UDP|SCTP)\s+(\S+)/.exec(line);
    if (virtual) server = `${virtual[1] === 'TCP' ? '-t' : virtual[1] === 'UDP' ? '-u' : '--sctp-service'} ${virtual[2]}`;
    const real = /^\s*->\s+(\S+:\d+)\s+\S+\s+0\s+0\s+0\s*$/.exec(line);
    if (real && draining.has(`${server} -r ${real[1]}`)) found.push(`${server} -r ${real[1]}`);
  }
  return found;
}

/** The ipvs mode: virtual servers of the kernel, sets of addresses, and few rules that speak of these. */
export function createIpvsBackEnd(options: IpvsOptions): BackEnd {
  const { ipvs, ipset, ip, settings, node, scheduler } = options;
  const context = { node, nodeIps: options.nodeIps };
  let pieces = new Map<string, Piece>();
  const draining = new Set<string>();
  const rules = createIptablesBackEnd({
    ...options,
    render: (routings) => ({ chains: new Map(), shared: renderPiece(routings, context).filters.map((filter) => ({ table: 'filter' as const, ...filter })) }),
    shared: (family) => sharedPiece(family, settings),
  });

  const apply = async (changes: Changes): Promise<void> => {
    const next = changes.full ? new Map<string, Piece>() : new Map(pieces);
    const pairs = [...changes.services].map(([key, routings]) => {
      const before = next.get(key);
      const after = routings.length ? renderPiece(routings, context) : undefined;
      if (after) next.set(key, after);
      else next.delete(key);
      return { before, after };
    });
    const had = new Set([...pieces.values()].flatMap((piece) => piece.addresses));
    const wants = new Set([...next.values()].flatMap((piece) => piece.addresses));
    if (changes.full) {
      await ip.batch([`link add ${device} type dummy`]).catch((error: Error) => {
        if (!error.message.includes('File exists')) throw error;
      });
    }
    const width = (address: string): string => `${address}/${address.includes(':') ? 128 : 32}`;
    await ip.batch([
      ...[...wants].filter((address) => changes.full || !had.has(address)).map((address) => `addr replace ${width(address)} dev ${device}`),
      ...[...had].filter((address) => !wants.has(address)).map((address) => `addr del ${width(address)} dev ${device}`),
    ]);
    await ipset.restore(`${settings.families.flatMap((family) => renderSets(family, next.values())).join('\n')}\n`);
    const { lines, draining: more } = renderServers(pairs, scheduler);
    const all = changes.full ? ['-C', ...lines] : lines;
    if (all.length) await ipvs.restore(`${all.join('\n')}\n`);
    for (const endpoint of more) draining.add(endpoint);
    pieces = next;
  };

  const finishDraining = async (): Promise<void> => {
    if (!draining.size) return;
    const done = drained(await ipvs.list(), draining);
    if (done.length) await ipvs.restore(`${done.map((endpoint) => `-d ${endpoint}`).join('\n')}\n`);
    for (const endpoint of done) draining.delete(endpoint);
  };
  return {
    mode: 'ipvs',
    // Making the servers anew would forget who drains.
    repairs: false,
    async sync(changes) {
      await apply(changes);
      await rules.sync(changes);
      await finishDraining();
    },
    async cleanUp() {
      await ipvs.restore('-C\n');
      await rules.cleanUp();
      await ip.batch([`link del ${device}`]).catch((error: Error) => {
        if (!error.message.includes('Cannot find device')) throw error;
      });
    },
  };
}
