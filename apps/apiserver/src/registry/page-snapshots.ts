import type { Clock } from '@orrery/runtime';
import type { ResourceCache, Snapshot } from '../cache/resource-cache.ts';

const maxSnapshots = 64;
const lifeMs = 75_000;

/** Views of resources at revisions that pages of a list still need; older ones are read from the store. */
export class PageSnapshots {
  private readonly clock: Clock;
  private readonly held = new Map<string, { snapshot: Snapshot; until: number }>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Holds the current state of a cache under its revision. */
  hold(cache: ResourceCache, revision: number): Snapshot {
    const id = `${cache.prefix}@${revision}`;
    const found = this.held.get(id);
    const snapshot = found?.snapshot ?? cache.snapshot(revision);
    this.held.delete(id);
    this.held.set(id, { snapshot, until: this.clock.monotonic() + lifeMs });
    this.prune();
    return snapshot;
  }

  find(cache: ResourceCache, revision: number): Snapshot | undefined {
    this.prune();
    return this.held.get(`${cache.prefix}@${revision}`)?.snapshot;
  }

  private prune(): void {
    const now = this.clock.monotonic();
    for (const [id, { until }] of this.held) {
      if (until > now && this.held.size <= maxSnapshots) return;
      this.held.delete(id);
    }
  }
}
