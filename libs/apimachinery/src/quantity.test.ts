import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  addQuantity,
  addResources,
  canonicalQuantity,
  compareQuantity,
  formatQuantity,
  milliQuantity,
  parseQuantity,
  quantityMilliValue,
  quantityOf,
  quantityValue,
  subtractQuantity,
} from './quantity.ts';

describe('quantities', () => {
  it.each([
    ['1000m', '1'], ['1500m', '1500m'], ['1.5', '1500m'], ['0.5', '500m'], ['100', '100'], ['1024', '1024'], ['1000', '1k'], ['1024Ki', '1Mi'],
    ['1.5Gi', '1536Mi'], ['0.5Gi', '512Mi'], ['1023Ki', '1023Ki'], ['512', '512'], ['0', '0'], ['0Gi', '0'], ['-1', '-1'], ['+1', '1'], ['1e3', '1e3'],
    ['1E3', '1e3'], ['1E', '1E'], ['10000000', '10M'], ['0.1Ki', '102400m'], ['0.0000000001', '1n'], ['1e-3', '1e-3'], ['12e6', '12e6'], ['.5', '500m'],
    ['5.', '5'], ['1e30', '9223372036854775807'], ['0.001Mi', '1048576m'], ['2048Mi', '2Gi'], ['1.0', '1'], ['1.1Mi', '1153433600m'],
  ])('%s is written %s', (text, canonical) => {
    expect(canonicalQuantity(text)).toBe(canonical);
  });

  it.each([
    ['', 'quantities must match'], ['abc', 'quantities must match'], ['1.1.1', 'unable to parse numeric part'], ['1Kib', 'quantities must match'],
    ['1KM', "unable to parse quantity's suffix"], ['1 Gi', 'quantities must match'], ['.', 'unable to parse numeric part'], ['1e', "unable to parse quantity's suffix"],
  ])('%j is refused: %s', (text, message) => {
    expect(() => parseQuantity(text)).toThrow(message);
  });

  it('rounds away from zero', () => {
    expect(quantityValue(parseQuantity('1m'))).toBe(1);
    expect(quantityMilliValue(parseQuantity('1u'))).toBe(1);
    expect(quantityValue(parseQuantity('-1m'))).toBe(-1);
    expect(quantityMilliValue(parseQuantity('2'))).toBe(2000);
  });

  it('keeps resource lists', () => {
    expect(addResources({ cpu: '500m', memory: '1Gi' }, { cpu: '1', pods: 3 })).toEqual({ cpu: '1500m', memory: '1Gi', pods: '3' });
  });

  it('adds, subtracts and compares as integers do', () => {
    const milli = fc.bigInt({ min: -(10n ** 12n), max: 10n ** 12n });
    fc.assert(
      fc.property(milli, milli, (a, b) => {
        const x = milliQuantity(a);
        const y = milliQuantity(b, 'BinarySI');
        expect(addQuantity(x, y).nanos).toBe(milliQuantity(a + b).nanos);
        expect(subtractQuantity(addQuantity(x, y), y).nanos).toBe(x.nanos);
        expect(Math.sign(compareQuantity(x, y))).toBe(a < b ? -1 : a > b ? 1 : 0);
      }),
    );
  });

  it('writes what it reads back', () => {
    const formats = fc.constantFrom('DecimalSI', 'BinarySI', 'DecimalExponent' as const);
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 62n), max: 2n ** 62n }), formats, fc.boolean(), (n, format, isMilli) => {
        const quantity = isMilli ? milliQuantity(n, format as 'BinarySI') : quantityOf(n, format as 'BinarySI');
        const text = formatQuantity(quantity);
        expect(parseQuantity(text).nanos).toBe(quantity.nanos);
        expect(canonicalQuantity(text)).toBe(text);
      }),
    );
  });
});
