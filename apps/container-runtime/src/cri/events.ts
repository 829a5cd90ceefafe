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

  subscribe(signal: AbortSignal): AsyncIterable<ContainerEventResponse> {
    const end = (): void => queue.end();
    const queue: AsyncQueue<ContainerEventResponse> = new AsyncQueue(() => {
      signal.removeEventListener('abort', end);
      this.queues.delete(queue);
    });
    this.queues.add(queue);
    signal.addEventListener('abort', end, { once: true });
    return queue;
  }

  close(): void {
    for (const queue of this.queues) queue.end();
  }
}
