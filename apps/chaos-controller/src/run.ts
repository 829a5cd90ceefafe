import { type ChaosReport, type ChaosWorld, type Fault, type Injected, type InjectionRecord, RecoveryWatch, describeVerb, faultText } from '@orrery/chaos';
import type { ApiClient } from '@orrery/client';
import type { Env, Timer } from '@orrery/runtime';
import { probe, serverAnswers } from './probes.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** An injection while it lasts, and what became of it. */
export interface Injection {
  readonly record: Readonly<InjectionRecord>;
  readonly isOpen: boolean;
}

interface Running {
  readonly record: Mutable<InjectionRecord>;
  injected: Injected | undefined;
  timer: Timer | undefined;
  /** Settles once it is known whether it could be done. */
  injecting: Promise<unknown>;
  /** While it is being ended. */
  ending: Promise<void> | undefined;
}

export interface RunsOptions {
  readonly env: Env;
  /** Is exempt from faults of requests. */
  readonly api: ApiClient;
  readonly world: ChaosWorld;
  readonly cluster: string;
  /** Called when the state of a run has changed by itself. */
  readonly changed: (name: string) => void;
}

const probeEveryMs = 1_000;
/** After this long without recovery nobody looks any more. */
const giveUpMs = 15 * 60_000;
const keptRecords = 200;
/** So often it is tried to end a fault, with this pause; when the controller stops once more. */
const endTries = 60;
const endRetryMs = 2_000;

/**
 * The injections of a cluster: they end by their own timers, whether or not the API server can be reached, since it may be what was struck. While there are
 * any, and until all is well again, the cluster is looked at every second.
 */
export class Runs {
  private readonly options: RunsOptions;
  private readonly running = new Map<string, Running>();
  private readonly records: Mutable<InjectionRecord>[] = [];
  private watch = new RecoveryWatch();
  /** What was not well before anything was injected is not our doing. */
  private before: ReadonlySet<string> = new Set();
  private probing: Timer | undefined;
  private looking = false;
  private count = 0;
  private readonly stopping = new AbortController();

  constructor(options: RunsOptions) {
    this.options = options;
  }

  of(name: string): InjectionRecord | undefined {
    return this.running.get(name)?.record;
  }

  /** The latest injection of an experiment, in force or not. */
  latest(name: string): Injection | undefined {
    const record = this.records.findLast((one) => one.name === name);
    return record && { record, isOpen: this.running.get(name)?.record === record };
  }

  get open(): string[] {
    return [...this.running.keys()];
  }

  /** Strikes. Resolves to the record, whose `error` says why it could not be done. */
  async inject(name: string, fault: Fault, durationMs: number | undefined): Promise<InjectionRecord> {
    const { env, world } = this.options;
    await this.beginLooking();
    const record: Mutable<InjectionRecord> = { name, what: faultText(fault), targets: [], startedMs: env.clock.now() };
    this.records.push(record);
    if (this.records.length > keptRecords) this.records.shift();
    const striking = (async (): Promise<Injected> => world.inject(`${name}-${++this.count}`, fault))();
    const run: Running = { record, injected: undefined, timer: undefined, injecting: striking.catch(() => undefined), ending: undefined };
    this.running.set(name, run);
    try {
      run.injected = await striking;
      record.targets = run.injected.targets;
      env.log.info('injected', { name, what: record.what, targets: record.targets.join(', ') });
      if (describeVerb(fault.verb).momentary) {
        record.startedMs = env.clock.now();
        this.close(name, run);
      }
      else if (durationMs !== undefined && !run.ending) run.timer = env.clock.after(durationMs, () => void this.end(name));
    } catch (error) {
      record.error = (error as Error).message;
      this.close(name, run);
    }
    return record;
  }

  /** Ends what is in force; a fault that cannot be ended says so in its record and in the log. */
  async end(name: string): Promise<void> {
    const run = this.running.get(name);
    if (run) await (run.ending ??= this.finish(name, run));
  }

  /** Until it has ended it counts as running: what is looked at goes on. */
  private async finish(name: string, run: Running): Promise<void> {
    await run.injecting;
    run.timer?.cancel();
    const { clock, log } = this.options.env;
    for (let tries = 1; ; tries++) {
      try {
        await run.injected?.end();
        break;
      } catch (error) {
        // Who would have to do it may stand still, or be gone for a moment, by another fault.
        if (tries < endTries && !this.stopping.signal.aborted) {
          await clock.sleep(endRetryMs, this.stopping.signal).catch(() => undefined);
          continue;
        }
        run.record.error = `could not be ended: ${(error as Error).message}`;
        log.error('a fault could not be ended', { name, error });
        break;
      }
    }
    this.close(name, run);
    this.options.changed(name);
  }

  async endAll(): Promise<void> {
    await Promise.all(this.open.map((name) => this.end(name)));
  }

  async stop(): Promise<void> {
    this.stopping.abort(new Error('the chaos controller stops'));
    await this.endAll();
    this.probing?.cancel();
    this.probing = undefined;
  }

  report(): ChaosReport {
    return { cluster: this.options.cluster, madeMs: this.options.env.clock.now(), injections: this.records.map((record) => ({ ...record })), disturbances: this.watch.disturbances() };
  }

  private close(name: string, run: Running): void {
    if (this.running.get(name) === run) this.running.delete(name);
    run.record.endedMs = this.options.env.clock.now();
  }

  private async beginLooking(): Promise<void> {
    if (this.probing) return;
    const { env, api } = this.options;
    this.before = new Set((await probe(env, api)).filter(({ trouble }) => trouble !== undefined).map(({ what }) => what));
    this.probing ??= env.clock.every(probeEveryMs, () => void this.look());
  }

  private async look(): Promise<void> {
    if (this.looking) return;
    this.looking = true;
    const { env, api, changed } = this.options;
    try {
      const samples = await probe(env, api);
      const now = env.clock.now();
      const isAll = samples.some(({ what, trouble }) => what === serverAnswers && trouble === undefined);
      this.watch.observe(now, samples.filter(({ what }) => !this.before.has(what)), isAll);
      const waiting = this.records.filter((record) => record.endedMs !== undefined && record.recoveredMs === undefined && record.error === undefined);
      for (const record of waiting) {
        const recovered = this.watch.recoveredSince(record.endedMs ?? now);
        // What a fault did may show only after a moment.
        if (recovered === undefined || now - (record.endedMs ?? now) < 2 * probeEveryMs) continue;
        record.recoveredMs = recovered;
        changed(record.name);
      }
      const left = waiting.some((record) => record.recoveredMs === undefined && now - (record.endedMs ?? now) < giveUpMs);
      if (this.running.size || left) return;
      this.probing?.cancel();
      this.probing = undefined;
    } finally {
      this.looking = false;
    }
  }
}
