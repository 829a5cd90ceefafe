import { parseQuantity, quantityValue } from '@orrery/apimachinery';
import { type Env, type Timer, parseGoDuration } from '@orrery/runtime';
import type { KubeletContext } from '../kubelet-context.ts';
import type { PodManager } from '../pods/pod-manager.ts';

/** `20261120-234500.123`: sorts as text, to the millisecond so that no two rotations have the same. */
function stampOf(ms: number): string {
  const [date = '', time = ''] = new Date(ms).toISOString().split('T');
  return `${date.replaceAll('-', '')}-${time.replaceAll(':', '').replace('Z', '')}`;
}

/** Moves logs of running containers aside that have grown beyond `--container-log-max-size`, where the runtime writes real files. */
export class LogRotator {
  private readonly env: Env;
  private readonly kubelet: { readonly context: KubeletContext; readonly pods: PodManager };
  private readonly maxBytes: number;
  private readonly intervalMs: number;
  private timer: Timer | undefined;
  private stopped = false;

  constructor(env: Env, kubelet: { readonly context: KubeletContext; readonly pods: PodManager }) {
    const { containerLogMaxSize, containerLogMonitorInterval } = kubelet.context.config;
    this.env = env;
    this.kubelet = kubelet;
    this.maxBytes = quantityValue(parseQuantity(containerLogMaxSize));
    this.intervalMs = parseGoDuration(containerLogMonitorInterval);
  }

  start(): void {
    if (this.kubelet.context.logs.rotate && this.maxBytes > 0) this.wake();
  }

  stop(): void {
    this.stopped = true;
    this.timer?.cancel();
  }

  private wake(): void {
    if (this.stopped) return;
    this.timer = this.env.clock.after(this.intervalMs, () => void this.look().finally(() => this.wake()));
  }

  /** Rotates every log that is due. What cannot be rotated is told and tried again. */
  private async look(): Promise<void> {
    for (const { runtime } of this.kubelet.pods.list()) {
      for (const { id, logPath, state } of runtime.containers) {
        if (state !== 'running' || !logPath || this.stopped) continue;
        await this.rotate(id, logPath).catch((error: unknown) => this.env.log.warn('a log cannot be rotated', { container: id, logPath, error: (error as Error).message }));
      }
    }
  }

  private async rotate(id: string, logPath: string): Promise<void> {
    const { logs, runtime, config } = this.kubelet.context;
    const extent = await logs.extent(logPath);
    if (!extent || extent.end <= this.maxBytes) return;
    const stamp = stampOf(this.env.clock.now());
    await logs.rotate?.(logPath, { maxFiles: config.containerLogMaxFiles, stamp });
    try {
      await runtime.clients.runtime.reopenContainerLog({ containerId: id });
    } catch (error) {
      // Otherwise the runtime writes on where nobody looks.
      await logs.unrotate?.(logPath, stamp);
      throw error;
    }
  }
}
