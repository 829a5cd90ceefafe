/** How many at once, and the most at once in the last second: what the gauges of requests in flight show. */
export class Watermark {
  current = 0;
  private highest = 0;
  private last = 0;

  add(by: 1 | -1): void {
    this.current += by;
    if (this.current > this.highest) this.highest = this.current;
  }

  /** Once a second. */
  roll(): void {
    this.last = this.highest;
    this.highest = this.current;
  }

  get recent(): number {
    return Math.max(this.last, this.current);
  }
}

/** Requests of a kind: running and waiting. */
export interface KindCount {
  readonly executing: Watermark;
  readonly waiting: Watermark;
}

const readVerbs = new Set(['get', 'list', 'watch']);

export type RequestKind = 'readOnly' | 'mutating';

export function requestKind(verb: string): RequestKind {
  return readVerbs.has(verb) ? 'readOnly' : 'mutating';
}
