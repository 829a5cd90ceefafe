import { Nodes } from '@orrery/api';
import type { Pod } from '@orrery/api/types';
import type { Env, Timer } from '@orrery/runtime';
import type { Kubelet } from '../component.ts';
import type { Rejection } from '../pods/admission.ts';
import type { PodWorker } from '../pods/pod-worker.ts';
import { groupByPriority, shutdownGroups, type ShutdownGroup } from './shutdown-plan.ts';

/** systemd writes this file when a shutdown is scheduled and removes it when it is called off. */
export const scheduledPath = '/run/systemd/shutdown/scheduled';
const pollMs = 1_000;
const message = 'Pod was terminated in response to imminent node shutdown.';

export interface ShutdownOptions {
  readonly kubelet: Kubelet;
  /** The node's readiness has changed. */
  readonly changed: () => void;
}

/**
 * Ends the pods of a node that is going down, group by group, critical ones last; meanwhile the node is not ready and takes
 * no pods. Begun by `begin`, or by the file with which systemd announces a shutdown, and taken back in the same ways.
 */
export class ShutdownManager {
  isShuttingDown = false;
  private readonly env: Env;
  private readonly options: ShutdownOptions;
  private readonly groups: readonly ShutdownGroup[];
  private timer: Timer | undefined;
  private announced = false;
  private current = new AbortController();

  constructor(env: Env, options: ShutdownOptions) {
    this.env = env;
    this.options = options;
    this.groups = shutdownGroups(options.kubelet.context.config);
  }

  start(): void {
    if (this.groups.length) this.timer = this.env.clock.every(pollMs, () => void this.look());
  }

  stop(): void {
    this.timer?.cancel();
    this.current.abort(new Error('stopped'));
  }

  admit(_pod: Pod): Rejection | undefined {
    return this.isShuttingDown ? { reason: 'NodeShutdown', message: 'Pod was rejected: Pod was rejected as the node is shutting down.' } : undefined;
  }

  /** Resolves when all pods have ended, or their time is over. Without grace periods in the configuration pods are left alone. */
  async begin(): Promise<void> {
    if (this.isShuttingDown) return;
    this.isShuttingDown = true;
    this.record('Shutdown manager detected shutdown event');
    this.gauge('kubelet_graceful_shutdown_start_time_seconds', 'Last graceful shutdown start time since unix epoch in seconds');
    this.options.changed();
    const { signal } = (this.current = new AbortController());
    const workers = [...this.options.kubelet.pods.list()].filter((worker) => !worker.ended);
    try {
      for (const { group, pods } of groupByPriority(this.groups, workers, ({ pod }) => pod.spec?.priority ?? 0)) await this.endGroup(group, pods, signal);
      this.gauge('kubelet_graceful_shutdown_end_time_seconds', 'Last graceful shutdown end time since unix epoch in seconds');
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  /** The node stays up after all: it takes pods again. Those that have ended stay as they are. */
  cancel(): void {
    if (!this.isShuttingDown) return;
    this.isShuttingDown = false;
    this.current.abort(new Error('the shutdown was called off'));
    this.record('Shutdown manager detected shutdown cancellation');
    this.options.changed();
  }

  private async look(): Promise<void> {
    let announced = this.announced;
    try {
      announced = (await this.options.kubelet.context.host.kind(scheduledPath)) === 'file';
    } catch (error) {
      this.env.log.debug('it is not known whether the node shuts down', { error });
    }
    if (announced === this.announced) return;
    this.announced = announced;
    if (announced) await this.begin();
    else this.cancel();
  }

  /** All at once, for as long as the group has; a group that is done makes way early. */
  private async endGroup({ graceSeconds }: ShutdownGroup, workers: readonly PodWorker[], signal: AbortSignal): Promise<void> {
    if (workers.length === 0) return;
    for (const worker of workers) {
      const own = worker.pod.spec?.terminationGracePeriodSeconds ?? 30;
      worker.evict({ reason: 'Terminated', message, graceSeconds: Math.min(own, graceSeconds), disruption: true });
    }
    const untilMs = this.env.clock.monotonic() + graceSeconds * 1000;
    while (workers.some(({ ended }) => !ended) && this.env.clock.monotonic() < untilMs) await this.env.clock.sleep(Math.min(pollMs, untilMs - this.env.clock.monotonic()), signal);
  }

  private record(text: string): void {
    const { kubelet } = this.options;
    kubelet.context.events.event(Nodes, kubelet.node(), { type: 'Normal', reason: 'Shutdown', message: text });
  }

  private gauge(name: string, help: string): void {
    this.env.metrics.gauge(name, help).set(this.env.clock.now() / 1000);
  }
}
