import { realClock } from '@orrery/node-io';
import type { MemberProcesses } from './members.ts';

/** Kills whoever leads, again and again, and starts it anew; the others are up meanwhile. */
export class LeaderKiller {
  /** Leaders killed so far. */
  kills = 0;
  private readonly cluster: MemberProcesses;
  private readonly everyMs: number;
  private readonly stopping = new AbortController();
  private readonly running: Promise<void>;

  constructor(cluster: MemberProcesses, everyMs: number) {
    this.cluster = cluster;
    this.everyMs = everyMs;
    this.running = this.run();
    // It is told by `stop`.
    this.running.catch(() => undefined);
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      await realClock.sleep(this.everyMs, signal).catch(() => undefined);
      if (signal.aborted) return;
      const leader = await this.cluster.leader();
      await leader.kill();
      this.kills += 1;
      await this.cluster.leader(this.cluster.members.filter((member) => member !== leader));
      leader.start();
    }
  }

  /** Resolves when all members are up and agree on a leader. Rejects when they once did not find together again. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
    await this.cluster.leader();
  }
}
