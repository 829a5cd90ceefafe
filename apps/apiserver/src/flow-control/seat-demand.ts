/** What a level wanted over one period, weighted by time. Seats. */
export interface DemandObservation {
  readonly average: number;
  readonly deviation: number;
  readonly highWatermark: number;
}

/** Integrates a value over time. */
export class Integrator {
  private value = 0;
  private sinceMs: number;
  private startMs: number;
  private sum = 0;
  private squares = 0;
  private max = 0;

  constructor(nowMs: number) {
    this.sinceMs = nowMs;
    this.startMs = nowMs;
  }

  set(value: number, nowMs: number): void {
    this.settle(nowMs);
    this.value = value;
    if (value > this.max) this.max = value;
  }

  /** What was since the last reset. */
  reset(nowMs: number): DemandObservation {
    this.settle(nowMs);
    const duration = nowMs - this.startMs;
    const average = duration > 0 ? this.sum / duration : this.value;
    const variance = duration > 0 ? this.squares / duration - average * average : 0;
    const seen = { average, deviation: Math.sqrt(Math.max(0, variance)), highWatermark: this.max };
    this.startMs = nowMs;
    this.sum = 0;
    this.squares = 0;
    this.max = this.value;
    return seen;
  }

  private settle(nowMs: number): void {
    const elapsed = nowMs - this.sinceMs;
    this.sinceMs = nowMs;
    if (elapsed <= 0) return;
    this.sum += this.value * elapsed;
    this.squares += this.value * this.value * elapsed;
  }
}

/** Falls to half in about five minutes of adjustments every ten seconds; upstream's figure. */
const smoothing = 0.977;

/** Demand as levels are dealt seats by: jumps up at once, comes down slowly. */
export class DemandStats {
  latest: DemandObservation = { average: 0, deviation: 0, highWatermark: 0 };
  smoothed = 0;

  update(observation: DemandObservation): void {
    this.latest = observation;
    const envelope = observation.average + observation.deviation;
    this.smoothed = Math.max(envelope, smoothing * this.smoothed + (1 - smoothing) * envelope);
  }
}
