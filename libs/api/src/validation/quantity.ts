import { compareQuantity, isWholeQuantity as isWhole, tryParseQuantity, zeroQuantity } from '@orrery/apimachinery';

/** Negative, zero or positive, as `a` is less than, equal to or greater than `b`; what is no quantity counts as 0 (the schema reports it). */
export function compareQuantities(a: unknown, b: unknown): number {
  return compareQuantity(tryParseQuantity(a) ?? zeroQuantity, tryParseQuantity(b) ?? zeroQuantity);
}

/** Whole units, e.g. of extended resources. */
export function isWholeQuantity(value: unknown): boolean {
  return isWhole(tryParseQuantity(value) ?? zeroQuantity);
}
