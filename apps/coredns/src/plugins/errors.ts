import type { Timer } from '@orrery/runtime';
import { absolute } from '../message.ts';
import { type Setup, argumentError, duration, errorAt, onlyOnce, regex } from './plugin.ts';

interface Consolidation {
  readonly pattern: RegExp;
  readonly periodMs: number;
  readonly text: string;
  readonly level: 'warn' | 'error' | 'info' | 'debug';
  count: number;
  timer: Timer | undefined;
}

const levels: Readonly<Record<string, Consolidation['level']>> = { warning: 'warn', error: 'error', info: 'info', debug: 'debug' };

/** Logs what goes wrong behind it, each time or (`consolidate`) how often in a period. */
export const errors: Setup = (lines, { env }) => {
  const line = onlyOnce(lines);
  if (line.args.some((arg) => arg.text !== 'stdout') || line.args.length > 1) throw argumentError(line);
  const groups: Consolidation[] = [];
  for (const property of line.block) {
    if (property.name.text === 'stacktrace') continue;
    if (property.name.text !== 'consolidate') throw argumentError(property);
    const [period, pattern, level] = property.args;
    if (!period || !pattern || property.args.length > 3) throw argumentError(property);
    const known = level ? levels[level.text] : 'error';
    if (!known) throw errorAt(level ?? property.name, `unknown log level argument in consolidate: ${level?.text ?? ''}`);
    groups.push({ pattern: regex(pattern), periodMs: duration(period), text: pattern.text, level: known, count: 0, timer: undefined });
  }
  const report = (group: Consolidation): void => {
    group.timer = undefined;
    if (group.count) env.log[group.level](`${group.count} errors like '${group.text}' occurred in last ${group.periodMs / 1000}s`, { plugin: 'errors' });
    group.count = 0;
  };
  return {
    async handle(query, next) {
      try {
        return await next(query);
      } catch (error) {
        const { message } = error as Error;
        const group = groups.find(({ pattern }) => pattern.test(message));
        if (!group) env.log.error(`2 ${absolute(query.asked)} ${query.type}: ${message}`, { plugin: 'errors' });
        else {
          group.count++;
          group.timer ??= env.clock.after(group.periodMs, () => report(group));
        }
        throw error;
      }
    },
    stop() {
      for (const group of groups) {
        group.timer?.cancel();
        report(group);
      }
    },
  };
};
