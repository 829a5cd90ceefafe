import type { Env } from '@orrery/runtime';
import { DiskFullError } from '../storage/wal.ts';

export interface DiskRoomOptions {
  readonly env: Env;
  readonly stopped: () => boolean;
  /** Has the alarm raised by the others; false while nobody can be asked to. */
  readonly raiseAlarm: () => boolean;
}

const pauseMs = 1000;
/** While the disk stays full the alarm is raised again: it may have been lost, or turned off too early. */
const raiseAgainMs = 10_000;

/** What a member of a cluster does when its disk is full: it keeps quiet, has the alarm raised, and goes on when there is room. */
export class DiskRoom {
  /** The last write found no room. */
  isFull = false;
  private readonly options: DiskRoomOptions;

  constructor(options: DiskRoomOptions) {
    this.options = options;
  }

  /** Tries until it succeeds, or fails otherwise. The others go on meanwhile, under another leader if this member was it. */
  async write(write: () => Promise<void>): Promise<void> {
    const { env, stopped, raiseAlarm } = this.options;
    for (let raisedAt = -Infinity; ; ) {
      try {
        await write();
        if (this.isFull) env.log.info('there is room on the disk again', {});
        this.isFull = false;
        return;
      } catch (error) {
        if (!(error instanceof DiskFullError) || stopped()) throw error;
        if (!this.isFull) env.log.error('disk full, this member takes no part until there is room', { error: error.message });
        this.isFull = true;
        if (env.clock.monotonic() - raisedAt >= raiseAgainMs && raiseAlarm()) raisedAt = env.clock.monotonic();
        await env.clock.sleep(pauseMs);
      }
    }
  }
}
