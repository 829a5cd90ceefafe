import type { Iptables, Sysctl } from '@orrery/linux';
import type { BackEnd, Changes, Hash, NodeSettings } from '../linux/back-end.ts';
import type { ProxyNode, Routing } from '../model/endpoints.ts';
import type { Family } from '../model/service-port.ts';
import { type Piece, type PieceContext, renderPiece } from './piece.ts';
import { type Saved, answersOnLoopback, renderCleanUp, renderFull, renderPartial } from './tables.ts';

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
}

async function saveAll(iptables: Iptables): Promise<Saved> {
  return { filter: await iptables.save('filter'), nat: await iptables.save('nat') };
}

function familyTables(family: Family, iptables: Iptables, options: IptablesOptions): { sync(changes: Changes): Promise<void>; cleanUp(): Promise<void> } {
  const { hash, node, settings } = options;
  let pieces = new Map<string, Piece>();
  const context = { hash, node, local: settings.local[family], masqueradeAll: settings.masqueradeAll };
  const render = (routings: readonly Routing[]): Piece | undefined => {
    const own = routings.filter(({ port }) => port.family === family);
    return own.length ? (options.render ?? renderPiece)(own, context) : undefined;
  };
  return {
    async sync({ full, services }) {
      const next = full ? new Map<string, Piece>() : new Map(pieces);
      const changes = [...services].map(([key, routings]) => {
        const before = next.get(key);
        const after = render(routings);
        if (after) next.set(key, after);
        else next.delete(key);
        return { before, after };
      });
      const text = full ? renderFull(family, { pieces: [...(options.shared ? [options.shared(family)] : []), ...next.values()], settings, saved: await saveAll(iptables) }) : renderPartial(family, changes);
      if (text) await iptables.restore(text);
      pieces = next;
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
