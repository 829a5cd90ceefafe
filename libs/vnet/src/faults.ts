import type { Clock, Random } from '@orrery/runtime';

/** What the network between two nodes does to what passes. */
export interface LinkFault {
  /** Added to every chunk and datagram, one way. */
  readonly latencyMs?: number;
  /** Uniform extra delay, 0 to this. */
  readonly jitterMs?: number;
  /** Share of datagrams lost, 0 to 1; a stream's loss costs a retransmission's delay instead. */
  readonly loss?: number;
  /** What passes in a second, both ways together; more waits its turn. */
  readonly bytesPerSecond?: number;
}

/** The path from one node to another. Carries in order for each flow. */
export interface Link {
  /** The path from the other to the one. */
  readonly back: Link;
  /** Runs `deliver` after the link's delay and the time that `bytes` take; while partitioned, after it is healed (streams retransmit). */
  carry(flow: string, deliver: () => void, bytes?: number): void;
  /** As `carry` for a datagram: lost when partitioned or unlucky, or when too much waits before it. */
  carryDatagram(deliver: () => void, bytes?: number): void;
  readonly blocked: boolean;
}

const retransmitMs = 200;
/** Datagrams that would wait longer for a narrow link are dropped, as by a router whose queue is full. */
const longestQueueMs = 1_000;

interface Flow {
  queue: (() => void)[];
  lastAt: number;
}

/** What two nodes have between them, whichever sends. */
interface Line {
  fault: LinkFault;
  down: boolean;
  /** Until then the line is taken by what was sent before. */
  takenUntil: number;
}

class FaultyLink implements Link {
  private readonly clock: Clock;
  private readonly random: Random;
  private readonly flows = new Map<string, Flow>();
  readonly line: Line;
  back: FaultyLink = this;
  cut = false;

  constructor(line: Line, { clock, random }: { clock: Clock; random: Random }) {
    this.line = line;
    this.clock = clock;
    this.random = random;
  }

  get blocked(): boolean {
    return this.cut || this.line.down;
  }

  private delay(): number {
    const { latencyMs = 0, jitterMs = 0 } = this.line.fault;
    return latencyMs + (jitterMs ? this.random.next() * jitterMs : 0);
  }

  /** How long what is sent now waits for its turn and its own bytes. */
  private transmission(bytes: number): number {
    const { line } = this;
    const { bytesPerSecond } = line.fault;
    if (!bytesPerSecond || bytes === 0) return 0;
    const now = this.clock.monotonic();
    line.takenUntil = Math.max(line.takenUntil, now) + (bytes * 1_000) / bytesPerSecond;
    return line.takenUntil - now;
  }

  private unlucky(): boolean {
    const { loss } = this.line.fault;
    return !!loss && this.random.next() < loss;
  }

  carry(name: string, deliver: () => void, bytes = 0): void {
    const flow = this.flows.get(name);
    const delay = this.delay() + this.transmission(bytes) + (this.unlucky() ? retransmitMs : 0);
    if (!flow && delay === 0 && !this.blocked) {
      deliver();
      return;
    }
    const target = flow ?? { queue: [], lastAt: 0 };
    if (!flow) this.flows.set(name, target);
    target.queue.push(deliver);
    if (!this.blocked) this.schedule(name, target, delay);
  }

  /** Items leave a flow in the order they entered, however their delays fall. */
  private schedule(name: string, flow: Flow, delay: number): void {
    const now = this.clock.monotonic();
    flow.lastAt = Math.max(flow.lastAt, now + delay);
    this.clock.after(flow.lastAt - now, () => {
      if (this.blocked) return;
      flow.queue.shift()?.();
      if (!flow.queue.length) this.flows.delete(name);
    });
  }

  carryDatagram(deliver: () => void, bytes = 0): void {
    if (this.blocked || this.unlucky()) return;
    if (this.line.fault.bytesPerSecond && this.line.takenUntil - this.clock.monotonic() > longestQueueMs) return;
    const delay = this.delay() + this.transmission(bytes);
    if (delay === 0) deliver();
    else this.clock.after(delay, deliver);
  }

  /** Sends on everything that waited for the partition to end. */
  resume(): void {
    if (this.blocked) return;
    for (const [name, flow] of this.flows) for (const _ of flow.queue) this.schedule(name, flow, retransmitMs);
  }
}

/** The faults of a fabric: which pairs of nodes are cut or slow, which nodes are down. */
export interface Faults {
  /** Cuts two nodes from each other until healed: nothing passes, nothing is refused. `oneWay`: only what goes from `a` to `b`. */
  partition(a: string, b: string, oneWay?: boolean): void;
  heal(a: string, b: string, oneWay?: boolean): void;
  /** Sets latency, jitter, loss and bandwidth between two nodes (the same node: among its pods). `{}` clears. */
  setLink(a: string, b: string, fault: LinkFault): void;
  /** A node that is down answers nothing; its connections hang until it is up or they are closed. */
  setNodeDown(node: string, down: boolean): void;
  isDown(node: string): boolean;
  clear(): void;
}

export interface LinkTable extends Faults {
  /** From `a` to `b`. Undefined within a node that never had a fault, so that its traffic costs nothing. */
  link(a: string, b: string): Link | undefined;
}

/**
 * Connections between nodes always pass a link, so a fault set later reaches them too; connections within one node pass
 * one only when they were opened after a fault was set for that node with itself.
 */
export function createLinkTable(options: { clock: Clock; random: Random }): LinkTable {
  /** By the names in their order: the path from the first to the second. */
  const links = new Map<string, FaultyLink>();
  const down = new Set<string>();
  const key = (a: string, b: string): string => (a < b ? `${a}|${b}` : `${b}|${a}`);
  const create = (a: string, b: string): FaultyLink => {
    const link = new FaultyLink({ fault: {}, down: down.has(a) || down.has(b), takenUntil: 0 }, options);
    if (a === b) return link;
    link.back = new FaultyLink(link.line, options);
    link.back.back = link;
    return link;
  };
  const get = (a: string, b: string): FaultyLink => {
    const name = key(a, b);
    let link = links.get(name);
    if (!link) links.set(name, (link = create(a, b)));
    return a <= b ? link : link.back;
  };
  const both = (link: FaultyLink): readonly FaultyLink[] => (link.back === link ? [link] : [link, link.back]);
  const refreshDown = (node: string): void => {
    for (const [name, link] of links) {
      const [a = '', b = ''] = name.split('|');
      if (a !== node && b !== node) continue;
      link.line.down = down.has(a) || down.has(b);
      for (const way of both(link)) way.resume();
    }
  };
  const ways = (a: string, b: string, oneWay: boolean): readonly FaultyLink[] => (oneWay ? [get(a, b)] : both(get(a, b)));
  return {
    link: (a, b) => (a === b ? links.get(key(a, b)) : get(a, b)),
    partition(a, b, oneWay = false) {
      for (const way of ways(a, b, oneWay)) way.cut = true;
    },
    heal(a, b, oneWay = false) {
      for (const way of ways(a, b, oneWay)) {
        way.cut = false;
        way.resume();
      }
    },
    setLink: (a, b, fault) => void (get(a, b).line.fault = fault),
    setNodeDown(node, isDown) {
      if (isDown) down.add(node);
      else down.delete(node);
      refreshDown(node);
    },
    isDown: (node) => down.has(node),
    clear() {
      down.clear();
      for (const link of links.values()) {
        link.line.fault = {};
        link.line.down = false;
        for (const way of both(link)) {
          way.cut = false;
          way.resume();
        }
      }
    },
  };
}
