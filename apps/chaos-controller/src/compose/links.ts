import { Nodes } from '@orrery/api';
import type { LinkStrike } from '@orrery/chaos';
import type { ApiClient } from '@orrery/client';

/** By node: its own address and the ranges of its pods, as a kernel sees them on the way. */
export async function addressesOfNodes(api: ApiClient): Promise<ReadonlyMap<string, readonly string[]>> {
  const { items } = await api.list(Nodes);
  return new Map(items.map(({ metadata, spec, status }) => [metadata?.name ?? '', [...(status?.addresses ?? []).filter(({ type }) => type === 'InternalIP').map(({ address }) => address), ...(spec?.podCIDRs ?? [])]]));
}

/** A packet, and one that comes right after it: what holds less at a time lets none of that size pass, however long one waits. */
const leastBurst = 3_000;

/** Without a burst of its own a limit holds what passes in a second. */
function limitRule(bytesPerSecond: number): string {
  const rate = Math.ceil(bytesPerSecond);
  return `limit rate over ${rate} bytes/second${rate < leastBurst ? ` burst ${leastBurst - rate} bytes` : ''} drop`;
}

/** The rules of nftables that do a fault to what comes from `addresses` (`in`) or goes to them (`out`), after all translation and before any. */
export function linkRules(table: string, { addresses, fault, directions }: { readonly addresses: readonly string[]; readonly fault: LinkStrike['fault']; readonly directions: readonly ('in' | 'out')[] }): string {
  const strike = fault?.loss !== undefined ? `numgen random mod 10000 < ${Math.round(fault.loss * 10_000)} drop` : fault?.bytesPerSecond !== undefined ? limitRule(fault.bytesPerSecond) : 'drop';
  const chains = directions.map((direction) => {
    const hook = direction === 'in' ? 'prerouting priority -310' : 'postrouting priority 310';
    const rules = addresses.map((address) => `${address.includes(':') ? 'ip6' : 'ip'} ${direction === 'in' ? 'saddr' : 'daddr'} ${address} ${strike}`);
    return `chain ${direction} { type filter hook ${hook}; policy accept; ${rules.join('; ')}; };`;
  });
  return `table inet ${table} { ${chains.join(' ')} }`;
}

export interface LinkTools {
  readonly addresses: ReadonlyMap<string, readonly string[]>;
  /** Runs a script of nftables in a node's network. */
  readonly run: (node: string, script: string) => Promise<void>;
}

/** Does a fault to what passes between two nodes, at the end where it would arrive. Resolves to how to end it. */
export async function cutLink({ id, from, to, oneWay, fault }: LinkStrike, { addresses, run }: LinkTools): Promise<() => Promise<void>> {
  if (fault?.latencyMs !== undefined) throw new Error('delay between nodes needs a kernel with netem in the compose world; these worlds can: simulated, single, processes. In compose one end can only be apiserver');
  const table = `orrery-chaos-${id.replace(/[^A-Za-z0-9]+/g, '-')}`.slice(0, 60).replaceAll('-', '_');
  const of = (node: string): readonly string[] => {
    const found = addresses.get(node);
    if (!found?.length) throw new Error(`no address of ${node} is known`);
    return found;
  };
  // What arrives at `to` from `from`; both ways: what leaves it for there, too.
  await run(to, linkRules(table, { addresses: of(from), fault, directions: oneWay ? ['in'] : ['in', 'out'] }));
  // Also where it is gone with the network it was in: one that is added first can always be deleted.
  return () => run(to, `add table inet ${table}; delete table inet ${table}`);
}
