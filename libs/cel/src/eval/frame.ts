import type { CelValue } from '../values.ts';

/** The evaluation took more than its budget: nothing in the expression can absorb it. */
export class CostExceeded extends Error {}

/** One evaluation in progress. */
export class Frame {
  readonly bindings: Readonly<Record<string, unknown>>;
  /** Variables read so far and those of macros, by slot. */
  readonly slots: (CelValue | undefined)[];
  private readonly limit: number;
  cost = 0;

  constructor(options: { readonly bindings: Readonly<Record<string, unknown>>; readonly slots: number; readonly limit: number }) {
    this.bindings = options.bindings;
    this.slots = new Array<CelValue | undefined>(options.slots).fill(undefined);
    this.limit = options.limit;
  }

  /** Throws CostExceeded. */
  charge(units: number): void {
    this.cost += units;
    if (this.cost > this.limit) throw new CostExceeded('operation cancelled: actual cost limit exceeded');
  }
}

/** An expression made ready: what it comes to in a frame. Throws CelError. */
export type Step = (frame: Frame) => CelValue;
