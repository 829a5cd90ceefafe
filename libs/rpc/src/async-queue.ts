/**
 * A queue with one reader: `push` from anywhere, read with `for await`. Gives a stream of requests or responses to
 * code that is driven by events. Unbounded: the producer watches `size` where the reader may be slow.
 */
export class AsyncQueue<T> implements AsyncIterable<T> {
  private items: T[] = [];
  private head = 0;
  private wake: (() => void) | undefined;
  private ended = false;
  private failure: unknown;

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

  async *[Symbol.asyncIterator](): AsyncIterator<T> {
    try {
      for (;;) {
        while (this.head < this.items.length) yield this.items[this.head++] as T;
        this.items = [];
        this.head = 0;
        if (this.ended) break;
        await new Promise<void>((resolve) => (this.wake = resolve));
      }
      if (this.failure !== undefined) throw this.failure;
    } finally {
      this.ended = true;
      this.items = [];
      this.head = 0;
    }
  }

  private notify(): void {
    const wake = this.wake;
    this.wake = undefined;
    wake?.();
  }
}
