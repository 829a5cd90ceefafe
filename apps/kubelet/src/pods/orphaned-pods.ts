import { containerLogsDir } from '@orrery/cri';
import type { Env, Timer } from '@orrery/runtime';
import type { KubeletContext } from '../kubelet-context.ts';
import type { PodManager } from './pod-manager.ts';

/** How soon what could not be removed is tried again; upstream's period of housekeeping. */
const periodMs = 2_000;

/**
 * Removes what pods have left on the node that went while no kubelet was there to see it: directories with their volumes, logs. What the runtime
 * still runs of them has been ended by then (`PodManager.removeOrphans`). Volumes are unmounted first, which may have to wait for
 * their driver; a directory in which something is mounted stays until it is not.
 */
export class OrphanedPods {
  private readonly env: Env;
  private readonly kubelet: { readonly context: KubeletContext; readonly pods: Pick<PodManager, 'get'> };
  private readonly told = new Set<string>();
  private timer: Timer | undefined;
  private stopped = false;

  constructor(env: Env, kubelet: OrphanedPods['kubelet']) {
    this.env = env;
    this.kubelet = kubelet;
  }

  /** Resolves after the first look. Called when all pods of the node are known. */
  async start(): Promise<void> {
    const left = await this.collect().catch((error: unknown) => {
      this.env.log.warn('what pods have left on the node cannot be looked at', { error: (error as Error).message });
      return true;
    });
    if (left && !this.stopped) this.timer = this.env.clock.after(periodMs, () => void this.start());
  }

  stop(): void {
    this.stopped = true;
    this.timer?.cancel();
  }

  /** Whether something is left. */
  private async collect(): Promise<boolean> {
    const { context, pods } = this.kubelet;
    const { rootDir, podLogsDir } = context.config;
    const isGone = (uid: string): boolean => uid !== '' && !this.stopped && !pods.get(uid);
    let left = false;
    for (const uid of await context.host.list(`${rootDir}/pods`)) {
      if (!isGone(uid)) continue;
      try {
        await this.removeDirectory(uid);
      } catch (error) {
        left = true;
        if (!this.told.has(uid)) this.env.log.warn('the directory of a pod that is gone stays for now', { uid, error: (error as Error).message });
        this.told.add(uid);
      }
    }
    for (const name of new Set([...(await context.host.list(podLogsDir)), ...((await context.logs.list?.(podLogsDir)) ?? [])])) {
      if (!isGone(name.split('_')[2] ?? '')) continue;
      await context.logs.remove(`${podLogsDir}/${name}`);
      await context.logs.unlink?.(containerLogsDir, `${podLogsDir}/${name}`);
    }
    return left;
  }

  private async removeDirectory(uid: string): Promise<void> {
    const { volumes, host, userNamespaces } = this.kubelet.context;
    await volumes.unmount(uid);
    const mounted = (await host.mountedBelow?.(volumes.podDir(uid))) ?? [];
    if (mounted.length) throw new Error(`orphaned pod ${JSON.stringify(uid)} found, but volumes are still mounted: ${mounted.join(', ')}`);
    await volumes.remove(uid);
    userNamespaces.release(uid);
  }
}
