import type { KeyRange } from '@orrery/mvcc';

/** A union of key ranges. Touching ranges count as one: [a, b) and [b, c) together cover [a, c), as in etcd. */
export class KeyCoverage {
  private readonly starts: string[] = [];
  private readonly ends: string[] = [];

  constructor(ranges: readonly KeyRange[]) {
    for (const { start, end } of [...ranges].sort((a, b) => (a.start < b.start ? -1 : 1))) {
      if (start >= end) continue;
      const last = this.ends.length - 1;
      const lastEnd = this.ends[last];
      if (lastEnd !== undefined && start <= lastEnd) {
        if (end > lastEnd) this.ends[last] = end;
      } else {
        this.starts.push(start);
        this.ends.push(end);
      }
    }
  }

  covers({ start, end }: KeyRange): boolean {
    let [low, high] = [0, this.starts.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.starts[middle] as string) <= start) low = middle + 1;
      else high = middle;
    }
    return low > 0 && end <= (this.ends[low - 1] as string);
  }
}
