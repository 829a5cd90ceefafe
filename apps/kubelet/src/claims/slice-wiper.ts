import { ResourceSlices } from '@orrery/api';
import type { ApiClient } from '@orrery/client';
import type { Env, Timer } from '@orrery/runtime';

/** As upstream's: long enough for a driver's container to be started again. */
const delayMs = 30_000;
/** Between attempts, doubling, each up to a fifth longer. */
const firstPauseMs = 1_000;
const longestPauseMs = 300_000;

/**
 * Takes back the node's ResourceSlices of drivers that are not there: pods that were given such devices would wait on this node for a
 * driver that may never come. A driver that comes back makes its slices anew.
 */
export class SliceWiper {
  private readonly env: Env;
  private readonly options: { readonly api: ApiClient; readonly nodeName: string };
  private readonly due = new Map<string, Timer>();
  private readonly ending = new AbortController();

  constructor(env: Env, options: { readonly api: ApiClient; readonly nodeName: string }) {
    this.env = env;
    this.options = options;
  }

  /** The kubelet starts: no driver has registered yet. Returns at once. */
  wipeAll(): void {
    void this.wipe({});
  }

  /** A driver can be used, or cannot: then its slices go, unless it is back in time. That it still cannot be used changes nothing. */
  observe(driver: string, isUsable: boolean): void {
    if (isUsable) {
      this.due.get(driver)?.cancel();
      this.due.delete(driver);
    } else if (!this.due.has(driver)) {
      this.due.set(driver, this.env.clock.after(delayMs, () => {
        this.due.delete(driver);
        void this.wipe({ driver });
      }));
    }
  }

  stop(): void {
    this.ending.abort(new Error('kubelet stopped'));
    for (const timer of this.due.values()) timer.cancel();
    this.due.clear();
  }

  private async wipe({ driver }: { driver?: string }): Promise<void> {
    const { api, nodeName } = this.options;
    const { signal } = this.ending;
    const fieldSelector = `spec.nodeName=${nodeName}${driver ? `,spec.driver=${driver}` : ''}`;
    for (let pauseMs = firstPauseMs; !signal.aborted; pauseMs = Math.min(2 * pauseMs, longestPauseMs)) {
      try {
        await api.deleteCollection(ResourceSlices, { fieldSelector });
        return;
      } catch (error) {
        this.env.log.debug('ResourceSlices of drivers that are not there stay for now', { fieldSelector, error: (error as Error).message });
      }
      await this.env.clock.sleep(pauseMs * (1 + this.env.random.next() / 5), signal).catch(() => undefined); // the loop looks whether it is over
    }
  }
}
