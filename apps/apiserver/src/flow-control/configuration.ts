import { FlowSchemas, PriorityLevelConfigurations } from '@orrery/api';
import type { Env } from '@orrery/runtime';
import type { PluginContext } from '../pipeline/index.ts';
import { maintainDefaults } from './default-objects.ts';
import { type FlowController, borrowingPeriodMs } from './flow-controller.ts';
import { DanglingWriter } from './flow-schema-status.ts';
import { queueConfigOf } from './priority-level.ts';

/** Changes that come together are digested together. */
const settleMs = 10;
const retryMs = 1_000;
/** A schema that others keep rewriting is left alone for this long, and up to `fightSpreadMs` more. */
const fightMs = 30_000;
const fightSpreadMs = 45_000;
const maintainPeriodMs = 60_000;

export interface ConfigurationParts {
  readonly env: Env;
  readonly controller: FlowController;
  readonly api: PluginContext['api'];
  readonly read: PluginContext['read'];
}

/** Follows FlowSchemas and PriorityLevelConfigurations: digests every change, keeps statuses true and defaults up to date. */
export class FlowConfiguration {
  private readonly parts: ConfigurationParts;
  private readonly writer: DanglingWriter;
  private scheduled = false;
  private syncing = false;
  private stopped = false;

  constructor(parts: ConfigurationParts) {
    this.parts = parts;
    this.writer = new DanglingWriter(parts.env.clock, parts.api);
  }

  /** `maintains`: the default objects too. Until the signal aborts. */
  start(signal: AbortSignal, { maintains }: { readonly maintains: boolean }): void {
    const { env, controller, read } = this.parts;
    const changed = (): void => this.schedule(settleMs);
    const stops = [read.onChange(FlowSchemas, changed), read.onChange(PriorityLevelConfigurations, changed)];
    const timers = [env.clock.every(borrowingPeriodMs, () => controller.rebalance())];
    if (maintains) timers.push(env.clock.every(maintainPeriodMs, () => void this.maintain()));
    signal.addEventListener(
      'abort',
      () => {
        this.stopped = true;
        stops.forEach((stop) => stop());
        timers.forEach((timer) => timer.cancel());
      },
      { once: true },
    );
    this.digest();
  }

  /** Digests what is there and makes its statuses true, once the server is up; what fails is tried again later. */
  async sync(): Promise<void> {
    this.digest();
    await this.writeStatus();
  }

  private digest(): void {
    const { controller, read } = this.parts;
    controller.digest(read.list(PriorityLevelConfigurations), read.list(FlowSchemas));
  }

  private schedule(delayMs: number): void {
    if (this.scheduled || this.stopped) return;
    this.scheduled = true;
    this.parts.env.clock.after(delayMs, () => {
      this.scheduled = false;
      if (this.stopped) return;
      this.digest();
      void this.writeStatus();
    });
  }

  private async writeStatus(): Promise<void> {
    const { env, read } = this.parts;
    if (this.syncing) return this.schedule(retryMs);
    this.syncing = true;
    try {
      const levels = read.list(PriorityLevelConfigurations).filter((level) => queueConfigOf(level));
      const complete = await this.writer.sync(read.list(FlowSchemas), new Set(levels.map(({ metadata }) => metadata?.name ?? '')));
      if (!complete) this.schedule(fightMs + env.random.next() * fightSpreadMs);
    } catch (error) {
      if (this.stopped) return;
      env.log.warn('cannot write the status of flow schemas; trying again', { error });
      this.schedule(retryMs);
    } finally {
      this.syncing = false;
    }
  }

  private async maintain(): Promise<void> {
    const { env, api, read } = this.parts;
    try {
      await maintainDefaults({ api, read });
    } catch (error) {
      if (!this.stopped) env.log.warn('cannot maintain the default flow control objects; trying again in a minute', { error });
    }
  }
}
