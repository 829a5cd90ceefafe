/**
 * A queue with one reader: `push` from anywhere, read with `for await`. Gives a stream of requests or responses to
 * code that is driven by events. Unbounded: the producer watches `size` where the reader may be slow. `left` is called
 * once, when the reader has had all there is to read, or stops.
 */
export class AsyncQueue<T> implements AsyncIterable<T> {
  private items: T[] = [];
  private head = 0;
  private wake: (() => void) | undefined;
  private ended = false;
  private failure: unknown;
  private left: (() => void) | undefined;

  constructor(left?: () => void) {
    this.left = left;
  }

  push(item: T): void {
    if (this.ended) return;
    this.items.push(item);
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
    return this.items.length - this.head;
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

  private next(): Promise<IteratorResult<T>> {
    if (this.head < this.items.length) {
      const value = this.items[this.head++] as T;
      if (this.head === this.items.length) this.clear();
      return Promise.resolve({ done: false, value });
    }
    if (!this.ended) return new Promise((resolve) => (this.wake = () => resolve(this.next())));
    const { failure } = this;
    this.finish();
    return failure === undefined ? Promise.resolve({ done: true, value: undefined }) : Promise.reject(failure as Error);
  }

  private clear(): void {
    this.items = [];
    this.head = 0;
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
