import { CommandError, type Iptables, type Sysctl } from '@orrery/linux';
import type { BackEnd, Changes, Hash, NodeSettings } from '../linux/back-end.ts';
import type { ProxyNode, Routing } from '../model/endpoints.ts';
import type { Family } from '../model/service-port.ts';
import { type Piece, type PieceContext, renderPiece } from './piece.ts';
import { type Saved, answersOnLoopback, hairpinRule, rangeChains, renderCleanUp, renderFull, renderPartial } from './tables.ts';

export interface IptablesOptions {
  readonly iptables: Partial<Record<Family, Iptables>>;
  readonly hash: Hash;
  readonly node: ProxyNode;
  readonly settings: NodeSettings;
  /** For node ports on loopback. */
  readonly sysctl?: Sysctl;
  /** What a service becomes; by default upstream's chains. */
  readonly render?: (routings: readonly Routing[], context: PieceContext) => Piece;
  /** Rules beside those of services. */
  readonly shared?: (family: Family) => Piece;
  /** From so many endpoints on rules are compact; where upstream leaves comments out. */
  readonly compactFrom?: number;
}

const manyEndpoints = 1_000;
const probeChain = 'KUBE-HAIRPIN-PROBE';

/** Whether the kernel knows an endpoint that reaches itself by the packet alone. */
async function knowsHairpins(family: Family, iptables: Iptables): Promise<boolean> {
  try {
    await iptables.restore(`*nat\n:${probeChain} - [0:0]\n-A ${probeChain} ${hairpinRule(family).replace(/-j .*/, '-j RETURN')}\nCOMMIT\n`);
  } catch (error) {
    if (error instanceof CommandError) return false;
    throw error;
  }
  await iptables.restore(`*nat\n:${probeChain} - [0:0]\n-X ${probeChain}\nCOMMIT\n`);
  return true;
}

async function saveAll(iptables: Iptables): Promise<Saved> {
  return { filter: await iptables.save('filter'), nat: await iptables.save('nat') };
}

function familyTables(family: Family, iptables: Iptables, options: IptablesOptions): { sync(changes: Changes): Promise<void>; cleanUp(): Promise<void> } {
  const { hash, node, settings } = options;
  let pieces = new Map<string, Piece>();
  const manyFrom = options.compactFrom ?? manyEndpoints;
  let context: PieceContext = { hash, node, local: settings.local[family], masqueradeAll: settings.masqueradeAll };
  let ranges: ReadonlySet<string> = new Set();
  let hairpins: boolean | undefined;
  const render = (routings: readonly Routing[]): Piece | undefined => {
    const own = routings.filter(({ port }) => port.family === family);
    return own.length ? (options.render ?? renderPiece)(own, context) : undefined;
  };
  return {
    async sync({ full, services }) {
      if (full) {
        const endpoints = [...services.values()].flat().reduce((sum, { port, reachable }) => sum + (port.family === family ? reachable.length : 0), 0);
        const many = !options.render && endpoints >= manyFrom;
        if (many) hairpins ??= await knowsHairpins(family, iptables);
        context = { ...context, compact: many && hairpins === true };
      }
      const next = full ? new Map<string, Piece>() : new Map(pieces);
      const changes = [...services].map(([key, routings]) => {
        const before = next.get(key);
        const after = render(routings);
        if (after) next.set(key, after);
        else next.delete(key);
        return { before, after };
      });
      const text = full ? renderFull(family, { pieces: [...(options.shared ? [options.shared(family)] : []), ...next.values()], settings, saved: await saveAll(iptables), compact: context.compact === true }) : renderPartial(family, changes, ranges);
      if (text) await iptables.restore(text);
      pieces = next;
      ranges = new Set([...(full ? [] : ranges), ...rangeChains(changes.map(({ after }) => after)).keys()]);
    },
    async cleanUp() {
      const text = renderCleanUp(await saveAll(iptables));
      if (text) await iptables.restore(text);
    },
  };
}

/** The iptables mode: upstream's chains, changed chain by chain. */
export function createIptablesBackEnd(options: IptablesOptions): BackEnd {
  const tables = options.settings.families.flatMap((family) => {
    const iptables = options.iptables[family];
    return iptables ? [familyTables(family, iptables, options)] : [];
  });
  return {
    mode: 'iptables',
    repairs: true,
    async sync(changes) {
      if (changes.full && answersOnLoopback(4, options.settings)) await options.sysctl?.set({ 'net/ipv4/conf/all/route_localnet': '1' });
      for (const table of tables) await table.sync(changes);
    },
    async cleanUp() {
      for (const table of tables) await table.cleanUp();
    },
  };
}
