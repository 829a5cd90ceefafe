import type { Ip, Ipset, Iptables, Ipvs, Sysctl } from '@orrery/linux';
import { cidrContains, parseCidr, parseIp } from '@orrery/vnet';
import type { Piece as IptablesPiece } from '../iptables/piece.ts';
import { createIptablesBackEnd } from '../iptables/back-end.ts';
import type { BackEnd, Changes, Hash, LocalDetector, NodeSettings } from '../linux/back-end.ts';
import { type Counted, createCounted } from '../linux/counted.ts';
import type { ProxyNode } from '../model/endpoints.ts';
import { type Family, familyOf } from '../model/service-port.ts';
import { type Piece, parseServers, renderNoSets, renderPiece, renderServers, renderSets, setName } from './render.ts';

/** What only this mode has; as `ipvs` of a KubeProxyConfiguration. */
export interface IpvsSettings {
  /** The node answers ARP only for addresses of the device that was asked. */
  readonly strictArp: boolean;
  /** Virtual servers in these ranges are somebody else's. */
  readonly excludeCidrs: readonly string[];
  /** Seconds; 0 leaves what the kernel has. */
  readonly timeouts: { readonly tcp: number; readonly tcpFin: number; readonly udp: number };
}

export interface IpvsOptions {
  readonly ipvs: Ipvs;
  readonly ipset: Ipset;
  readonly ip: Ip;
  readonly sysctl: Sysctl;
  readonly iptables: Partial<Record<Family, Iptables>>;
  readonly hash: Hash;
  readonly node: ProxyNode;
  readonly nodeIps: readonly string[];
  readonly settings: NodeSettings;
  readonly scheduler: string;
  readonly own: IpvsSettings;
}

/** The dummy device that has the addresses of services, so that the kernel takes their packets in. */
const device = 'kube-ipvs0';

/** Masquerading needs the connections to be tracked; endpoints that go must lose datagrams and clients that stick to them. */
const kernelSettings: Readonly<Record<string, string>> = {
  'net/ipv4/vs/conntrack': '1',
  'net/ipv4/vs/conn_reuse_mode': '0',
  'net/ipv4/vs/expire_nodest_conn': '1',
  'net/ipv4/vs/expire_quiescent_template': '1',
  'net/ipv4/ip_forward': '1',
};
const strictArpSettings: Readonly<Record<string, string>> = { 'net/ipv4/conf/all/arp_ignore': '1', 'net/ipv4/conf/all/arp_announce': '2' };

const notFromPods = (local: LocalDetector): string => ('cidr' in local ? `! -s ${local.cidr}` : `! -i ${'interface' in local ? local.interface : `${local.interfacePrefix}+`}`);

/** What is masqueraded and who is let in, by sets. */
export function sharedPiece(family: Family, { local, masqueradeAll }: Pick<NodeSettings, 'local' | 'masqueradeAll'>): IptablesPiece {
  const set = (name: string, match: string): string => `-m set --match-set ${setName(family, name)} ${match}`;
  const notSet = (name: string, match: string): string => `-m set ! --match-set ${setName(family, name)} ${match}`;
  const detector = local[family];
  const nat = (chain: string, rule: string): { table: 'nat'; chain: string; rule: string } => ({ table: 'nat', chain, rule });
  const filter = (chain: string, rule: string): { table: 'filter'; chain: string; rule: string } => ({ table: 'filter', chain, rule });
  const mark = '-j KUBE-MARK-MASQ';
  const cluster = masqueradeAll ? [nat('KUBE-SERVICES', `${set('CLUSTER-IP', 'dst,dst')} ${mark}`)] : detector ? [nat('KUBE-SERVICES', `${set('CLUSTER-IP', 'dst,dst')} ${notFromPods(detector)} ${mark}`)] : [];
  return {
    chains: new Map(),
    shared: [
      ...cluster,
      nat('KUBE-SERVICES', `${set('EXTERNAL-IP', 'dst,dst')} ${mark}`),
      nat('KUBE-SERVICES', `${set('LOAD-BALANCER', 'dst,dst')} ${mark}`),
      ...(['TCP', 'UDP'] as const).map((protocol) => nat('KUBE-NODEPORTS', `-p ${protocol.toLowerCase()} ${set(`NODE-PORT-${protocol}`, 'dst')} ${mark}`)),
      nat('KUBE-NODEPORTS', `-p sctp ${set('NODE-PORT-SCTP-HASH', 'dst,dst')} ${mark}`),
      nat('KUBE-POSTROUTING', `-m comment --comment "Kubernetes endpoints dst ip:port, source ip for solving hairpin purpose" ${set('LOOP-BACK', 'dst,dst,src')} -j MASQUERADE`),
      filter('KUBE-PROXY-FIREWALL', `${set('LOAD-BALANCER-FW', 'dst,dst')} ${notSet('LOAD-BALANCER-SOURCE-CIDR', 'dst,dst,src')} -j DROP`),
      filter('KUBE-NODEPORTS', `-m comment --comment "Kubernetes health check node port" -p tcp ${set('HEALTH-CHECK-NODE-PORT', 'dst')} -j ACCEPT`),
      // Addresses of services are addresses of this node, whose own programs must not be found there.
      filter('KUBE-EXTERNAL-SERVICES', `-m conntrack --ctstate NEW ${set('IPVS-IPS', 'dst')} ${notSet('IPVS-SERVICES', 'dst,dst')} -j REJECT`),
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
  const { ipvs, ipset, ip, sysctl, settings, node, own, scheduler } = options;
  const byFamily = settings.families.map((family): [Family, string] => [family, settings.local[family] ? notFromPods(settings.local[family]) : '']);
  const context = { node, nodeIps: options.nodeIps, notFromPods: Object.fromEntries(byFamily) };
  const excluded = own.excludeCidrs.map(parseCidr);
  const isOurs = (address: string): boolean => {
    const parsed = parseIp(address);
    return !parsed || !excluded.some((cidr) => cidrContains(cidr, parsed));
  };
  let pieces = new Map<string, Piece>();
  let members: Counted = createCounted();
  let addresses: Counted = createCounted();
  const draining = new Set<string>();
  const rules = createIptablesBackEnd({
    ...options,
    settings: { ...settings, keepInvalid: true },
    render: (routings) => ({ chains: new Map(), shared: renderPiece(routings, context).filters.map((filter) => ({ table: 'filter' as const, ...filter })) }),
    shared: (family) => sharedPiece(family, settings),
  });

  const prepareKernel = async (): Promise<void> => {
    await sysctl.set({ ...kernelSettings, ...(own.strictArp ? strictArpSettings : {}) });
    if (Object.values(own.timeouts).some((seconds) => seconds > 0)) await ipvs.setTimeouts(own.timeouts);
    await ip.batch([`link add ${device} type dummy`]).catch((error: Error) => {
      if (!error.message.includes('File exists')) throw error;
    });
  };
  const setAddresses = (add: Iterable<string>, remove: Iterable<string>): Promise<void> => {
    const width = (address: string): string => `${address}/${familyOf(address) === 6 ? '128 nodad' : '32'} dev ${device}`;
    return ip.batch([...[...add].map((address) => `addr replace ${width(address)}`), ...[...remove].map((address) => `addr del ${width(address).replace(' nodad', '')}`)]);
  };

  const apply = async (changes: Changes): Promise<void> => {
    const next = changes.full ? new Map<string, Piece>() : new Map(pieces);
    if (changes.full) [members, addresses] = [createCounted(), createCounted()];
    const before: Piece[] = [];
    const after: Piece[] = [];
    for (const [key, routings] of changes.services) {
      const old = next.get(key);
      const piece = routings.length ? renderPiece(routings, context) : undefined;
      if (piece) next.set(key, piece);
      else next.delete(key);
      if (old) before.push(old);
      if (piece) after.push(piece);
      members.change(old?.members ?? [], piece?.members ?? []);
      addresses.change(old?.addresses ?? [], piece?.addresses ?? []);
    }
    const change = addresses.take();
    const memberChange = members.take();
    let servers = before.flatMap((piece) => piece.servers);
    let sets: string[];
    if (changes.full) {
      await prepareKernel();
      const there = parseServers(await ipvs.save());
      servers = there.servers.filter((server) => isOurs(server.ip));
      draining.clear();
      for (const words of there.draining) draining.add(words);
      const wanted = new Set(addresses.keys());
      const had = await ip.addresses(device);
      await setAddresses(wanted, had.filter((address) => isOurs(address) && !wanted.has(address)));
      sets = settings.families.flatMap((family) => renderSets(family, members.keys()));
    } else {
      await setAddresses(change.added, change.removed);
      sets = [...memberChange.added.map((member) => `add ${member}`), ...memberChange.removed.map((member) => `del ${member}`)];
    }
    if (sets.length) await ipset.restore(`${sets.join('\n')}\n`);
    const { lines, draining: more, back } = renderServers(servers, after.flatMap((piece) => piece.servers), { scheduler, drain: draining });
    if (lines.length) await ipvs.restore(`${lines.join('\n')}\n`);
    for (const words of back) draining.delete(words);
    for (const words of more) draining.add(words);
    pieces = next;
  };

  const finishDraining = async (): Promise<void> => {
    if (!draining.size) return;
    const done = drained(await ipvs.list(), draining);
    if (done.length) await ipvs.restore(`${done.map((words) => `-d ${words}`).join('\n')}\n`);
    for (const words of done) draining.delete(words);
  };
  return {
    mode: 'ipvs',
    repairs: true,
    async sync(changes) {
      await apply(changes);
      await rules.sync(changes);
      await finishDraining();
    },
    async cleanUp() {
      const { servers } = parseServers(await ipvs.save());
      const ours = servers.filter((server) => isOurs(server.ip));
      const { lines } = renderServers(ours, [], { scheduler, drain: draining });
      if (lines.length) await ipvs.restore(`${lines.join('\n')}\n`);
      await rules.cleanUp();
      await ip.batch([`link del ${device}`]).catch((error: Error) => {
        if (!error.message.includes('Cannot find device')) throw error;
      });
      await ipset.restore(`${settings.families.flatMap(renderNoSets).join('\n')}\n`);
    },
  };
}
