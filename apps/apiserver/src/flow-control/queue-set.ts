import type { Clock } from '@orrery/runtime';
import type { RejectReason, TimingRatio } from './flow-series.ts';
import { Hands } from './hands.ts';
import { type DispatchBounds, nextRequest, noBounds } from './next-request.ts';
import { Queue } from './queue.ts';
import { type Arrival, QueuedRequest, serviceMs } from './queued-request.ts';
import type { Integrator } from './seat-demand.ts';

/** How a level queues: no queues refuses what finds no seat, `exempt` limits nothing. */
export interface QueueConfig {
  readonly queues: number;
  readonly handSize: number;
  readonly queueLengthLimit: number;
  readonly exempt: boolean;
}

/** What a queue set tells of itself as it goes; ratios are of its limits. */
export interface QueueSetGauges {
  readonly demand: Integrator;
  readonly demandRatio: TimingRatio;
  readonly waitingRatio: TimingRatio;
  readonly executingRatio: TimingRatio;
  readonly seatsRatio: TimingRatio;
}

/**
 * The seats of one priority level and who waits for them: fair queuing for server requests over shuffle-sharded queues. The
 * request that would finish first in a world where all busy queues share the seats evenly goes next (the KEP of API Priority
 * and Fairness; `queueset.go` upstream). Costs O(1) while nothing waits. Deterministic: time comes from the clock alone.
 */
export class QueueSet {
  readonly name: string;
  readonly executing = new Set<QueuedRequest>();
  readonly bounds: DispatchBounds = { ...noBounds };
  readonly totals = { dispatched: 0, rejected: 0, timedOut: 0, cancelled: 0 };
  queues: Queue[] = [];
  seatsInUse = 0;
  seatsWaiting = 0;
  waiting = 0;
  /** The progress of a queue that is always busy: the level's virtual time. */
  currentR = 0;
  private readonly clock: Clock;
  private readonly gauges: QueueSetGauges;
  private readonly hands = new Hands();
  private config: QueueConfig = { queues: 0, handSize: 0, queueLengthLimit: 0, exempt: false };
  private limit = 0;
  private lastMs: number;
  private activeQueues = 0;
  private robin = 0;
  private enqueues = 0;

  constructor(name: string, options: { clock: Clock; gauges: QueueSetGauges }) {
    this.name = name;
    this.clock = options.clock;
    this.gauges = options.gauges;
    this.lastMs = options.clock.monotonic();
  }

  get idle(): boolean {
    return this.waiting === 0 && this.executing.size === 0;
  }

  get isExempt(): boolean {
    return this.config.exempt;
  }

  /** Takes a new shape or limit; who waits stays where he is. */
  configure(config: QueueConfig, limit: number): void {
    const now = this.advance();
    this.hands.reshape(config.queues, config.handSize);
    this.config = config;
    this.limit = limit;
    for (let i = this.queues.length; i < config.queues; i++) this.queues.push(new Queue(i));
    this.trim();
    const { demandRatio, waitingRatio, executingRatio, seatsRatio } = this.gauges;
    demandRatio.setDenominator(limit, now);
    waitingRatio.setDenominator(Math.max(1, config.queueLengthLimit) * Math.max(1, config.queues), now);
    executingRatio.setDenominator(limit, now);
    seatsRatio.setDenominator(limit, now);
    this.dispatchAll(now);
  }

  /** A running request (hand it to `finish`), why it is refused, or a promise of either when it has to wait. */
  start(arrival: Arrival): QueuedRequest | RejectReason | Promise<QueuedRequest | RejectReason> {
    const now = this.advance();
    const { series, work } = arrival;
    const seats = Math.max(work.initialSeats, work.finalSeats);
    if (this.config.queues < 1) {
      if (!this.accommodates(seats)) return this.refuse(arrival, 'concurrency-limit');
      return this.execute(new QueuedRequest(arrival, { queue: undefined, r: this.currentR, nowMs: now }), now);
    }
    const queue = this.choose(arrival);
    if (!queue.active) queue.nextDispatchR = this.currentR;
    const request = new QueuedRequest(arrival, { queue, r: this.currentR, nowMs: now });
    if (this.waiting === 0 && this.seatsInUse < this.limit && this.accommodates(seats)) {
      if (queue.nextDispatchR < request.arrivalR) queue.nextDispatchR = request.arrivalR;
      this.leaveQueue(request, now);
      return this.execute(request, now);
    }
    if (this.seatsInUse >= this.limit && queue.waiting.size >= this.config.queueLengthLimit) return this.refuse(arrival, 'queue-full');
    const decided = new Promise<QueuedRequest | RejectReason>((resolve) => (request.settle = resolve));
    this.enqueue(request, now);
    series.histograms.queueLength.observe(queue.waiting.size);
    this.dispatchAll(now);
    return decided;
  }

  /** The request was answered; its seats are free now or when its linger is over. Call once. */
  finish(request: QueuedRequest): void {
    const now = this.advance();
    const { queue, work, arrival } = request;
    const { series } = arrival;
    this.executing.delete(request);
    series.executing -= 1;
    this.gauges.executingRatio.set(this.executing.size, now);
    const serviceTook = now - request.startedMs;
    (arrival.info.verb === 'watch' ? series.histograms.executedWatch : series.histograms.executedRegular).observe(serviceTook / 1000);
    if (queue) {
      queue.executing -= 1;
      if (!queue.active) this.activeQueues -= 1;
      // The estimate that was charged at dispatch gives way to what it took.
      queue.nextDispatchR -= work.initialSeats * (serviceMs - serviceTook);
      queue.bound();
    }
    if (work.lingerMs <= 0) return this.release(request, now);
    this.clock.after(work.lingerMs, () => this.release(request, this.advance()));
    this.dispatchAll(now);
  }

  /** Settles the histograms that are weighted by time. */
  settle(): void {
    const now = this.advance();
    const { demandRatio, waitingRatio, executingRatio, seatsRatio } = this.gauges;
    for (const ratio of [demandRatio, waitingRatio, executingRatio, seatsRatio]) ratio.settle(now);
  }

  private release(request: QueuedRequest, now: number): void {
    const { queue, seats, arrival } = request;
    this.seatsInUse -= seats;
    arrival.series.executingSeats -= seats;
    if (queue) queue.seatsInUse -= seats;
    this.gauges.seatsRatio.set(this.seatsInUse, now);
    this.noteDemand(now);
    if (this.queues.length > this.config.queues) this.trim();
    this.dispatchAll(now);
  }

  /** Moves virtual time to now: it runs at the rate of seats that each busy queue gets. */
  private advance(): number {
    const now = this.clock.monotonic();
    const elapsed = now - this.lastMs;
    this.lastMs = now;
    if (elapsed > 0 && this.activeQueues > 0) this.currentR += (elapsed * Math.min(this.seatsInUse + this.seatsWaiting, this.limit)) / this.activeQueues;
    return now;
  }

  /** The queue of the flow's hand with the least work waiting; where the look begins goes round, so that hands that overlap share. */
  private choose({ series, distinguisher }: Arrival): Queue {
    const hand = this.hands.of(`${series.schema}\n${distinguisher}`);
    const offset = this.enqueues++ % hand.length;
    let best = this.queues[hand[offset] as number] as Queue;
    for (let i = 1; i < hand.length && best.waitingWork > 0; i++) {
      const queue = this.queues[hand[(offset + i) % hand.length] as number] as Queue;
      if (queue.waitingWork < best.waitingWork) best = queue;
    }
    return best;
  }

  private refuse({ series }: Arrival, reason: RejectReason): RejectReason {
    this.totals.rejected += 1;
    series.reject(reason);
    return reason;
  }

  private enqueue(request: QueuedRequest, now: number): void {
    const { arrival, seats } = request;
    const queue = request.queue as Queue;
    if (!queue.active) this.activeQueues += 1;
    queue.waiting.add(request);
    queue.waitingWork += request.totalWork;
    queue.bound();
    this.countWaiting(request, { by: 1, seats, now });
    const signal = arrival.signal();
    if (signal?.aborted) return this.giveUp(request, 'cancelled');
    const cancelled = (): void => this.giveUp(request, 'cancelled');
    signal?.addEventListener('abort', cancelled, { once: true });
    request.unlisten = () => signal?.removeEventListener('abort', cancelled);
    request.timer = this.clock.after(arrival.waitMs, () => this.giveUp(request, 'time-out'));
  }

  private giveUp(request: QueuedRequest, reason: 'time-out' | 'cancelled'): void {
    const now = this.advance();
    const queue = request.queue as Queue;
    if (!queue.waiting.delete(request)) return;
    request.stopWaiting();
    queue.waitingWork -= request.totalWork;
    if (!queue.active) this.activeQueues -= 1;
    queue.bound();
    this.countWaiting(request, { by: -1, seats: request.seats, now });
    this.totals[reason === 'time-out' ? 'timedOut' : 'cancelled'] += 1;
    request.arrival.series.histograms.waitedRejected.observe((now - request.arrivedMs) / 1000);
    this.refuse(request.arrival, reason);
    request.settle?.(reason);
    // The head of its queue may be one that fits now.
    this.dispatchAll(now);
  }

  private countWaiting({ arrival }: QueuedRequest, { by, seats, now }: { by: 1 | -1; seats: number; now: number }): void {
    this.waiting += by;
    this.seatsWaiting += by * seats;
    arrival.series.waiting += by;
    arrival.series.waitingSeats += by * seats;
    this.gauges.waitingRatio.set(this.waiting, now);
    this.noteDemand(now);
  }

  private noteDemand(now: number): void {
    const demand = this.seatsInUse + this.seatsWaiting;
    this.gauges.demand.set(demand, now);
    this.gauges.demandRatio.set(demand, now);
  }

  private accommodates(seats: number): boolean {
    if (this.config.exempt) return true;
    // What wants more than there is gets all of it, alone.
    if (seats > this.limit) return this.executing.size === 0;
    return this.seatsInUse + seats <= this.limit;
  }

  private dispatchAll(now: number): void {
    while (this.waiting > 0 && this.seatsInUse < this.limit) {
      const request = this.next();
      if (!request) return;
      const queue = request.queue as Queue;
      queue.waiting.delete(request);
      queue.waitingWork -= request.totalWork;
      if (!queue.active) this.activeQueues -= 1;
      request.stopWaiting();
      this.countWaiting(request, { by: -1, seats: request.seats, now });
      this.leaveQueue(request, now);
      queue.bound();
      request.settle?.(this.execute(request, now));
    }
  }

  /** Who is next; undefined when that one does not fit yet: nobody overtakes it. */
  private next(): QueuedRequest | undefined {
    const { bounds } = this;
    const found = nextRequest(this.queues, this.robin, bounds);
    if (!found) return undefined;
    const { request, index } = found;
    if (!this.accommodates(request.seats)) {
      request.arrival.series.noAccommodation += 1;
      return undefined;
    }
    this.robin = index;
    bounds.r = this.currentR;
    bounds.s = (request.queue as Queue).nextDispatchR;
    return request;
  }

  /** Charges its queue with the work it is estimated to be. */
  private leaveQueue(request: QueuedRequest, now: number): void {
    const queue = request.queue as Queue;
    const { finalSeats, lingerMs } = request.work;
    if (!queue.active) this.activeQueues += 1;
    queue.executing += 1;
    queue.nextDispatchR += request.totalWork;
    if (finalSeats > this.limit) {
      // The same work on fewer seats takes longer.
      const seats = Math.max(1, this.limit);
      request.work = { ...request.work, finalSeats: seats, lingerMs: (finalSeats * lingerMs) / seats };
    }
    queue.seatsInUse += request.seats;
    request.arrival.series.histograms.waitedExecuted.observe((now - request.arrivedMs) / 1000);
  }

  private execute(request: QueuedRequest, now: number): QueuedRequest {
    const { series } = request.arrival;
    request.startedMs = now;
    this.executing.add(request);
    this.totals.dispatched += 1;
    this.seatsInUse += request.seats;
    series.executing += 1;
    series.executingSeats += request.seats;
    series.dispatched += 1;
    this.gauges.executingRatio.set(this.executing.size, now);
    this.gauges.seatsRatio.set(this.seatsInUse, now);
    this.noteDemand(now);
    return request;
  }

  /** Queues beyond the configured ones go when they are empty, the last first. */
  private trim(): void {
    while (this.queues.length > this.config.queues && !(this.queues.at(-1) as Queue).active) {
      if ((this.queues.at(-1) as Queue).seatsInUse > 0) return;
      this.queues.pop();
    }
    if (this.robin >= this.queues.length) this.robin = 0;
  }
}
