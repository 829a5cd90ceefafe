/**
 * Exact quantities as upstream's `resource.Quantity`: fixed point with nine decimals; finer values are rounded away
 * from zero, and magnitudes end at 2^63-1.
 */
export interface Quantity {
  /** The value in billionths. */
  readonly nanos: bigint;
  /** How it is written: `1500m`, `1e3`, `1536Mi`. */
  readonly format: 'DecimalSI' | 'DecimalExponent' | 'BinarySI';
}

/** Not a quantity; the message is upstream's. */
export class QuantityError extends Error {}

const formatWrong = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
const suffixWrong = "unable to parse quantity's suffix";
const numberWrong = 'unable to parse numeric part of quantity';

const unit = 10n ** 9n;
const maxNanos = (2n ** 63n - 1n) * unit;
const decimalSuffixes = ['n', 'u', 'm', '', 'k', 'M', 'G', 'T', 'P', 'E'];
const binarySuffixes = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];

const scaleOfSuffix = new Map<string, { nanos: bigint; format: Quantity['format'] }>([
  ...decimalSuffixes.map((suffix, i) => [suffix, { nanos: 10n ** BigInt(3 * i), format: 'DecimalSI' }] as const),
  ...binarySuffixes.slice(1).map((suffix, i) => [suffix, { nanos: unit * 1024n ** BigInt(i + 1), format: 'BinarySI' }] as const),
]);

export const zeroQuantity: Quantity = Object.freeze({ nanos: 0n, format: 'DecimalSI' });

function clamp(nanos: bigint): bigint {
  if (nanos > maxNanos) return maxNanos;
  return nanos < -maxNanos ? -maxNanos : nanos;
}

/** value = digits × 10^-decimals × scale, rounded away from zero. */
function scaled(options: { digits: bigint; decimals: number; scale: bigint }): bigint {
  const { digits, decimals, scale } = options;
  if (decimals <= 0) return clamp(digits * scale * 10n ** BigInt(-decimals));
  const divisor = 10n ** BigInt(decimals);
  return clamp((digits * scale + divisor - 1n) / divisor);
}

/** More digits than can matter: what follows says only whether there is something to round up. */
const maxDigits = 128;
/** Powers of ten beyond all quantities, whatever their suffix. */
const beyond = 64;

/** value = digits × 10^exponent × scale; digits are a text of any length. */
function valueOf(text: string, exponent: number, scale: bigint): bigint {
  const significant = text.replace(/^0+/, '');
  if (significant === '') return 0n;
  const magnitude = significant.length + exponent;
  if (magnitude > beyond) return maxNanos;
  if (magnitude < -beyond) return 1n;
  const rest = significant.length - maxDigits;
  if (rest <= 0) return scaled({ digits: BigInt(significant), decimals: -exponent, scale });
  const sticky = /[1-9]/.test(significant.slice(maxDigits)) ? '1' : '0';
  return scaled({ digits: BigInt(significant.slice(0, maxDigits) + sticky), decimals: -(exponent + rest - 1), scale });
}

/** The number as far as it goes, so that no text makes a pattern look twice. */
const numberPart = /^([+-]?)([0-9.]+)/;
const suffixPart = /^[eEinumkKMGTP]*[-+]?[0-9]*$/;

function parseText(text: string): Quantity {
  const [start = '', sign = '', number = ''] = numberPart.exec(text) ?? [];
  const suffix = text.slice(start.length);
  if (start === '' || !suffixPart.test(suffix)) throw new QuantityError(formatWrong);
  const [whole = '', fraction = '', extra] = number.split('.', 3);
  if (extra !== undefined || whole + fraction === '') throw new QuantityError(numberWrong);
  const signed = (nanos: bigint): bigint => (sign === '-' ? -nanos : nanos);
  const known = scaleOfSuffix.get(suffix);
  if (known) return { nanos: signed(valueOf(whole + fraction, -fraction.length, known.nanos)), format: known.format };
  const exponent = /^[eE]([-+]?\d+)$/.exec(suffix)?.[1];
  if (exponent === undefined || Math.abs(Number(exponent)) > 2 ** 31) throw new QuantityError(suffixWrong);
  return { nanos: signed(valueOf(whole + fraction, Number(exponent) - fraction.length, unit)), format: 'DecimalExponent' };
}

const cache = new Map<string, Quantity>();
const maxCached = 8192;

/** Parses what JSON holds: a string or a number. The result is shared. Throws QuantityError. */
export function parseQuantity(value: string | number): Quantity {
  const text = typeof value === 'string' ? value : String(value);
  const known = cache.get(text);
  if (known) return known;
  if (text === '') throw new QuantityError(formatWrong);
  const quantity = Object.freeze(parseText(text));
  if (cache.size >= maxCached) cache.clear();
  if (text.length <= 32) cache.set(text, quantity);
  return quantity;
}

/** Undefined where `parseQuantity` would throw. */
export function tryParseQuantity(value: unknown): Quantity | undefined {
  if (typeof value !== 'string' && typeof value !== 'number') return undefined;
  try {
    return parseQuantity(value);
  } catch (error) {
    if (error instanceof QuantityError) return undefined;
    throw error;
  }
}

/** The canonical form: no fraction, the largest suffix that keeps it exact. */
export function formatQuantity(quantity: Quantity): string {
  const { nanos, format } = quantity;
  if (nanos === 0n) return '0';
  const small = nanos > -1024n * unit && nanos < 1024n * unit;
  if (format === 'BinarySI' && !small && nanos % unit === 0n) return withSuffix(nanos / unit, 1024n, binarySuffixes);
  if (format !== 'DecimalExponent') return withSuffix(nanos, 1000n, decimalSuffixes);
  const { mantissa, steps } = reduce(nanos, 1000n, Number.POSITIVE_INFINITY);
  const exponent = 3 * steps - 9;
  return exponent === 0 ? String(mantissa) : `${mantissa}e${exponent}`;
}

function reduce(value: bigint, base: bigint, maxSteps: number): { mantissa: bigint; steps: number } {
  let mantissa = value;
  let steps = 0;
  while (steps < maxSteps && mantissa % base === 0n) {
    mantissa /= base;
    steps++;
  }
  return { mantissa, steps };
}

function withSuffix(value: bigint, base: bigint, suffixes: readonly string[]): string {
  const { mantissa, steps } = reduce(value, base, suffixes.length - 1);
  return `${mantissa}${suffixes[steps]}`;
}

const canonicalCache = new Map<string, string>();

/** Parses and writes canonically, as a decode and encode upstream does. */
export function canonicalQuantity(value: string | number): string {
  const text = String(value);
  const known = canonicalCache.get(text);
  if (known !== undefined) return known;
  const canonical = formatQuantity(parseQuantity(value));
  if (canonicalCache.size >= maxCached) canonicalCache.clear();
  if (text.length <= 32) canonicalCache.set(text, canonical);
  return canonical;
}

/** The sum; a zero left side takes the right's format. */
export function addQuantity(a: Quantity, b: Quantity): Quantity {
  return { nanos: a.nanos + b.nanos, format: a.nanos === 0n ? b.format : a.format };
}

/** The difference; a zero left side takes the right's format. */
export function subtractQuantity(a: Quantity, b: Quantity): Quantity {
  return { nanos: a.nanos - b.nanos, format: a.nanos === 0n ? b.format : a.format };
}

export function negateQuantity(a: Quantity): Quantity {
  return { nanos: -a.nanos, format: a.format };
}

/** Negative, zero or positive as `a` is less than, equal to or more than `b`. */
export function compareQuantity(a: Quantity, b: Quantity): number {
  return a.nanos < b.nanos ? -1 : a.nanos > b.nanos ? 1 : 0;
}

/** a / b rounded away from zero, as `Quantity.Value` and `MilliValue` round. */
function divideUp(a: bigint, b: bigint): bigint {
  const quotient = a / b;
  if (quotient * b === a) return quotient;
  return a > 0n ? quotient + 1n : quotient - 1n;
}

/** Whole units, rounded away from zero. Exact below 2^53. */
export function quantityValue(quantity: Quantity): number {
  return Number(divideUp(quantity.nanos, unit));
}

/** Thousandths, rounded away from zero: millicores of a cpu quantity. */
export function quantityMilliValue(quantity: Quantity): number {
  return Number(divideUp(quantity.nanos, 1_000_000n));
}

/** The value as a floating point number, without rounding to units. */
export function quantityAsNumber(quantity: Quantity): number {
  return Number(quantity.nanos) / 1e9;
}

export function isWholeQuantity(quantity: Quantity): boolean {
  return quantity.nanos % unit === 0n;
}

/** A quantity of whole units in a format: memory in BinarySI, counts in DecimalSI. */
export function quantityOf(value: number | bigint, format: Quantity['format'] = 'DecimalSI'): Quantity {
  return { nanos: clamp(BigInt(value) * unit), format };
}

/** A quantity of thousandths: `milliQuantity(250)` is 250m. */
export function milliQuantity(milli: number | bigint, format: Quantity['format'] = 'DecimalSI'): Quantity {
  return { nanos: clamp(BigInt(milli) * 1_000_000n), format };
}

/** Names of resources and their amounts, as in `requests` and `capacity`. */
export type ResourceList = Readonly<Record<string, string | number>>;

/** Adds resource by resource; what is missing counts as nothing. */
export function addResources(a: ResourceList, b: ResourceList): Record<string, string> {
  return combine(a, b, addQuantity);
}

/** Subtracts resource by resource; what is missing counts as nothing. */
export function subtractResources(a: ResourceList, b: ResourceList): Record<string, string> {
  return combine(a, b, subtractQuantity);
}

/** The larger of each resource. */
export function maxResources(a: ResourceList, b: ResourceList): Record<string, string> {
  return combine(a, b, (x, y) => (compareQuantity(x, y) >= 0 ? x : y));
}

function combine(a: ResourceList, b: ResourceList, with_: (x: Quantity, y: Quantity) => Quantity): Record<string, string> {
  const out: Record<string, string> = {};
  for (const name of new Set([...Object.keys(a), ...Object.keys(b)])) {
    const left = a[name];
    const right = b[name];
    const x = left === undefined ? zeroQuantity : parseQuantity(left);
    out[name] = formatQuantity(right === undefined ? with_(x, zeroQuantity) : with_(x, parseQuantity(right)));
  }
  return out;
}
