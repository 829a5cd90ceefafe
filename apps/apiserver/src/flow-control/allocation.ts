/** What one level may get and would like, in seats. */
export interface AllocationItem {
  readonly lower: number;
  readonly upper: number;
  readonly target: number;
}

/** A level that wants nothing still gets a share of what nobody wants. */
const leastTarget = 0.001;
const rounds = 100;

function given({ lower, upper, target }: AllocationItem, fraction: number): number {
  return Math.min(upper, Math.max(lower, fraction * Math.max(leastTarget, target)));
}

/**
 * Deals `total` seats: every level gets the same fraction of its target, within its bounds. Undefined when the bounds do not
 * admit the total.
 */
export function allocate(total: number, items: readonly AllocationItem[]): { seats: number[]; fairFraction: number } | undefined {
  const sumAt = (fraction: number): number => items.reduce((sum, item) => sum + given(item, fraction), 0);
  const tolerance = 1e-6 * Math.max(1, total);
  if (sumAt(0) > total + tolerance) return undefined;
  let high = Math.max(1, ...items.map(({ upper, target }) => upper / Math.max(leastTarget, target)));
  if (sumAt(high) < total - tolerance) return undefined;
  let low = 0;
  for (let i = 0; i < rounds && high - low > Number.EPSILON * high; i++) {
    const middle = (low + high) / 2;
    if (sumAt(middle) < total) low = middle;
    else high = middle;
  }
  return { seats: items.map((item) => given(item, high)), fairFraction: high };
}
