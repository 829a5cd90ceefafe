import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatMicroTime, formatTime, parseTime, timeMs } from './time.ts';

describe('times', () => {
  it.each([
    ['2026-01-02T03:04:05Z', '2026-01-02T03:04:05Z'],
    ['2026-01-02T03:04:05.999Z', '2026-01-02T03:04:05Z'],
    ['2026-01-02T03:04:05+02:00', '2026-01-02T01:04:05Z'],
    ['0001-01-01T00:00:00Z', '0001-01-01T00:00:00Z'],
  ])('%s is written %s', (text, written) => {
    expect(formatTime(parseTime(text))).toBe(written);
  });

  it('keeps microseconds', () => {
    expect(formatMicroTime(parseTime('2026-01-02T03:04:05.1234567Z'))).toBe('2026-01-02T03:04:05.123456Z');
    expect(timeMs('1970-01-01T00:00:01.5Z')).toBe(1500);
    expect(timeMs('nonsense')).toBeUndefined();
  });

  it.each([
    ['x', 'parsing time "x" as "2006-01-02T15:04:05Z07:00": cannot parse "x" as "2006"'],
    ['2026-01-02', 'parsing time "2026-01-02" as "2006-01-02T15:04:05Z07:00": cannot parse "" as "T"'],
    ['2026-02-30T00:00:00Z', 'parsing time "2026-02-30T00:00:00Z": day out of range'],
    ['2026-13-01T00:00:00Z', 'parsing time "2026-13-01T00:00:00Z": month out of range'],
  ])('%s is refused', (text, message) => {
    expect(() => parseTime(text)).toThrow(message);
  });

  it('reads what it writes', () => {
    const date = fc.date({ min: new Date('0001-01-01T00:00:00Z'), max: new Date('9999-12-31T23:59:59Z'), noInvalidDate: true });
    fc.assert(
      fc.property(date, (when) => {
        expect(timeMs(formatMicroTime(parseTime(when.toISOString())))).toBe(when.getTime());
      }),
    );
  });
});
