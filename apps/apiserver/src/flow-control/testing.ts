import { VirtualClock, createMetrics } from '@orrery/runtime';
import type { RequestInfo, UserInfo } from '../pipeline/request-info.ts';
import { FlowMetrics } from './flow-metrics.ts';
import { QueueSet, type QueueConfig } from './queue-set.ts';
import { type QueuedRequest, type Work, oneSeat } from './queued-request.ts';

export const someInfo: RequestInfo = { isResource: true, path: '/api/v1/pods', verb: 'get', group: '', version: 'v1', resource: 'pods', subresource: '', namespace: 'default', name: 'x' };
export const someUser: UserInfo = { username: 'u', groups: ['system:authenticated'] };

export interface Sent {
  readonly flow: string;
  /** Undefined while it waits. */
  outcome: QueuedRequest | string | undefined;
  /** Where it came in the order of decisions. */
  order: number;
}

/** A queue set on a virtual clock, and requests sent to it. */
export class QueueBench {
  readonly clock = new VirtualClock();
  readonly metrics = createMetrics();
  readonly set: QueueSet;
  readonly series;
  private decisions = 0;

  constructor(config: Partial<QueueConfig>, limit: number) {
    const flow = new FlowMetrics(this.metrics, this.clock);
    this.series = flow.seriesOf('level', 'schema');
    this.set = new QueueSet('level', { clock: this.clock, gauges: flow.gaugesOf('level') });
    this.set.configure({ queues: 0, handSize: 0, queueLengthLimit: 0, exempt: false, ...config }, limit);
  }

  send(flow: string, more: { work?: Work; waitMs?: number; signal?: AbortSignal } = {}): Sent {
    const { work = oneSeat, waitMs = 1_000_000, signal } = more;
    const sent: Sent = { flow, outcome: undefined, order: 0 };
    const decide = (outcome: QueuedRequest | string): void => {
      sent.outcome = outcome;
      sent.order = ++this.decisions;
    };
    const outcome = this.set.start({ series: this.series, distinguisher: flow, work, user: someUser, info: someInfo, waitMs, signal: () => signal });
    if (outcome instanceof Promise) void outcome.then(decide);
    else decide(outcome);
    return sent;
  }

  /** Serves `sent` for `ms`, then frees its seats. */
  async serve(sent: Sent, ms: number): Promise<void> {
    await this.clock.advance(ms);
    this.finish(sent);
    await this.clock.advance(0);
  }

  finish({ outcome }: Sent): void {
    if (typeof outcome !== 'object') throw new Error('it does not run');
    this.set.finish(outcome);
  }
}
