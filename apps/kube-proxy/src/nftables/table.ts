import type { Family } from '../model/service-port.ts';
import type { NodeSettings } from '../linux/back-end.ts';
import { type Element, type Piece, fromPods, mostPlainEndpoints, plainNames } from './piece.ts';

export const tableName = 'kube-proxy';

/** Of the base chains: type, hook, priority. Filters see destinations before they are translated, but for the last one. */
const baseChains: readonly (readonly [name: string, type: string, hook: string, priority: number])[] = [
  ['filter-prerouting', 'filter', 'prerouting', -110],
  ['filter-input', 'filter', 'input', -110],
  ['filter-forward', 'filter', 'forward', -110],
  ['filter-output', 'filter', 'output', -110],
  ['filter-output-post-dnat', 'filter', 'output', -90],
  ['nat-prerouting', 'nat', 'prerouting', -100],
  ['nat-output', 'nat', 'output', -100],
  ['nat-postrouting', 'nat', 'postrouting', 100],
];

const jumps: readonly (readonly [chain: string, rule: string])[] = [
  ['filter-prerouting', 'ct state new jump firewall-check'],
  ['filter-input', 'ct state new jump nodeport-endpoints-check'],
  ['filter-input', 'ct state new jump service-endpoints-check'],
  ['filter-forward', 'ct state new jump service-endpoints-check'],
  ['filter-forward', 'ct state new jump cluster-ips-check'],
  ['filter-output', 'ct state new jump service-endpoints-check'],
  ['filter-output', 'ct state new jump firewall-check'],
  ['filter-output-post-dnat', 'ct state new jump cluster-ips-check'],
  ['nat-prerouting', 'jump services'],
  ['nat-output', 'jump services'],
  ['nat-postrouting', 'jump masquerading'],
];

/** For services that only their cluster IP leads to: a map of endpoints by number and a draw among them, for each count there can be. */
function plainLines(family: Family, { local }: NodeSettings): string[] {
  const ipX = family === 6 ? 'ip6' : 'ip';
  const table = `${ipX} ${tableName}`;
  const masquerade = local[family] ? [`${fromPods(local[family], ipX, true)} jump mark-for-masquerade`] : [];
  return Array.from({ length: mostPlainEndpoints }, (_, i) => i + 1).flatMap((count) => {
    const { map, chain } = plainNames(count);
    const key = `${ipX} daddr . meta l4proto . th dport . numgen random mod ${count}`;
    return [
      `add map ${table} ${map} { typeof ${key} : ${ipX} daddr . th dport ; }`,
      `add chain ${table} ${chain}`,
      ...[...masquerade, `dnat ${ipX} to ${key} map @${map}`].map((rule) => `add rule ${table} ${chain} ${rule}`),
    ];
  });
}

/** All of the table that does not depend on services, from nothing. */
export function renderBase(family: Family, settings: NodeSettings): string[] {
  const { nodePortAddresses, masqueradeBit } = settings;
  const [ipX, address, loopback] = family === 6 ? ['ip6', 'ipv6_addr', '::1'] : ['ip', 'ipv4_addr', '127.0.0.0/8'];
  const table = `${ipX} ${tableName}`;
  const mark = `0x${(1 << masqueradeBit).toString(16).padStart(8, '0')}`;
  const own = nodePortAddresses.filter((at) => at.includes(':') === (family === 6));
  const nodePort = nodePortAddresses.length ? `${ipX} daddr @nodeport-ips` : `fib daddr type local ${ipX} daddr != ${loopback}`;
  const key = `${ipX} daddr . meta l4proto . th dport`;
  const rules: readonly (readonly [string, string])[] = [
    ...jumps,
    ['mark-for-masquerade', `mark set mark or ${mark}`],
    // A pod that reaches itself must get the answer from the address it had asked.
    ['masquerading', `${ipX} saddr . ${ipX} daddr @hairpin-ips masquerade fully-random`],
    ['masquerading', `mark and ${mark} == 0 return`],
    ['masquerading', `mark set mark xor ${mark}`],
    ['masquerading', 'masquerade fully-random'],
    ['reject-chain', 'reject'],
    ['firewall-check', `${key} vmap @firewall-ips`],
    ['nodeport-endpoints-check', `${nodePort} meta l4proto . th dport vmap @no-endpoint-nodeports`],
    ['service-endpoints-check', `${key} vmap @no-endpoint-services`],
    ['cluster-ips-check', `${ipX} daddr @cluster-ips reject comment "Reject traffic to invalid ports of ClusterIPs"`],
    ['services', `${key} vmap @service-ips`],
    ['services', `${nodePort} meta l4proto . th dport vmap @service-nodeports`],
  ];
  const chains = ['services', 'service-endpoints-check', 'nodeport-endpoints-check', 'firewall-check', 'cluster-ips-check', 'mark-for-masquerade', 'masquerading', 'reject-chain'];
  const perAddress = `type ${address} . inet_proto . inet_service : verdict ;`;
  const perPort = 'type inet_proto . inet_service : verdict ;';
  return [
    // Adding first makes the deletion work when there is none.
    `add table ${table}`,
    `delete table ${table}`,
    `add table ${table} { comment "rules for kube-proxy" ; }`,
    `add set ${table} cluster-ips { type ${address} ; comment "Active ClusterIPs" ; }`,
    `add set ${table} nodeport-ips { type ${address} ; flags interval ; auto-merge ; comment "IPs that accept NodePort traffic" ; }`,
    `add set ${table} hairpin-ips { type ${address} . ${address} ; comment "endpoints of services that reach themselves" ; }`,
    `add map ${table} firewall-ips { ${perAddress} comment "destinations that are subject to LoadBalancerSourceRanges" ; }`,
    `add map ${table} no-endpoint-services { ${perAddress} comment "vmap to drop or reject packets to services with no endpoints" ; }`,
    `add map ${table} no-endpoint-nodeports { ${perPort} comment "vmap to drop or reject packets to service nodeports with no endpoints" ; }`,
    `add map ${table} service-ips { ${perAddress} comment "ClusterIP, ExternalIP and LoadBalancer IP traffic" ; }`,
    `add map ${table} service-nodeports { ${perPort} comment "NodePort traffic" ; }`,
    ...baseChains.map(([name, type, hook, priority]) => `add chain ${table} ${name} { type ${type} hook ${hook} priority ${priority} ; }`),
    ...chains.map((name) => `add chain ${table} ${name}`),
    ...rules.map(([chain, rule]) => `add rule ${table} ${chain} ${rule}`),
    ...plainLines(family, settings),
    ...(own.length ? [`add element ${table} nodeport-ips { ${own.join(', ')} }`] : []),
  ];
}

const same = (a: readonly string[] | undefined, b: readonly string[]): boolean => !!a && a.length === b.length && a.every((line, i) => line === b[i]);

const elementText = ({ set, key, value, comment }: Element): string => `${set} { ${key}${comment ? ` comment "${comment}"` : ''}${value ? ` : ${value}` : ''} }`;

const emptyPiece: Piece = { chains: new Map(), elements: [], affinities: new Map(), hairpins: [] };

/** Elements of `hairpin-ips` that came and went. */
export function renderHairpins(family: Family, { added, removed }: { readonly added: readonly string[]; readonly removed: readonly string[] }): string[] {
  const words = (verb: 'add' | 'delete', element: string): string => `${verb} element ${family === 6 ? 'ip6' : 'ip'} ${tableName} hairpin-ips { ${element} }`;
  return [...removed.map((element) => words('delete', element)), ...added.map((element) => words('add', element))];
}

/**
 * The commands that make the old pieces of some services the new ones, as one transaction: elements first lose their way to
 * chains, then chains change, then elements come, then chains that nothing leads to go.
 */
export function renderChanges(family: Family, changes: readonly { readonly before: Piece | undefined; readonly after: Piece | undefined }[]): string[] {
  const table = `${family === 6 ? 'ip6' : 'ip'} ${tableName}`;
  const phases: Record<'unlink' | 'flush' | 'forget' | 'remember' | 'fill' | 'link' | 'drop', string[]> = { unlink: [], flush: [], forget: [], remember: [], fill: [], link: [], drop: [] };
  for (const { before = emptyPiece, after = emptyPiece } of changes) {
    const stale = new Map(before.elements.map((element) => [elementText(element), element]));
    const wanted = new Set(after.elements.map(elementText));
    for (const [text, { set, key }] of stale) if (!wanted.has(text)) phases.unlink.push(`delete element ${table} ${set} { ${key} }`);
    for (const text of wanted) if (!stale.has(text)) phases.link.push(`add element ${table} ${text}`);
    // A set keeps its timeout for life, so one with another timeout is another set: all that speak of it are written anew.
    const renewed = [...before.affinities].some(([name, seconds]) => after.affinities.has(name) && after.affinities.get(name) !== seconds);
    for (const [name, seconds] of before.affinities) if (after.affinities.get(name) !== seconds) phases.forget.push(`delete set ${table} ${name}`);
    for (const [name, seconds] of after.affinities) {
      if (before.affinities.get(name) !== seconds) phases.remember.push(`add set ${table} ${name} { type ${family === 6 ? 'ipv6_addr' : 'ipv4_addr'} ; flags dynamic,timeout ; timeout ${seconds}s ; }`);
    }
    for (const [name, rules] of after.chains) {
      if (!renewed && same(before.chains.get(name), rules)) continue;
      if (!before.chains.has(name)) phases.flush.push(`add chain ${table} ${name}`);
      else phases.flush.push(`flush chain ${table} ${name}`);
      for (const rule of rules) phases.fill.push(`add rule ${table} ${name} ${rule}`);
    }
    for (const name of before.chains.keys()) {
      if (after.chains.has(name)) continue;
      phases.flush.push(`flush chain ${table} ${name}`);
      phases.drop.push(`delete chain ${table} ${name}`);
    }
  }
  return [...phases.unlink, ...phases.flush, ...phases.forget, ...phases.remember, ...phases.fill, ...phases.link, ...phases.drop];
}
