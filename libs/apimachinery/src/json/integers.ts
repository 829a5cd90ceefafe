/**
 * Integers that a double cannot hold. Upstream's decoder keeps whole numbers up to 64 bits and makes floats of bigger ones
 * (sigs.k8s.io/json); here the former are bigints wherever no schema says otherwise, and all others plain numbers.
 */

interface RawJson {
  rawJSON(text: string): unknown;
}

// So that JSON.stringify writes them, wherever in an object they are.
Object.defineProperty(BigInt.prototype, 'toJSON', {
  configurable: true,
  writable: true,
  value(this: bigint): unknown {
    return (JSON as unknown as RawJson).rawJSON(this.toString());
  },
});

const least = -(2n ** 63n);
const most = 2n ** 63n - 1n;

/** The value of a JSON number: a bigint for an integer of at most 64 bits that would lose digits. Infinite for what is too big for a double. */
export function numberOf(literal: string): number | bigint {
  const value = Number(literal);
  if (Number.isSafeInteger(value) || !/^-?\d+$/.test(literal) || String(value) === literal) return value;
  const exact = BigInt(literal);
  return exact >= least && exact <= most ? exact : value;
}

/** Sixteen digits after what comes before a value; in a string it may be something else, which does no harm. */
const longInteger = /[:[,]\s*-?\d{16}/;

function exactly(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  return typeof value === 'number' && !Number.isSafeInteger(value) && context?.source !== undefined ? numberOf(context.source) : value;
}

/** May the text hold integers that JSON.parse would round? */
export const hasLongIntegers = (text: string): boolean => longInteger.test(text);

/** JSON.parse, but integers of up to 64 bits keep their digits. Of text nested no deeper than `maxJsonDepth`. */
export function parseExactly(text: string): unknown {
  return longInteger.test(text) ? (JSON.parse(text, exactly as Parameters<typeof JSON.parse>[1]) as unknown) : (JSON.parse(text) as unknown);
}

