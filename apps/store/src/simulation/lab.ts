import type { Random, VirtualClock } from '@orrery/runtime';
import type { Cluster, EtcdClients, Machine } from './cluster.ts';
import type { History, Moment } from './history.ts';
import type { Host } from './network.ts';
import { Process } from './process.ts';

export interface Connected {
  readonly machine: Machine;
  readonly clients: EtcdClients;
}

/** What everyone in a run shares: time, chance, the cluster, and the book in which it is written down what happened. */
export class Lab {
  readonly time: VirtualClock;
  readonly random: Random;
  readonly cluster: Cluster;
  readonly history: History = { calls: [], watches: [], leases: [], auth: [] };
  readonly trace: (line: string) => void;
  /** Nothing more is to go wrong. */
  isCalm = false;
  /** Clients begin nothing new. */
  isEnding = false;
  /** Watches may end, too. */
  isOver = false;
  /** A fault in several acts is being played: what is down stays down until it says otherwise. */
  isStaged = false;
  /** Changes of members whose outcome is not known yet. */
  changes = 0;
  private readonly connections = new Map<Host, Map<Machine, Connected>>();
  private moments = 0;
  private values = 0;

  constructor(options: { time: VirtualClock; random: Random; cluster: Cluster; trace: (line: string) => void }) {
    this.time = options.time;
    this.random = options.random;
    this.cluster = options.cluster;
    this.trace = options.trace;
  }

  get nowMs(): number {
    return this.time.monotonic();
  }

  moment(): Moment {
    return ++this.moments;
  }

  /** A value that nobody else writes. */
  freshValue(client: string): string {
    return `${client}#${++this.values}`;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.random.int(list.length)] as T;
  }

  chance(percent: number): boolean {
    return this.random.int(100) < percent;
  }

  /** A machine for someone outside the cluster. */
  host(name: string): Host {
    return { name, process: new Process(this.time) };
  }

  /** One of the members, and how to call it: some that are down, as a client would not know. */
  connect(host: Host): Connected {
    const machine = this.pick(this.cluster.machines);
    const known = this.connections.get(host) ?? new Map<Machine, Connected>();
    this.connections.set(host, known);
    let connected = known.get(machine);
    if (!connected) known.set(machine, (connected = { machine, clients: this.cluster.clientsFrom(host, machine) }));
    return connected;
  }
}
