import type { HttpHeaders } from '@orrery/node-io/http-server';
import type { Clock } from '@orrery/runtime';
import { type FlowControl, FlowRefusal, type FlowRequest, type FlowTicket } from '../pipeline/flow-control.ts';
import type { Classifier } from './classification.ts';
import { dumpPage } from './dump.ts';
import type { FlowController } from './flow-controller.ts';
import type { InFlight } from './in-flight.ts';
import type { PriorityLevel } from './priority-level.ts';
import { QueuedRequest } from './queued-request.ts';
import { type KindCount, requestKind } from './watermark.ts';
import type { WatchTracker } from './watch-tracker.ts';
import { type EstimateSources, estimate } from './work-estimate.ts';

const noQuery = new URLSearchParams();
const noSignal = (): undefined => undefined;
/** Longest wait in a queue, however long the request may take. */
const maxWaitMs = 60_000;

class Seated implements FlowTicket {
  readonly headers: HttpHeaders;
  private readonly count: KindCount;
  private readonly level: PriorityLevel;
  private request: QueuedRequest | undefined;

  constructor(level: PriorityLevel, held: { request: QueuedRequest; headers: HttpHeaders; count: KindCount }) {
    this.level = level;
    this.request = held.request;
    this.headers = held.headers;
    this.count = held.count;
    held.count.executing.add(1);
  }

  release(): void {
    const { request } = this;
    if (!request) return;
    this.request = undefined;
    this.count.executing.add(-1);
    this.level.queues.finish(request);
  }
}

export interface FairnessParts {
  readonly clock: Clock;
  readonly controller: FlowController;
  readonly inFlight: InFlight;
  readonly watches: WatchTracker;
  readonly sizeOf: EstimateSources['sizeOf'];
  /** Of requests that say nothing of a time-out of their own. */
  readonly requestTimeoutMs: number;
}

/** API Priority and Fairness as the request pipeline uses it. Costs no promise while seats are free. */
export function priorityAndFairness(parts: FairnessParts): FlowControl {
  const { clock, controller, inFlight, watches, requestTimeoutMs } = parts;
  const sources: EstimateSources = { sizeOf: parts.sizeOf, watchers: (info) => watches.interested(info) };
  const headersOf = headerCache();

  const refused = (level: PriorityLevel, headers: HttpHeaders, request: FlowRequest): FlowRefusal => {
    inFlight.drop(requestKind(request.info.verb));
    return new FlowRefusal(level.retryAfter.refused(clock.monotonic()), headers);
  };

  return {
    acquire(request) {
      const { user, info, query = noQuery, timeoutMs = requestTimeoutMs, signal = noSignal } = request;
      const { schema, level, outcome } = controller.start({
        user,
        info,
        signal,
        waitMs: Math.min(timeoutMs / 4, maxWaitMs),
        estimate: (at, series) => estimate(sources, { info, query, level: at, series }),
      });
      const headers = headersOf(schema, level);
      const count = inFlight[requestKind(info.verb)];
      if (outcome instanceof QueuedRequest) return new Seated(level, { request: outcome, headers, count });
      if (typeof outcome === 'string') throw refused(level, headers, request);
      count.waiting.add(1);
      return outcome.then((decided) => {
        count.waiting.add(-1);
        if (typeof decided === 'string') throw refused(level, headers, request);
        return new Seated(level, { request: decided, headers, count });
      });
    },
    watching: (info, fieldSelector) => watches.begin(info, fieldSelector),
    dump: (page, { details }) => dumpPage(controller.levels.values(), page, { details, clock }),
  };
}

/** The uids of schema and level: names would tell who is thought important. One object a schema. */
function headerCache(): (schema: Classifier, level: PriorityLevel) => HttpHeaders {
  const known = new WeakMap<Classifier, HttpHeaders>();
  return (schema, level) => {
    let headers = known.get(schema);
    if (!headers || headers['x-kubernetes-pf-prioritylevel-uid'] !== level.uid) {
      headers = { 'x-kubernetes-pf-flowschema-uid': schema.uid, 'x-kubernetes-pf-prioritylevel-uid': level.uid };
      known.set(schema, headers);
    }
    return headers;
  };
}
