import type { Nft } from '@orrery/linux';
import type { BackEnd, Changes, Hash, NodeSettings } from '../linux/back-end.ts';
import { createCounted } from '../linux/counted.ts';
import type { ProxyNode } from '../model/endpoints.ts';
import type { Family } from '../model/service-port.ts';
import { type Piece, renderPiece } from './piece.ts';
import { renderBase, renderChanges, renderHairpins, tableName } from './table.ts';

export interface NftablesOptions {
  readonly nft: Nft;
  readonly hash: Hash;
  readonly node: ProxyNode;
  readonly settings: NodeSettings;
}

/** What one family's table holds, and how it becomes what it should. */
function familyTable(family: Family, { hash, node, settings }: NftablesOptions): { plan(changes: Changes): string[]; done(): void } {
  let pieces = new Map<string, Piece>();
  let next = pieces;
  let hairpins = createCounted();
  const context = { hash, node, local: settings.local[family], masqueradeAll: settings.masqueradeAll };
  return {
    plan({ full, services }) {
      next = full ? new Map() : new Map(pieces);
      if (full) hairpins = createCounted();
      const changes = [...services].map(([key, routings]) => {
        const own = routings.filter(({ port }) => port.family === family);
        const before = next.get(key);
        const after = own.length ? renderPiece(own, context) : undefined;
        if (after) next.set(key, after);
        else next.delete(key);
        hairpins.change(before?.hairpins ?? [], after?.hairpins ?? []);
        return { before, after };
      });
      return [...(full ? renderBase(family, settings) : []), ...renderChanges(family, changes), ...renderHairpins(family, hairpins.take())];
    },
    done: () => void (pieces = next),
  };
}

/** The nftables mode: one table `kube-proxy` a family, changed by transactions that name only what is different. */
export function createNftablesBackEnd(options: NftablesOptions): BackEnd {
  const { nft, settings } = options;
  const tables = settings.families.map((family) => familyTable(family, options));
  return {
    mode: 'nftables',
    // Making the table anew would forget the clients that have an affinity.
    repairs: false,
    async sync(changes) {
      const commands = tables.flatMap((table) => table.plan(changes));
      if (commands.length) await nft.apply(`${commands.join('\n')}\n`);
      for (const table of tables) table.done();
    },
    async cleanUp() {
      const lines = ['ip', 'ip6'].flatMap((ipX) => [`add table ${ipX} ${tableName}`, `delete table ${ipX} ${tableName}`]);
      await nft.apply(`${lines.join('\n')}\n`);
    },
  };
}
