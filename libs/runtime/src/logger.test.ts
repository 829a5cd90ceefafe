import { expect, it } from 'vitest';
import { createLogger, setVerbosity } from './logger.ts';

it('shares its threshold with its children', () => {
  const lines: string[] = [];
  const log = createLogger({ now: () => 0, write: ({ message, fields }) => void lines.push(`${message} ${JSON.stringify(fields)}`), fields: { a: 1 } });
  const child = log.child({ b: 2 });
  child.debug('dropped');
  expect(child.isDebugging?.()).toBe(false);
  log.setLevel?.('debug');
  expect(child.isDebugging?.()).toBe(true);
  child.debug('said');
  child.setLevel?.('error');
  log.info('dropped too');
  expect(lines).toEqual(['said {"a":1,"b":2}']);
});

it.each([
  ['4', 200, true],
  ['3', 200, false],
  ['-1', 200, false],
  ['much', 400, false],
])('takes the verbosity %j of klog', (value, status, isDebugging) => {
  const log = createLogger({ now: () => 0, write: () => undefined });
  expect([setVerbosity(log, value).status, log.isDebugging?.()]).toEqual([status, isDebugging]);
});
