const suffixes: Readonly<Record<string, bigint>> = {
  n: 1n, u: 1_000n, m: 1_000_000n, '': 10n ** 9n, k: 10n ** 12n, M: 10n ** 15n, G: 10n ** 18n, T: 10n ** 21n, P: 10n ** 24n, E: 10n ** 27n,
  Ki: 10n ** 9n * 1024n, Mi: 10n ** 9n * 1024n ** 2n, Gi: 10n ** 9n * 1024n ** 3n,
  Ti: 10n ** 9n * 1024n ** 4n, Pi: 10n ** 9n * 1024n ** 5n, Ei: 10n ** 9n * 1024n ** 6n,
};

/** The value in billionths, rounded up as upstream rounds; undefined when the text is no quantity. */
export function quantityNanos(text: unknown): bigint | undefined {
  const match = /^([+-]?)(\d*)(?:\.(\d*))?(?:([eE][+-]?\d+)|([numkMGTPE]|[KMGTPE]i)?)$/.exec(String(text));
  if (!match) return undefined;
  const [, sign = '', whole = '', fraction = '', exponent, suffix = ''] = match;
  if (whole === '' && fraction === '') return undefined;
  const power = exponent ? Number(exponent.slice(1)) : 0;
  if (Math.abs(power) > 60) return undefined;
  let value = BigInt(whole + fraction) * (suffixes[suffix] ?? 0n);
  const shift = power - fraction.length;
  if (shift >= 0) value *= 10n ** BigInt(shift);
  else {
    const divisor = 10n ** BigInt(-shift);
    value = (value + divisor - 1n) / divisor;
  }
  return sign === '-' ? -value : value;
}

/** Negative, zero or positive, as `a` is less than, equal to or greater than `b`; what is no quantity counts as 0. */
export function compareQuantities(a: unknown, b: unknown): number {
  const left = quantityNanos(a) ?? 0n;
  const right = quantityNanos(b) ?? 0n;
  return left < right ? -1 : left > right ? 1 : 0;
}

/** Whole units, e.g. of extended resources. */
export function isWholeQuantity(text: unknown): boolean {
  return (quantityNanos(text) ?? 0n) % 10n ** 9n === 0n;
}
