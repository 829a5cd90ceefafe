import type { MemberId, RaftStatus } from '@orrery/raft';
import type { Env } from '@orrery/runtime';

export interface LeadershipOptions {
  readonly env: Env;
  readonly electionMs: number;
  readonly status: () => RaftStatus;
  /** There is another leader, or none. */
  readonly changed: (leader: MemberId, before: MemberId) => void;
  /** This member leads from now on, or no longer does. */
  readonly leading: (leads: boolean) => void;
}

/** Who leads, as this member knows it, and those who wait to be told. */
export class Leadership {
  /** Empty: there is none that this member knows of. */
  leader: MemberId = '';
  /** The term in which this member leads, 0 while it does not: as those know who were told. */
  reign = 0;
  private readonly options: LeadershipOptions;
  private waits: (() => void)[] = [];
  private readonly leaderlessHooks = new Set<() => void>();
  /** When the last leader was lost; undefined while there is one, and once the hooks were called. */
  private leaderlessSince: number | undefined;

  constructor(options: LeadershipOptions) {
    this.options = options;
  }

  get leads(): boolean {
    return this.reign > 0;
  }

  private get now(): number {
    return this.options.env.clock.monotonic();
  }

  /** Looks at what the algorithm says now. */
  notice(): void {
    const { options } = this;
    const { leader, role, term } = options.status();
    if (leader !== this.leader) {
      const before = this.leader;
      this.leader = leader;
      this.leaderlessSince = leader ? undefined : this.now;
      options.env.log.info(leader ? 'there is a leader' : 'there is no leader', { leader, term });
      options.changed(leader, before);
      this.wakeAll();
    }
    const reign = role === 'leader' ? term : 0;
    if (reign === this.reign) return;
    this.reign = reign;
    options.leading(this.leads);
  }

  /** Nobody leads here any more, nor will. */
  end(): void {
    if (this.leads) this.options.leading(false);
    this.reign = 0;
    this.leader = '';
    this.wakeAll();
  }

  /** Resolves when there is another leader or none, or after a while. */
  change(withinMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.options.env.clock.after(withinMs, resolve);
      this.waits.push(() => (timer.cancel(), resolve()));
    });
  }

  private wakeAll(): void {
    for (const wake of this.waits.splice(0)) wake();
  }

  /** Calls `hook` when there was no leader for three elections' time; returns how to take it back. */
  onLeaderless(hook: () => void): () => void {
    this.leaderlessHooks.add(hook);
    return () => this.leaderlessHooks.delete(hook);
  }

  tick(): void {
    if (this.leaderlessSince === undefined || this.now - this.leaderlessSince <= 3 * this.options.electionMs) return;
    this.leaderlessSince = undefined;
    for (const hook of this.leaderlessHooks) hook();
  }

  /** Of a leader: the voter that has most of the log. */
  heir(): MemberId | undefined {
    const { role, configuration, id, progress } = this.options.status();
    if (role !== 'leader') return undefined;
    const others = configuration.voters.filter((voter) => voter !== id && progress.get(voter)?.recentlyActive);
    return others.sort((a, b) => (progress.get(b)?.match ?? 0) - (progress.get(a)?.match ?? 0))[0];
  }
}
