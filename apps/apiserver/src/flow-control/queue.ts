import type { QueuedRequest } from './queued-request.ts';

/** One of a level's queues. `nextDispatchR` is the virtual time at which its next request begins; seat-milliseconds. */
export class Queue {
  readonly index: number;
  /** In order of arrival. */
  readonly waiting = new Set<QueuedRequest>();
  executing = 0;
  seatsInUse = 0;
  waitingWork = 0;
  nextDispatchR = 0;

  constructor(index: number) {
    this.index = index;
  }

  get oldest(): QueuedRequest | undefined {
    return this.waiting.size ? (this.waiting.values().next().value as QueuedRequest) : undefined;
  }

  get active(): boolean {
    return this.waiting.size > 0 || this.executing > 0;
  }

  /**
   * Nothing begins before it came: a queue that cannot use its share must not save it up against the others. (Upstream's
   * "anti-windup".)
   */
  bound(): void {
    const { oldest } = this;
    if (oldest && this.nextDispatchR < oldest.arrivalR) this.nextDispatchR = oldest.arrivalR;
  }
}
