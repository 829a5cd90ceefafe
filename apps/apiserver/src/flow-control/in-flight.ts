import type { BoundCounter, Clock, Metrics } from '@orrery/runtime';
import { type KindCount, type RequestKind, Watermark } from './watermark.ts';

const kinds: readonly RequestKind[] = ['readOnly', 'mutating'];

/** Requests in flight by kind, their metrics, and how many were turned away. */
export class InFlight {
  readonly readOnly: KindCount = { executing: new Watermark(), waiting: new Watermark() };
  readonly mutating: KindCount = { executing: new Watermark(), waiting: new Watermark() };
  private readonly dropped: Readonly<Record<RequestKind, BoundCounter>>;

  constructor(metrics: Metrics) {
    const dropped = metrics.counter('apiserver_dropped_requests_total', "Number of requests dropped with 'Try again later' response. Use apiserver_request_total with code 429 instead.");
    this.dropped = { readOnly: dropped.with({ request_kind: 'readOnly' }), mutating: dropped.with({ request_kind: 'mutating' }) };
    const gauge = (name: string, help: string, read: (count: KindCount) => number): void =>
      metrics.collect(name, { type: 'gauge', help }, () => kinds.map((kind) => ({ labels: { request_kind: kind }, value: read(this[kind]) })));
    gauge('apiserver_current_inflight_requests', 'Maximal number of currently used inflight request limit of this apiserver per request kind in last second.', ({ executing }) => executing.recent);
    gauge('apiserver_current_inqueue_requests', 'Maximal number of queued requests in this apiserver per request kind in last second.', ({ waiting }) => waiting.recent);
  }

  drop(kind: RequestKind): void {
    this.dropped[kind].inc();
  }

  /** Rolls the marks every second until the signal aborts. */
  start(clock: Clock, signal: AbortSignal): void {
    const marks = kinds.flatMap((kind) => [this[kind].executing, this[kind].waiting]);
    const timer = clock.every(1000, () => marks.forEach((mark) => mark.roll()));
    signal.addEventListener('abort', () => timer.cancel(), { once: true });
  }
}
