import type { Faults, LinkFault } from '@orrery/vnet';
import { type Fault } from './fault.ts';
import { type Inventory, type Pair, apiServerEnd as server, pairsOf } from './targets.ts';

/** Requests as the API server sees them: who is cut off from it is known by its user. */
export interface RequestFaults {
  add(id: string, fault: Fault): void;
  remove(id: string): void;
}

export interface NetworkFaultOptions {
  readonly id: string;
  readonly fault: Fault;
  readonly inventory: Inventory;
  /** Of the emulated network between nodes; without it only links to the API server can be struck. */
  readonly links?: Pick<Faults, 'partition' | 'heal' | 'setLink'>;
  readonly requests: RequestFaults;
}

/** The users cut off when an end of a link is. */
function usersOfEnd(end: string, { nodes }: Inventory): string[] {
  return nodes.some((node) => node.name === end) ? [`system:node:${end}`] : [end];
}

function onRequests(verb: Fault['verb'], fault: Fault, pair: Pair, inventory: Inventory): Fault {
  const users = usersOfEnd(pair.to === server ? pair.from : pair.to, inventory);
  switch (verb) {
    case 'delay':
      return { verb: 'api-delay', delayMs: fault.delayMs ?? 0, ...(fault.jitterMs === undefined ? {} : { jitterMs: fault.jitterMs }), selector: { users } };
    case 'loss':
      return { verb: 'api-timeout', when: 'before', ...(fault.percent === undefined ? {} : { percent: fault.percent }), selector: { users } };
    default:
      // One way from the server: what is asked of it happens, and nobody is told.
      return { verb: 'partition', when: fault.oneWay && pair.from === server ? 'after' : 'before', selector: { users } };
  }
}

function onLink(fault: Fault): LinkFault {
  switch (fault.verb) {
    case 'loss':
      return { loss: (fault.percent ?? 0) / 100 };
    case 'bandwidth':
      return { bytesPerSecond: fault.bytesPerSecond ?? 0 };
    default:
      return { latencyMs: fault.delayMs ?? 0, jitterMs: fault.jitterMs ?? 0 };
  }
}

/** Does a fault of the network between nodes, and between the API server and those who speak to it. Returns what was struck, and how to end it. */
export function injectNetworkFault({ id, fault, inventory, links, requests }: NetworkFaultOptions): { targets: string[]; end: () => void } {
  const pairs = pairsOf(fault, inventory);
  if (!pairs.length) throw new Error(`${fault.verb} is between two: both ends are the same`);
  const isNode = (name: string): boolean => inventory.nodes.some((node) => node.name === name);
  const ends: (() => void)[] = [];
  for (const { from, to } of pairs) {
    const toServer = from === server || to === server;
    if (!toServer && !(isNode(from) && isNode(to))) throw new Error(`components speak to the API server only: the other end of ${isNode(from) ? to : from} can only be ${server}`);
    if (toServer && fault.verb === 'bandwidth') throw new Error('bandwidth is that of two nodes: neither end can be the API server');
    if (!toServer && !links) throw new Error(`${fault.verb} between nodes needs the simulated or the single world; here one end can only be ${server}`);
  }
  for (const [i, pair] of pairs.entries()) {
    const { from, to } = pair;
    if (from === server || to === server) {
      requests.add(`${id}/${i}`, onRequests(fault.verb, fault, pair, inventory));
      ends.push(() => requests.remove(`${id}/${i}`));
    } else if (fault.verb === 'partition') {
      links?.partition(from, to, fault.oneWay === true);
      ends.push(() => links?.heal(from, to, fault.oneWay === true));
    } else {
      links?.setLink(from, to, onLink(fault));
      ends.push(() => links?.setLink(from, to, {}));
    }
  }
  return { targets: pairs.map(({ from, to }) => `${from} ${fault.oneWay ? '→' : '↔'} ${to}`), end: () => ends.forEach((end) => end()) };
}
