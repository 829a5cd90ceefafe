import { AsyncQueue } from '@orrery/rpc';
import { type ContainerEventResponse, ContainerEventType, type ContainerStatus, type PodSandboxStatus } from '@orrery/proto/cri';
import type { Sandbox } from './sandbox.ts';

/**
 * Something happened to a sandbox or a container of it. The statuses that go with it are put together when they are read: a kubelet in the same
 * process does not. Those of an end are of that moment, for what has ended may be removed at once.
 */
export class SandboxEvent implements ContainerEventResponse {
  readonly containerId: string;
  readonly containerEventType: ContainerEventType;
  readonly createdAt: bigint;
  private readonly sandbox: Sandbox;
  private readonly last: ContainerStatus[] | undefined;

  constructor(sandbox: Sandbox, { id, type, createdAt }: { id: string; type: ContainerEventType; createdAt: bigint }) {
    this.containerId = id;
    this.containerEventType = type;
    this.createdAt = createdAt;
    this.sandbox = sandbox;
    this.last = type === ContainerEventType.CONTAINER_STOPPED_EVENT ? sandbox.containersStatuses() : undefined;
  }

  get podSandboxStatus(): PodSandboxStatus {
    return this.sandbox.status();
  }

  get containersStatuses(): ContainerStatus[] {
    return this.last ?? this.sandbox.containersStatuses();
  }
}

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
