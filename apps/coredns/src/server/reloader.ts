import type { Env, Timer } from '@orrery/runtime';
import type { ConfigSource } from '../corefile/source.ts';
import { type ServerBlock, errorAt, parseCorefile } from '../corefile/parser.ts';
import { duration } from '../plugins/plugin.ts';
import { plugins } from '../plugins/index.ts';
import type { DnsWorld } from '../world.ts';
import { type Instance, createInstance } from './instance.ts';

const least = 2_000;
const lowestJitter = 1_000;

interface Reload {
  readonly intervalMs: number;
  readonly jitterMs: number;
}

/** `reload [INTERVAL] [JITTER]`: 30 s and half of it. Undefined: the directive is not there. */
function reloadOf(blocks: readonly ServerBlock[]): Reload | undefined {
  const line = blocks.flatMap(({ directives }) => directives).find(({ name }) => name.text === 'reload');
  if (!line) return undefined;
  const [interval, jitter] = line.args;
  const intervalMs = interval ? duration(interval) : 30_000;
  if (interval && intervalMs < least) throw errorAt(interval, `plugin/reload: interval value must be greater or equal to 2s`);
  const jitterMs = jitter ? duration(jitter) : intervalMs / 2;
  if (jitter && jitterMs < lowestJitter) throw errorAt(jitter, 'plugin/reload: jitter value must be greater or equal to 1s');
  return { intervalMs, jitterMs: Math.min(jitterMs, intervalMs / 2) };
}

export interface Reloader {
  readonly current: () => Instance | undefined;
  start(): Promise<void>;
  /** Looks at the Corefile now. */
  check(): Promise<void>;
  stop(): Promise<void>;
}

export interface ReloaderOptions {
  readonly env: Env;
  readonly source: ConfigSource;
  readonly world: DnsWorld;
  /** The Corefile that serves when that of a forgiving source is wrong at the start. */
  readonly fallback: string;
  readonly fatal: (reason: string) => void;
  /** After another instance took over. */
  readonly changed: () => Promise<void>;
}

/** Keeps the instance of the Corefile as it is: what is wrong is logged, and the one before serves on. */
export function createReloader(options: ReloaderOptions): Reloader {
  const { env, source, world, fallback, fatal, changed } = options;
  const failures = env.metrics.counter('coredns_reload_failed_total', 'Counter of the number of failed reload attempts.');
  let instance: Instance | undefined;
  let seen = '';
  let reload: Reload | undefined;
  let timer: Timer | undefined;
  let running = false;

  const make = (file: { file: string; text: string }): { made: Instance; settings: Reload | undefined } => {
    const blocks = parseCorefile(file, source, (name) => plugins.has(name));
    return { made: createInstance(blocks, { env, world, fatal }), settings: reloadOf(blocks) };
  };
  const schedule = (): void => {
    if (!running || !reload) return;
    timer = env.clock.after(reload.intervalMs + Math.floor(env.random.next() * reload.jitterMs), () => {
      check().then(schedule, (error: unknown) => {
        env.log.error('cannot look at the Corefile', { error });
        schedule();
      });
    });
  };
  const takeOver = async ({ made, settings }: ReturnType<typeof make>): Promise<void> => {
    const before = instance;
    await made.start();
    instance = made;
    reload = settings;
    await changed();
    // Questions that began with it are answered by it.
    await before?.stop();
  };
  const check = async (): Promise<void> => {
    const file = source.corefile();
    if (file.text === seen) return;
    seen = file.text;
    env.log.info('Reloading');
    try {
      await takeOver(make(file));
      env.log.info('Reloading complete');
    } catch (error) {
      failures.inc();
      env.log.error(`Restart failed: ${(error as Error).message}`);
    }
  };
  return {
    current: () => instance,
    check,
    async start() {
      running = true;
      const file = source.corefile();
      seen = file.text;
      let first: ReturnType<typeof make>;
      try {
        first = make(file);
      } catch (error) {
        if (!source.forgiving) throw error;
        failures.inc();
        env.log.error(`${(error as Error).message}; the built-in Corefile serves until it is mended`);
        first = make({ file: 'Corefile', text: fallback });
      }
      await takeOver(first);
      schedule();
    },
    async stop() {
      running = false;
      timer?.cancel();
      const last = instance;
      await last?.stop();
      instance = undefined;
    },
  };
}
