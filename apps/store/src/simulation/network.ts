import type { Clock, Random } from '@orrery/runtime';
import type { Process } from './process.ts';

/** How the links are just now. */
export interface Weather {
  /** Longest ordinary delay of a message, milliseconds. */
  delayMs: number;
  /** Of a hundred messages that may be lost, doubled or overtaken, how many are. Streams over TCP suffer none of it. */
  wildPercent: number;
}

/** A machine on the network, and what runs there now. */
export interface Host {
  readonly name: string;
  process: Process | undefined;
}

/** How long a connection over a cut link, or to a machine without power, stands before its ends notice. */
const unnoticed = { leastMs: 1500, moreMs: 2500 } as const;

const linkOf = (from: Host, to: Host): string => `${from.name}>${to.name}`;

/** One call between two hosts: a pipe each way, in order. Breaks when an end dies or a link is cut for long. */
export class Connection {
  readonly from: Host;
  readonly to: Host;
  /** The programs at both ends when it was opened; the far one once the first message arrived. */
  readonly caller: Process;
  callee: Process | undefined;
  isOpen = true;
  /** Something of it is lost for good. */
  isTorn = false;
  onBroken: { caller?: () => void; callee?: () => void } = {};
  /** What is on its way, in order: whatever arrives is the first of it. */
  readonly queues: { readonly up: (() => void)[]; readonly down: (() => void)[] } = { up: [], down: [] };
  /** Arrivals that wait for the link to be mended. */
  readonly held = { up: 0, down: 0 };
  readonly lastAt = { up: 0, down: 0 };

  constructor(from: Host, to: Host, caller: Process) {
    this.from = from;
    this.to = to;
    this.caller = caller;
  }

  source(direction: 'up' | 'down'): Host {
    return direction === 'up' ? this.from : this.to;
  }

  target(direction: 'up' | 'down'): Host {
    return direction === 'up' ? this.to : this.from;
  }
}

/** Carries messages between hosts in virtual time: late, in pieces, or never. */
export class Network {
  readonly weather: Weather = { delayMs: 3, wildPercent: 0 };
  private readonly time: Clock;
  private readonly random: Random;
  private readonly cut = new Set<string>();
  private readonly connections = new Set<Connection>();

  constructor(time: Clock, random: Random) {
    this.time = time;
    this.random = random;
  }

  open(from: Host, to: Host): Connection {
    const connection = new Connection(from, to, from.process as Process);
    this.connections.add(connection);
    if (this.isCut(connection)) this.doubt(connection);
    return connection;
  }

  private isCut({ from, to }: Connection): boolean {
    return this.cut.has(linkOf(from, to)) || this.cut.has(linkOf(to, from));
  }

  /** Sends a message over a connection, after those before it. `deliver` runs in the program at the other end. */
  send(connection: Connection, direction: 'up' | 'down', deliver: () => void): void {
    const sender = direction === 'up' ? connection.caller : connection.callee;
    if (!connection.isOpen || !sender?.isAlive) return;
    const at = Math.max(connection.lastAt[direction], this.time.monotonic() + this.delay());
    connection.lastAt[direction] = at;
    connection.queues[direction].push(deliver);
    this.time.after(at - this.time.monotonic(), () => this.arrive(connection, direction));
  }

  /** As `send`, for messages that survive any treatment: in bad weather they are lost, doubled and reordered. */
  sendWildly(connection: Connection, direction: 'up' | 'down', deliver: () => void): void {
    const { random, weather } = this;
    if (weather.wildPercent === 0 || random.int(100) >= weather.wildPercent) return this.send(connection, direction, deliver);
    const fate = random.int(3);
    if (fate === 0 || !connection.isOpen) return;
    for (let i = 0; i < fate; i++) this.time.after(random.int(20 * weather.delayMs), () => this.arrive(connection, direction, deliver));
  }

  private delay(): number {
    const { random, weather } = this;
    // A few take far longer, as on every network.
    return 1 + random.int(random.int(50) === 0 ? 20 * weather.delayMs : weather.delayMs);
  }

  /** Of the next in order, or of `stray`, which keeps none. */
  private arrive(connection: Connection, direction: 'up' | 'down', stray?: () => void): void {
    if (!connection.isOpen) return;
    const target = connection.target(direction);
    if (this.cut.has(linkOf(connection.source(direction), target))) {
      if (!stray) connection.held[direction] += 1;
      return;
    }
    const deliver = stray ?? connection.queues[direction].shift();
    if (!deliver) return;
    if (direction === 'up') connection.callee ??= target.process;
    const meant = direction === 'up' ? connection.callee : connection.caller;
    // Nobody listens: where the machine runs it says so, else nobody does.
    if (meant && meant === target.process) return meant.enter(deliver);
    connection.isTorn = true;
    if (target.process) this.break(connection);
    else this.doubt(connection);
  }

  /** Both ends will notice in a while, unless the trouble is over by then. */
  private doubt(connection: Connection): void {
    this.time.after(unnoticed.leastMs + this.random.int(unnoticed.moreMs), () => {
      const { from, to, caller, callee } = connection;
      const isWhole = !connection.isTorn && !this.isCut(connection) && from.process === caller && to.process !== undefined && (callee === undefined || to.process === callee);
      if (!isWhole) this.break(connection);
    });
  }

  break(connection: Connection): void {
    if (!connection.isOpen) return;
    this.close(connection);
    const { caller, callee, onBroken } = connection;
    caller.enter(() => onBroken.caller?.());
    callee?.enter(() => onBroken.callee?.());
  }

  /** The call is over. */
  close(connection: Connection): void {
    connection.isOpen = false;
    for (const direction of ['up', 'down'] as const) connection.queues[direction].length = connection.held[direction] = 0;
    this.connections.delete(connection);
  }

  cutLink(from: Host, to: Host): void {
    this.cut.add(linkOf(from, to));
    for (const connection of this.connections) if (this.isCut(connection)) this.doubt(connection);
  }

  /** Mends all links; what was on its way arrives. */
  heal(): void {
    this.cut.clear();
    for (const connection of this.connections) {
      for (const direction of ['up', 'down'] as const) {
        const waiting = connection.held[direction];
        connection.held[direction] = 0;
        for (let i = 0; i < waiting; i++) this.time.after(this.delay(), () => this.arrive(connection, direction));
      }
    }
  }

  /** A program ended: a crashed one's machine says so at once, one without power does not. */
  ended(host: Host, isSilent: boolean): void {
    for (const connection of [...this.connections]) {
      if (connection.from !== host && connection.to !== host) continue;
      if (isSilent) this.doubt(connection);
      else this.time.after(this.delay(), () => this.break(connection));
    }
  }
}
