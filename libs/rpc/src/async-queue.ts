const settled = Promise.resolve();
/** An array of so many places is used again. */
const keptPlaces = 16;

/**
 * A queue with one reader: `push` from anywhere, read with `for await`, or all of it with `each`. Gives a stream of requests or responses to
 * code that is driven by events. Unbounded: the producer watches `size` where the reader may be slow. `left` is called
 * once, when the reader has had all there is to read, or stops.
 */
export class AsyncQueue<T> implements AsyncIterable<T> {
  private items: (T | undefined)[] = [];
  private head = 0;
  private tail = 0;
  private wake: (() => void) | undefined;
  private ended = false;
  private failure: unknown;
  private left: (() => void) | undefined;

  constructor(left?: () => void) {
    this.left = left;
  }

  push(item: T): void {
    if (this.ended) return;
    this.items[this.tail++] = item;
    this.notify();
  }

  /** Ends the stream after what is queued; with an error, the reader then throws it. */
  end(error?: unknown): void {
    if (this.ended) return;
    this.ended = true;
    this.failure = error;
    this.notify();
  }

  get size(): number {
    return this.tail - this.head;
  }

  [Symbol.asyncIterator](): AsyncIterator<T> {
    return {
      next: () => this.next(),
      return: async () => {
        this.finish();
        this.notify();
        return { done: true, value: undefined };
      },
    };
  }

  /**
   * Hands over everything, what came together in one go, a moment after it was pushed. Resolves at the end; rejects with the error that ended
   * the stream, or that `use` threw, which ends it as well.
   */
  each(use: (item: T) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const drain = (): void => {
        try {
          while (this.head < this.tail) use(this.take());
        } catch (error) {
          this.finish();
          reject(error as Error);
          return;
        }
        if (!this.ended) {
          this.wake = wait;
          return;
        }
        const { failure } = this;
        this.finish();
        if (failure === undefined) resolve();
        else reject(failure as Error);
      };
      const wait = (): void => void settled.then(drain);
      wait();
    });
  }

  private take(): T {
    const item = this.items[this.head] as T;
    this.items[this.head++] = undefined;
    if (this.head === this.tail) this.clear();
    return item;
  }

  private next(): Promise<IteratorResult<T>> {
    if (this.head < this.tail) return Promise.resolve({ done: false, value: this.take() });
    if (!this.ended) return new Promise((resolve) => (this.wake = () => resolve(this.next())));
    const { failure } = this;
    this.finish();
    return failure === undefined ? Promise.resolve({ done: true, value: undefined }) : Promise.reject(failure as Error);
  }

  private clear(): void {
    if (this.head < this.tail || this.items.length > keptPlaces) this.items = [];
    this.head = this.tail = 0;
  }

  private finish(): void {
    const { left } = this;
    this.ended = true;
    this.failure = undefined;
    this.left = undefined;
    this.clear();
    left?.();
  }

  private notify(): void {
    const wake = this.wake;
    this.wake = undefined;
    wake?.();
  }
}
