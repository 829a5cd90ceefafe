/** The least and the most of a size or cost; arithmetic ends at 2^64. */
export interface Range {
  readonly min: number;
  readonly max: number;
}

export const unbounded = 2 ** 64;

const cap = (value: number): number => Math.min(value, unbounded);

export const range = (min: number, max = min): Range => ({ min, max });
export const unknown = range(0, unbounded);
export const plus = (...all: readonly Range[]): Range => range(cap(all.reduce((sum, { min }) => sum + min, 0)), cap(all.reduce((sum, { max }) => sum + max, 0)));
export const times = (a: Range, b: Range): Range => range(cap(a.min * b.min), cap(a.max * b.max));
export const union = (a: Range, b: Range): Range => range(Math.min(a.min, b.min), Math.max(a.max, b.max));
/** By a factor, rounded up. */
export const scaled = ({ min, max }: Range, factor: number): Range => range(cap(Math.ceil(min * factor)), cap(Math.ceil(max * factor)));
