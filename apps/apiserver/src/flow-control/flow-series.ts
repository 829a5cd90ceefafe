import type { BoundHistogram } from '@orrery/runtime';

export type RejectReason = 'queue-full' | 'concurrency-limit' | 'time-out' | 'cancelled';

/** Where the distributions of one flow schema at one level go. */
export interface FlowHistograms {
  readonly waitedExecuted: BoundHistogram;
  readonly waitedRejected: BoundHistogram;
  readonly executedRegular: BoundHistogram;
  readonly executedWatch: BoundHistogram;
  readonly queueLength: BoundHistogram;
  readonly estimatedSeats: BoundHistogram;
  readonly watchCount: BoundHistogram;
}

/** The counts of one flow schema at one priority level: plain numbers that are read when metrics are. */
export class FlowSeries {
  readonly level: string;
  readonly schema: string;
  readonly histograms: FlowHistograms;
  readonly rejected = new Map<RejectReason, number>();
  executing = 0;
  executingSeats = 0;
  waiting = 0;
  waitingSeats = 0;
  dispatched = 0;
  /** Attempts at dispatch that found too few free seats. */
  noAccommodation = 0;

  constructor(level: string, schema: string, histograms: FlowHistograms) {
    this.level = level;
    this.schema = schema;
    this.histograms = histograms;
  }

  reject(reason: RejectReason): void {
    this.rejected.set(reason, (this.rejected.get(reason) ?? 0) + 1);
  }
}

const nanosecondsPerMs = 1e6;

/** A histogram of a ratio, weighted by time: as if observed at the end of every nanosecond. */
export class TimingRatio {
  private readonly histogram: BoundHistogram;
  private value = 0;
  private denominator = 1;
  private sinceMs: number;

  constructor(histogram: BoundHistogram, nowMs: number) {
    this.histogram = histogram;
    this.sinceMs = nowMs;
  }

  set(value: number, nowMs: number): void {
    if (value === this.value) return;
    this.settle(nowMs);
    this.value = value;
  }

  setDenominator(denominator: number, nowMs: number): void {
    this.settle(nowMs);
    this.denominator = Math.max(1, denominator);
  }

  settle(nowMs: number): void {
    const elapsed = nowMs - this.sinceMs;
    if (elapsed <= 0) return;
    this.sinceMs = nowMs;
    this.histogram.add(this.value / this.denominator, elapsed * nanosecondsPerMs);
  }
}
