/** Something open that ends cleanly when told to: a watch. */
export interface Endable {
  cancel(reason: Error): void;
}

/**
 * What is under way on the front ends, REST and gRPC: short requests, which a stopping server finishes, and long-running ones, which it
 * ends.
 */
export class Traffic {
  private readonly long = new Set<Endable>();
  private short = 0;
  private onIdle: (() => void) | undefined;
  private onEnded: (() => void) | undefined;
  private stopping: Error | undefined;

  /** Short requests under way. */
  get inFlight(): number {
    return this.short;
  }

  /** Watches and streams that are open. */
  get longRunning(): number {
    return this.long.size;
  }

  /** True once the server is about to go: replies end their connections. */
  get isDraining(): boolean {
    return this.stopping !== undefined;
  }

  /** A request begins; returns how to say that it ended. */
  begin(exchange: Endable, isLongRunning: boolean): () => void {
    if (isLongRunning) {
      this.long.add(exchange);
      return () => {
        this.long.delete(exchange);
        if (this.long.size === 0) this.onEnded?.();
      };
    }
    this.short += 1;
    return () => {
      this.short -= 1;
      if (this.short === 0) this.onIdle?.();
    };
  }

  /** From here on replies end their connections. */
  drain(reason: Error): void {
    this.stopping = reason;
  }

  endLongRunning(): void {
    for (const exchange of [...this.long]) exchange.cancel(this.stopping ?? new Error('the server is stopping'));
  }

  /** Resolves when no short request is under way. */
  idle(): Promise<void> {
    return this.short === 0 ? Promise.resolve() : new Promise((resolve) => (this.onIdle = resolve));
  }

  /** Resolves when nothing long-running is open. */
  ended(): Promise<void> {
    return this.long.size === 0 ? Promise.resolve() : new Promise((resolve) => (this.onEnded = resolve));
  }
}
