import { CelDuration, CelError, CelTimestamp, CelUint } from '../values.ts';

const signed = (value: bigint): bigint => {
  if (BigInt.asIntN(64, value) !== value) throw new CelError('integer overflow');
  return value;
};

export const unsigned = (value: bigint): CelUint => {
  if (BigInt.asUintN(64, value) !== value) throw new CelError('unsigned integer overflow');
  return new CelUint(value);
};

function nonZero(value: bigint, what: string): bigint {
  if (value === 0n) throw new CelError(`${what} by zero`);
  return value;
}

/** Arithmetic of int: 64 bits, errors instead of wrapping. */
export const int = {
  add: (a: bigint, b: bigint) => signed(a + b),
  subtract: (a: bigint, b: bigint) => signed(a - b),
  multiply: (a: bigint, b: bigint) => signed(a * b),
  divide: (a: bigint, b: bigint) => signed(a / nonZero(b, 'division')),
  modulo: (a: bigint, b: bigint) => a % nonZero(b, 'modulus'),
  negate: (a: bigint) => signed(-a),
};

/** Arithmetic of uint. */
export const uint = {
  add: (a: CelUint, b: CelUint) => unsigned(a.value + b.value),
  subtract: (a: CelUint, b: CelUint) => unsigned(a.value - b.value),
  multiply: (a: CelUint, b: CelUint) => unsigned(a.value * b.value),
  divide: (a: CelUint, b: CelUint) => unsigned(a.value / nonZero(b.value, 'division')),
  modulo: (a: CelUint, b: CelUint) => unsigned(a.value % nonZero(b.value, 'modulus')),
};

/** Years 1 to 9999. */
const firstNs = -62_135_596_800n * 1_000_000_000n;
const lastNs = 253_402_300_800n * 1_000_000_000n - 1n;

export function timestampOf(ns: bigint): CelTimestamp {
  if (ns < firstNs || ns > lastNs) throw new CelError('timestamp overflow');
  return new CelTimestamp(ns);
}

export function durationOf(ns: bigint): CelDuration {
  if (BigInt.asIntN(64, ns) !== ns) throw new CelError('duration overflow');
  return new CelDuration(ns);
}

const two63 = 2 ** 63;

export function intOfDouble(value: number): bigint {
  if (!Number.isFinite(value) || value >= two63 || value <= -two63) throw new CelError('integer overflow');
  return BigInt(Math.trunc(value));
}

export function uintOfDouble(value: number): CelUint {
  if (!Number.isFinite(value) || value < 0 || value >= 2 ** 64) throw new CelError('unsigned integer overflow');
  return new CelUint(BigInt(Math.trunc(value)));
}

/** Go's shortest %g: an exponent below -4 and from 6 on. */
export function doubleText(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  const [digits = '0', power = '0'] = value.toExponential().split('e');
  const exponent = Number(power);
  if (value === 0) return Object.is(value, -0) ? '-0' : '0';
  if (exponent >= -4 && exponent < 6) return plainDigits(value, exponent);
  return `${digits}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
}

function plainDigits(value: number, exponent: number): string {
  return exponent < 0 ? value.toFixed(Math.min(100, digitsAfterPoint(value, exponent))) : String(value);
}

const digitsAfterPoint = (value: number, exponent: number): number => (value.toExponential().split('e')[0] ?? '').replace(/[-.]/g, '').length - 1 - exponent;
