import type { Clock, Labels, Metrics, Sample } from '@orrery/runtime';
import { FlowSeries, TimingRatio } from './flow-series.ts';
import { Integrator } from './seat-demand.ts';
import type { PriorityLevel } from './priority-level.ts';
import type { QueueSetGauges } from './queue-set.ts';

const prefix = 'apiserver_flowcontrol_';
const waitBuckets = [0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30];
const lengthBuckets = [0, 10, 25, 50, 100, 250, 500, 1000];
const seatUtilization = [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1];
const requestUtilization = [0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.25, 0.5, 0.75, 1];
const demandBuckets = [0.2, 0.4, 0.6, 0.8, 1, 1.2, 1.4, 1.7, 2, 2.8, 4, 6];
const readWriteBuckets = [0, 0.001, 0.01, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1];

/** Seat-milliseconds as seat-seconds. */
const seatSeconds = (r: number): number => (Number.isFinite(r) ? r / 1000 : 0);

/** The metrics `apiserver_flowcontrol_*`: named, typed and labelled as upstream's; counts are read from the series when scraped. */
export class FlowMetrics {
  private readonly clock: Clock;
  private readonly series = new Map<string, FlowSeries>();
  private readonly histogram: (name: string, help: string, buckets: readonly number[]) => ReturnType<Metrics['histogram']>;
  private readonly bind: (labels: Labels) => FlowSeries['histograms'];
  private readonly metrics: Metrics;

  constructor(metrics: Metrics, clock: Clock) {
    this.clock = clock;
    this.metrics = metrics;
    this.histogram = (name, help, buckets) => metrics.histogram(`${prefix}${name}`, help, buckets);
    const waited = this.histogram('request_wait_duration_seconds', 'Length of time a request spent waiting in its queue', waitBuckets);
    const executed = this.histogram('request_execution_seconds', 'Duration of initial stage (for a WATCH) or any (for a non-WATCH) stage of request execution in the API Priority and Fairness subsystem', waitBuckets);
    const length = this.histogram('request_queue_length_after_enqueue', 'Length of queue in the API Priority and Fairness subsystem, as seen by each request after it is enqueued', lengthBuckets);
    const seats = this.histogram('work_estimated_seats', 'Number of estimated seats (maximum of initial and final seats) associated with requests in API Priority and Fairness', [1, 2, 4, 10]);
    const watches = this.histogram('watch_count_samples', 'count of watchers for mutating requests in API Priority and Fairness', [0, 1, 10, 100, 1000, 10_000]);
    this.bind = (labels) => ({
      waitedExecuted: waited.with({ ...labels, execute: 'true' }),
      waitedRejected: waited.with({ ...labels, execute: 'false' }),
      executedRegular: executed.with({ ...labels, type: 'regular' }),
      executedWatch: executed.with({ ...labels, type: 'watch' }),
      queueLength: length.with(labels),
      estimatedSeats: seats.with(labels),
      watchCount: watches.with(labels),
    });
  }

  seriesOf(level: string, schema: string): FlowSeries {
    const key = `${level}\n${schema}`;
    let found = this.series.get(key);
    if (!found) this.series.set(key, (found = new FlowSeries(level, schema, this.bind({ priority_level: level, flow_schema: schema }))));
    return found;
  }

  gaugesOf(level: string): QueueSetGauges {
    const now = this.clock.monotonic();
    const ratio = (name: string, help: string, buckets: readonly number[], labels: Labels = {}): TimingRatio =>
      new TimingRatio(this.histogram(name, help, buckets).with({ priority_level: level, ...labels }), now);
    const requests = (phase: string): TimingRatio =>
      ratio('priority_level_request_utilization', 'Observations, at the end of every nanosecond, of number of requests (as a fraction of the relevant limit) waiting or in any stage of execution (but only initial stage for WATCHes)', requestUtilization, { phase });
    return {
      demand: new Integrator(now),
      demandRatio: ratio('demand_seats', 'Observations, at the end of every nanosecond, of (the number of seats each priority level could use) / (nominal number of seats for that level)', demandBuckets),
      waitingRatio: requests('waiting'),
      executingRatio: requests('executing'),
      seatsRatio: ratio('priority_level_seat_utilization', 'Observations, at the end of every nanosecond, of utilization of seats for any stage of execution (but only initial stage for WATCHes)', seatUtilization, { phase: 'executing' }),
    };
  }

  /** Of reads or writes, waiting or running, as a fraction of what may. */
  readWrite(phase: 'waiting' | 'executing', kind: 'readOnly' | 'mutating'): TimingRatio {
    const histogram = this.histogram('read_vs_write_current_requests', 'Observations, at the end of every nanosecond, of the number of requests (as a fraction of the relevant limit) waiting or in regular stage of execution', readWriteBuckets);
    return new TimingRatio(histogram.with({ phase, request_kind: kind }), this.clock.monotonic());
  }

  /** Registers what is read from levels and series; once. */
  register(levels: () => Iterable<PriorityLevel>, fairFraction: () => number): void {
    this.registerSeries();
    this.registerLevels(levels);
    this.metrics.gaugeFn(`${prefix}seat_fair_frac`, "Fair fraction of server's concurrency to allocate to each priority level that can use it", fairFraction);
  }

  private registerSeries(): void {
    const { metrics, series } = this;
    const family = (name: string, about: { type: 'counter' | 'gauge'; help: string }, read: (one: FlowSeries) => number): void =>
      metrics.collect(`${prefix}${name}`, about, () => [...series.values()].map((one) => ({ labels: { priority_level: one.level, flow_schema: one.schema }, value: read(one) })));
    family('dispatched_requests_total', { type: 'counter', help: 'Number of requests executed by API Priority and Fairness subsystem' }, (s) => s.dispatched);
    family('current_inqueue_requests', { type: 'gauge', help: 'Number of requests currently pending in queues of the API Priority and Fairness subsystem' }, (s) => s.waiting);
    family('current_inqueue_seats', { type: 'gauge', help: 'Number of seats currently pending in queues of the API Priority and Fairness subsystem' }, (s) => s.waitingSeats);
    family('current_executing_requests', { type: 'gauge', help: 'Number of requests in initial (for a WATCH) or any (for a non-WATCH) execution stage in the API Priority and Fairness subsystem' }, (s) => s.executing);
    const seats = 'Concurrency (number of seats) occupied by the currently executing (initial stage for a WATCH, any stage otherwise) requests in the API Priority and Fairness subsystem';
    family('current_executing_seats', { type: 'gauge', help: seats }, (s) => s.executingSeats);
    family('request_concurrency_in_use', { type: 'gauge', help: seats }, (s) => s.executingSeats);
    family('request_dispatch_no_accommodation_total', { type: 'counter', help: 'Number of times a dispatch attempt resulted in a non accommodation due to lack of available seats' }, (s) => s.noAccommodation);
    metrics.collect(`${prefix}rejected_requests_total`, { type: 'counter', help: 'Number of requests rejected by API Priority and Fairness subsystem' }, function* (): Iterable<Sample> {
      for (const one of series.values()) for (const [reason, value] of one.rejected) yield { labels: { priority_level: one.level, flow_schema: one.schema, reason }, value };
    });
  }

  private registerLevels(levels: () => Iterable<PriorityLevel>): void {
    const gauge = (name: string, help: string, read: (level: PriorityLevel) => number): void =>
      this.metrics.collect(`${prefix}${name}`, { type: 'gauge', help }, () => [...levels()].map((level) => ({ labels: { priority_level: level.name }, value: read(level) })));
    gauge('nominal_limit_seats', 'Nominal number of execution seats configured for each priority level', (l) => l.nominal);
    gauge('lower_limit_seats', 'Configured lower bound on number of execution seats available to each priority level', (l) => l.lower);
    gauge('upper_limit_seats', 'Configured upper bound on number of execution seats available to each priority level', (l) => l.upper);
    gauge('current_limit_seats', 'current derived number of execution seats available to each priority level', (l) => l.current);
    gauge('request_concurrency_limit', 'Nominal number of execution seats configured for each priority level', (l) => l.nominal);
    gauge('demand_seats_high_watermark', 'High watermark, over last adjustment period, of demand_seats', (l) => l.demand.latest.highWatermark);
    gauge('demand_seats_average', 'Time-weighted average, over last adjustment period, of demand_seats', (l) => l.demand.latest.average);
    gauge('demand_seats_stdev', 'Time-weighted standard deviation, over last adjustment period, of demand_seats', (l) => l.demand.latest.deviation);
    gauge('demand_seats_smoothed', 'Smoothed seat demands', (l) => l.demand.smoothed);
    gauge('target_seats', 'Seat allocation targets', (l) => l.target);
    gauge('current_r', 'R(time of last change)', (l) => seatSeconds(l.queues.currentR));
    gauge('dispatch_r', 'R(time of last dispatch)', (l) => seatSeconds(l.queues.bounds.r));
    gauge('latest_s', 'S(most recently dispatched request)', (l) => seatSeconds(l.queues.bounds.s));
    const bounds = (name: string, help: string, read: (level: PriorityLevel) => readonly [number, number]): void =>
      this.metrics.collect(`${prefix}${name}`, { type: 'gauge', help }, () =>
        [...levels()].flatMap((level) => read(level).map((value, i) => ({ labels: { priority_level: level.name, bound: i ? 'max' : 'min' }, value: seatSeconds(value) }))),
      );
    bounds('next_s_bounds', 'min and max, over queues, of S(oldest waiting request in queue)', ({ queues }) => [queues.bounds.min, queues.bounds.max]);
    bounds('next_discounted_s_bounds', 'min and max, over queues, of S(oldest waiting request in queue) - estimated work in progress', ({ queues }) => [queues.bounds.discountedMin, queues.bounds.discountedMax]);
  }
}
