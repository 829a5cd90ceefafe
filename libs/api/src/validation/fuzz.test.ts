import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { scheduleProblem } from '../batch/v1/cron-schedule.ts';
import { compileJsonPath, JsonPathError } from '../custom/json-path.ts';
import { cidrProblems, ipBytes, ipProblems, parseCidr } from './addresses.ts';

/** More with ORRERY_FUZZ_RUNS=10. A failure prints its seed. */
const numRuns = 200 * Number(process.env['ORRERY_FUZZ_RUNS'] ?? 1);
const patienceMs = 5_000;

const near = (...pieces: readonly string[]): fc.Arbitrary<string> => fc.array(fc.oneof({ weight: 8, arbitrary: fc.constantFrom(...pieces) }, { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 3 }) }), { maxLength: 14 }).map((parts) => parts.join(''));

describe('texts of any kind', () => {
  it('schedules are right or wrong', () => {
    fc.assert(fc.property(near('*', '/', '-', ',', ' ', '0', '59', '7', 'MON', 'jan', '@every ', '@daily', '1h', 'TZ=', 'UTC', 'CRON_TZ=Europe/Berlin', '?', 'L'), (text) => {
      expect(['string', 'undefined']).toContain(typeof scheduleProblem(text));
    }), { numRuns });
  });

  it('addresses are right or wrong', () => {
    fc.assert(
      fc.property(near('1', '0', '255', '256', '.', ':', '::', 'ffff', '/', '24', '129', '%eth0', '01'), (text) => {
        const bytes = ipBytes(text);
        expect([undefined, 4, 16]).toContain(bytes?.length);
        for (const byte of bytes ?? []) expect(byte >= 0 && byte <= 255).toBe(true);
        if (!bytes) expect(ipProblems(text)).not.toEqual([]);
        const cidr = parseCidr(text);
        if (cidr) expect(cidr.prefix).toBeLessThanOrEqual(cidr.bytes.length * 8);
        else expect(cidrProblems(text)).not.toEqual([]);
      }),
      { numRuns },
    );
  });

  it('JSON paths compile and run, or are refused', () => {
    const object = { spec: { a: [{ name: 'x', n: 1 }, { name: 'y' }], 'b.c': null } };
    fc.assert(
      fc.property(near('.', '..', 'spec', 'a', '[', ']', '*', '0', '-1', ':', '?(', '@.name', '==', '"x"', ')', "'b.c'", '\\', ','), (text) => {
        try {
          expect(Array.isArray(compileJsonPath(text)(object))).toBe(true);
        } catch (error) {
          if (!(error instanceof JsonPathError)) throw error;
        }
      }),
      { numRuns },
    );
  });
});

it.each<[string, () => unknown]>([
  ['schedules', () => scheduleProblem(`${'1,'.repeat(500_000)}x * * * *`)],
  ['spaces', () => scheduleProblem(`${' '.repeat(1_000_000)}x`)],
  ['zones', () => scheduleProblem(`TZ=${'a/'.repeat(500_000)} * * * * *`)],
  ['addresses', () => [ipProblems('1.'.repeat(500_000)), ipProblems(':'.repeat(1_000_000)), cidrProblems('/'.repeat(1_000_000))]],
  ['paths', () => compileJsonPath('.a'.repeat(100))({})],
])('%s of any length are looked at in time', (_name, run) => {
  const start = performance.now();
  run();
  expect(performance.now() - start).toBeLessThan(patienceMs);
});
