/** Lets so many pulls run at a time; the others wait for their turn, in the order in which they came. */
export class PullGate {
  private readonly limit: number;
  private readonly waiting: (() => void)[] = [];
  private running = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  async run<T>(pull: () => Promise<T>): Promise<T> {
    if (this.running >= this.limit) await new Promise<void>((resolve) => this.waiting.push(resolve));
    else this.running++;
    try {
      return await pull();
    } finally {
      // The place goes to the next in line as it is.
      const next = this.waiting.shift();
      if (next) next();
      else this.running--;
    }
  }
}

/** How many images a kubelet pulls at a time, by its settings. */
export function parallelPulls({ serializeImagePulls, maxParallelImagePulls }: { serializeImagePulls: boolean; maxParallelImagePulls: number }): number {
  if (serializeImagePulls) return 1;
  return maxParallelImagePulls > 0 ? maxParallelImagePulls : Infinity;
}
