import type { NodeSettings } from '../linux/back-end.ts';
import type { Family } from '../model/service-port.ts';
import type { Piece, Table } from './piece.ts';

/** From where the kernel's own chains lead to ours. */
const jumps: readonly { readonly table: Table; readonly from: string; readonly to: string; readonly comment: string; readonly match: string }[] = [
  { table: 'filter', from: 'INPUT', to: 'KUBE-EXTERNAL-SERVICES', comment: 'kubernetes externally-visible service portals', match: '-m conntrack --ctstate NEW' },
  { table: 'filter', from: 'FORWARD', to: 'KUBE-EXTERNAL-SERVICES', comment: 'kubernetes externally-visible service portals', match: '-m conntrack --ctstate NEW' },
  { table: 'filter', from: 'INPUT', to: 'KUBE-NODEPORTS', comment: 'kubernetes health check service ports', match: '' },
  { table: 'filter', from: 'FORWARD', to: 'KUBE-SERVICES', comment: 'kubernetes service portals', match: '-m conntrack --ctstate NEW' },
  { table: 'filter', from: 'OUTPUT', to: 'KUBE-SERVICES', comment: 'kubernetes service portals', match: '-m conntrack --ctstate NEW' },
  { table: 'filter', from: 'FORWARD', to: 'KUBE-FORWARD', comment: 'kubernetes forwarding rules', match: '' },
  { table: 'filter', from: 'INPUT', to: 'KUBE-PROXY-FIREWALL', comment: 'kubernetes load balancer firewall', match: '-m conntrack --ctstate NEW' },
  { table: 'filter', from: 'OUTPUT', to: 'KUBE-PROXY-FIREWALL', comment: 'kubernetes load balancer firewall', match: '-m conntrack --ctstate NEW' },
  { table: 'filter', from: 'FORWARD', to: 'KUBE-PROXY-FIREWALL', comment: 'kubernetes load balancer firewall', match: '-m conntrack --ctstate NEW' },
  { table: 'filter', from: 'INPUT', to: 'KUBE-FIREWALL', comment: 'kubernetes packets to loopback', match: '' },
  { table: 'filter', from: 'OUTPUT', to: 'KUBE-FIREWALL', comment: 'kubernetes packets to loopback', match: '' },
  { table: 'nat', from: 'OUTPUT', to: 'KUBE-SERVICES', comment: 'kubernetes service portals', match: '' },
  { table: 'nat', from: 'PREROUTING', to: 'KUBE-SERVICES', comment: 'kubernetes service portals', match: '' },
  { table: 'nat', from: 'POSTROUTING', to: 'KUBE-POSTROUTING', comment: 'kubernetes postrouting rules', match: '' },
];

const sharedChains: Readonly<Record<Table, readonly string[]>> = {
  filter: ['KUBE-SERVICES', 'KUBE-EXTERNAL-SERVICES', 'KUBE-FIREWALL', 'KUBE-FORWARD', 'KUBE-NODEPORTS', 'KUBE-PROXY-FIREWALL'],
  nat: ['KUBE-SERVICES', 'KUBE-NODEPORTS', 'KUBE-POSTROUTING', 'KUBE-MARK-MASQ'],
};

/** Chains of single services and ranges, which a full sync removes when it no longer wants them. */
const ownChain = /^:(KUBE-(?:SVC|SVL|EXT|FW|SEP|NET)-[A-Z2-7]{16}) /;

const tables: readonly Table[] = ['filter', 'nat'];

/** What `iptables-save` printed of the tables, by table. */
export type Saved = Readonly<Record<Table, string>>;

/** Node ports answer on loopback only where they answer everywhere, and only over IPv4, as upstream has it. */
export function answersOnLoopback(family: Family, { localhostNodePorts, nodePortAddresses }: NodeSettings): boolean {
  return family === 4 && localhostNodePorts === true && nodePortAddresses.length === 0;
}

/** As a packet filter of the kernel: an IP header whose source is its destination; word by word. */
const sameEnds: Readonly<Record<Family, string>> = { 4: sameWords([12], 4), 6: sameWords([8, 12, 16, 20], 16) };

/** `-m bpf` takes the classic instructions as numbers: load a word (32), keep it (7), load its counterpart, leave unless equal (29), accept or refuse (6). */
function sameWords(offsets: readonly number[], distance: number): string {
  const steps = offsets.flatMap((at, i) => [`32 0 0 ${at}`, '7 0 0 0', `32 0 0 ${at + distance}`, `29 0 ${(offsets.length - 1 - i) * 4 + 1} 0`]);
  const all = [...steps, '6 0 0 1', '6 0 0 0'];
  return `${all.length},${all.join(',')}`;
}

/** Of packets that a service has sent back to where they come from. The kernel may lack it. */
export function hairpinRule(family: Family): string {
  return `-m conntrack --ctstate DNAT -m bpf --bytecode "${sameEnds[family]}" -j MASQUERADE --random-fully`;
}

function fixedRules(table: Table, { family, settings, compact }: { family: Family; settings: NodeSettings; compact: boolean }): string[] {
  const { masqueradeBit, nodePortAddresses } = settings;
  const mark = `0x${(1 << masqueradeBit).toString(16).padStart(8, '0')}`;
  if (table === 'filter') {
    return [
      // The kernel would send on what it no longer knows without translating it back, and the client would break its connection off.
      ...(settings.keepInvalid ? [] : ['-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP']),
      // Routing to loopback is on for the node's own programs, not for its neighbours.
      ...(answersOnLoopback(family, settings) ? ['-A KUBE-FIREWALL -m comment --comment "block incoming localnet connections" -d 127.0.0.0/8 ! -s 127.0.0.0/8 -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP'] : []),
      `-A KUBE-FORWARD -m comment --comment "kubernetes forwarding rules" -m mark --mark ${mark}/${mark} -j ACCEPT`,
      '-A KUBE-FORWARD -m comment --comment "kubernetes forwarding conntrack rule" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
    ];
  }
  const note = '-m comment --comment "kubernetes service nodeports; NOTE: this must be the last rule in this chain"';
  const own = nodePortAddresses.filter((at) => at.includes(':') === (family === 6));
  const loopback = answersOnLoopback(family, settings) ? '' : ` ! -d ${family === 6 ? '::1/128' : '127.0.0.0/8'}`;
  const nodePorts = nodePortAddresses.length ? own.map((at) => `-A KUBE-SERVICES ${note} -d ${at} -j KUBE-NODEPORTS`) : [`-A KUBE-SERVICES ${note} -m addrtype --dst-type LOCAL${loopback} -j KUBE-NODEPORTS`];
  return [
    ...nodePorts,
    ...(compact ? [`-A KUBE-POSTROUTING ${hairpinRule(family)}`] : []),
    `-A KUBE-POSTROUTING -m mark ! --mark ${mark}/${mark} -j RETURN`,
    `-A KUBE-POSTROUTING -j MARK --xor-mark ${mark}`,
    '-A KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully',
    `-A KUBE-MARK-MASQ -j MARK --or-mark ${mark}`,
  ];
}

const rejectWith = (rule: string, family: Family): string => (rule.endsWith('-j REJECT') ? `${rule} --reject-with ${family === 6 ? 'icmp6-port-unreachable' : 'icmp-port-unreachable'}` : rule);

/** Chains of ranges that pieces have rules in, each with its range. */
export function rangeChains(pieces: Iterable<Piece | undefined>): Map<string, string> {
  return new Map([...pieces].flatMap((piece) => (piece?.shared ?? []).flatMap(({ chain, range }): [string, string][] => (range ? [[chain, range]] : []))));
}

/** Everything, as input of `iptables-restore --noflush`; chains that are there and nobody wants go. */
export function renderFull(family: Family, { pieces, settings, saved, compact = false }: { pieces: Iterable<Piece>; settings: NodeSettings; saved: Saved; compact?: boolean }): string {
  const all = [...pieces];
  const lines: string[] = [];
  for (const table of tables) {
    const there = saved[table].split('\n');
    const missing = jumps.filter((jump) => jump.table === table && !there.some((line) => line.startsWith(`-A ${jump.from} `) && line.endsWith(`-j ${jump.to}`)));
    const wanted = table === 'nat' ? new Map(all.flatMap((piece) => [...piece.chains])) : new Map<string, readonly string[]>();
    const ranges = table === 'nat' ? rangeChains(all) : new Map<string, string>();
    const stale = there.flatMap((line) => ownChain.exec(line)?.[1] ?? []).filter((name) => !wanted.has(name) && !ranges.has(name));
    lines.push(`*${table}`);
    // iptables-restore keeps chains in the order of their names and looks for the place of each from the start: told backwards, it is at once.
    for (const name of [...sharedChains[table], ...wanted.keys(), ...ranges.keys(), ...stale].sort().reverse()) lines.push(`:${name} - [0:0]`);
    for (const { from, to, comment, match } of missing.toReversed()) lines.push(`-I ${from} 1 ${match ? `${match} ` : ''}-m comment --comment "${comment}" -j ${to}`);
    for (const [name, range] of ranges) lines.push(`-A KUBE-SERVICES -d ${range} -j ${name}`);
    for (const [name, rules] of wanted) for (const rule of rules) lines.push(`-A ${name} ${rule}`);
    for (const piece of all) for (const shared of piece.shared) if (shared.table === table) lines.push(`-A ${shared.chain} ${rejectWith(shared.rule, family)}`);
    lines.push(...fixedRules(table, { family, settings, compact }), ...stale.map((name) => `-X ${name}`), 'COMMIT');
  }
  return `${lines.join('\n')}\n`;
}

export interface Change {
  readonly before: Piece | undefined;
  readonly after: Piece | undefined;
}

const emptyPiece: Piece = { chains: new Map(), shared: [] };
const same = (a: readonly string[] | undefined, b: readonly string[]): boolean => !!a && a.length === b.length && a.every((line, i) => line === b[i]);

/**
 * Only what is different: of shared chains single rules (their order means nothing, but for the last one), of chains of services
 * the whole chain. Chains of ranges come with the first rule, and go with the next full sync. Empty when nothing is different.
 */
export function renderPartial(family: Family, changes: readonly Change[], knownRanges: ReadonlySet<string> = new Set()): string {
  const removed: Record<Table, string[]> = { filter: [], nat: [] };
  const added: Record<Table, string[]> = { filter: [], nat: [] };
  const chains: string[] = [];
  const rules: string[] = [];
  const gone: string[] = [];
  for (const { before = emptyPiece, after = emptyPiece } of changes) {
    const text = ({ chain, rule }: { chain: string; rule: string }): string => `${chain} ${rejectWith(rule, family)}`;
    for (const table of tables) {
      const had = new Set(before.shared.filter((shared) => shared.table === table).map(text));
      const wants = new Set(after.shared.filter((shared) => shared.table === table).map(text));
      for (const rule of had) if (!wants.has(rule)) removed[table].push(`-D ${rule}`);
      for (const rule of wants) if (!had.has(rule)) added[table].push(`-I ${rule}`);
    }
    for (const [name, body] of after.chains) {
      if (same(before.chains.get(name), body)) continue;
      chains.push(`:${name} - [0:0]`);
      rules.push(...body.map((rule) => `-A ${name} ${rule}`));
    }
    for (const name of before.chains.keys()) {
      if (after.chains.has(name)) continue;
      chains.push(`:${name} - [0:0]`);
      gone.push(`-X ${name}`);
    }
  }
  const ranges = [...rangeChains(changes.map(({ after }) => after))].filter(([chain]) => !knownRanges.has(chain));
  chains.push(...ranges.map(([chain]) => `:${chain} - [0:0]`));
  added.nat.push(...ranges.map(([chain, range]) => `-I KUBE-SERVICES -d ${range} -j ${chain}`));
  const filter = [...removed.filter, ...added.filter];
  const nat = [...chains, ...removed.nat, ...rules, ...added.nat, ...gone];
  const section = (table: Table, lines: readonly string[]): string => (lines.length ? `*${table}\n${lines.join('\n')}\nCOMMIT\n` : '');
  return section('filter', filter) + section('nat', nat);
}

/** Removes everything of ours that `saved` shows. */
export function renderCleanUp(saved: Saved): string {
  const lines = tables.flatMap((table) => {
    const there = saved[table].split('\n');
    const chains = there.flatMap((line) => ownChain.exec(line)?.[1] ?? sharedChains[table].filter((name) => line.startsWith(`:${name} `)));
    const leading = there.filter((line) => jumps.some((jump) => jump.table === table && line.startsWith(`-A ${jump.from} `) && line.endsWith(`-j ${jump.to}`)));
    return chains.length ? [`*${table}`, ...chains.map((name) => `:${name} - [0:0]`), ...leading.map((line) => line.replace('-A', '-D')), ...chains.map((name) => `-X ${name}`), 'COMMIT'] : [];
  });
  return lines.length ? `${lines.join('\n')}\n` : '';
}
