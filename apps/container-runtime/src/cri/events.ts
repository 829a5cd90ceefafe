import { AsyncQueue } from '@orrery/rpc';
import type { ContainerEventResponse } from '@orrery/proto/cri';

/** Events to every subscriber, in the order they happen. A subscriber sees what happens after it subscribed. */
export class EventBus {
  private readonly queues = new Set<AsyncQueue<ContainerEventResponse>>();

  get active(): boolean {
    return this.queues.size > 0;
  }

  publish(event: ContainerEventResponse): void {
    for (const queue of this.queues) queue.push(event);
  }

  async *subscribe(signal: AbortSignal): AsyncGenerator<ContainerEventResponse> {
    const queue = new AsyncQueue<ContainerEventResponse>();
    this.queues.add(queue);
    const end = (): void => queue.end();
    signal.addEventListener('abort', end, { once: true });
    try {
      yield* queue;
    } finally {
      signal.removeEventListener('abort', end);
      this.queues.delete(queue);
    }
  }

  close(): void {
    for (const queue of this.queues) queue.end();
  }
}
