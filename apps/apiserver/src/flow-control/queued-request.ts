import type { Timer } from '@orrery/runtime';
import type { RequestInfo, UserInfo } from '../pipeline/request-info.ts';
import type { FlowSeries, RejectReason } from './flow-series.ts';
import type { Queue } from './queue.ts';

/** What a request is expected to cost: seats while it runs, then seats for a while after it was answered. */
export interface Work {
  readonly initialSeats: number;
  readonly finalSeats: number;
  /** Milliseconds that the final seats are held after the answer. */
  readonly lingerMs: number;
}

export const oneSeat: Work = { initialSeats: 1, finalSeats: 0, lingerMs: 0 };

/** A request as it comes to a level. */
export interface Arrival {
  readonly series: FlowSeries;
  /** Which flow of its schema; with the schema's name the source of its hand of queues. */
  readonly distinguisher: string;
  readonly work: Work;
  readonly user: UserInfo;
  readonly info: RequestInfo;
  /** How long it may wait. */
  readonly waitMs: number;
  /** Aborts when nobody waits for the answer any more; asked for only when the request is queued. */
  readonly signal: () => AbortSignal | undefined;
}

/** How long a request is expected to run until it is known: upstream's figure. Milliseconds. */
export const serviceMs = 3;

/** One request while it waits or runs. */
export class QueuedRequest {
  readonly arrival: Arrival;
  readonly queue: Queue | undefined;
  /** The level's progress when it came; seat-milliseconds. */
  readonly arrivalR: number;
  readonly arrivedMs: number;
  work: Work;
  startedMs = 0;
  settle: ((outcome: QueuedRequest | RejectReason) => void) | undefined;
  timer: Timer | undefined;
  unlisten: (() => void) | undefined;

  constructor(arrival: Arrival, at: { queue: Queue | undefined; r: number; nowMs: number }) {
    this.arrival = arrival;
    this.work = arrival.work;
    this.queue = at.queue;
    this.arrivalR = at.r;
    this.arrivedMs = at.nowMs;
  }

  /** Seats reserved for both of its phases. */
  get seats(): number {
    return Math.max(this.work.initialSeats, this.work.finalSeats);
  }

  /** Seat-milliseconds. */
  get totalWork(): number {
    const { initialSeats, finalSeats, lingerMs } = this.work;
    return initialSeats * serviceMs + finalSeats * lingerMs;
  }

  /** Stops whatever would end its wait. */
  stopWaiting(): void {
    this.timer?.cancel();
    this.unlisten?.();
    this.timer = undefined;
    this.unlisten = undefined;
  }
}
