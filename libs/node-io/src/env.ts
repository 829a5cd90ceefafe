import { randomUUID } from 'node:crypto';
import { type Env, type LogLevel, type LogRecord, type Random, createLogger, createMetrics, formatJsonLine, randomFrom } from '@orrery/runtime';
import { withProcessMetrics } from './process-metrics.ts';
import { realClock } from './real-clock.ts';

/** Node's random source. */
export const realRandom: Random = { ...randomFrom(() => Math.random()), uuid: () => randomUUID() };

/** The environment of a component in production: real time (or off by so much), real chance, JSON lines on standard error (or `write`). */
export function realEnv(options: { name: string; level?: LogLevel; write?: (record: LogRecord) => void; clockOffsetMs?: () => number }): Env {
  const { clockOffsetMs } = options;
  const clock = clockOffsetMs ? { ...realClock, now: () => realClock.now() + clockOffsetMs() } : realClock;
  const write = options.write ?? ((record: LogRecord) => void process.stderr.write(formatJsonLine(record)));
  const log = createLogger({ now: clock.now, write, level: options.level ?? 'info', fields: { component: options.name } });
  return { clock, random: realRandom, log, metrics: withProcessMetrics(createMetrics()) };
}
