import { type Channel } from '@orrery/rpc';
import type { Clock } from '@orrery/runtime';
import type { Fabric } from '@orrery/vnet';
import type { Peer } from './control.ts';
import { remotePort } from './link.ts';

interface Connected {
  readonly endpoint: string;
  readonly port: ReturnType<typeof remotePort>;
}

/** Keeps a fabric linked to the switches of other processes; connections to peers that stay are kept. */
export function createPeerLinks(options: { fabric: Fabric; clock: Clock; node: string; connect: (endpoint: string) => Channel }): { setPeers(peers: readonly Peer[]): void; close(): void } {
  const { fabric, clock, node, connect } = options;
  const links = new Map<string, Connected>();
  const linkTo = ({ node: name = '', endpoint = '' }: Peer): Connected => {
    const known = links.get(name);
    if (known?.endpoint === endpoint) return known;
    known?.port.close();
    const link = { endpoint, port: remotePort(connect(endpoint), { clock, node }) };
    links.set(name, link);
    return link;
  };
  const setPeers = (peers: readonly Peer[]): void => {
    const others = peers.filter((peer) => peer.node && peer.node !== node && peer.endpoint);
    const names = new Set(others.map((peer) => peer.node));
    for (const [name, link] of [...links]) {
      if (names.has(name)) continue;
      link.port.close();
      links.delete(name);
    }
    fabric.setRemotes(others.map((peer) => ({ node: peer.node ?? '', addresses: peer.addresses ?? [], port: linkTo(peer).port })));
  };
  return { setPeers, close: () => setPeers([]) };
}
