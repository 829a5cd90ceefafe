import { type Pressure, type Signal, type StarvedResource, type Threshold, limitAmount, signals } from './thresholds.ts';

/** What is left of something, and what there is in all: bytes, inodes or process numbers. */
export interface Observation {
  readonly available: number;
  readonly capacity: number;
}

export type Observations = ReadonlyMap<Signal, Observation>;

/** What has to be remembered from one look at the node to the next. */
export interface PressureMemory {
  /** When each threshold that is crossed was first seen so. */
  readonly firstSeenMs: ReadonlyMap<Threshold, number>;
  /** When each condition was last caused by a threshold. */
  readonly lastCausedMs: ReadonlyMap<Pressure, number>;
  /** Crossed for longer than their grace period, and not yet resolved. */
  readonly met: readonly Threshold[];
}

export const noPressure: PressureMemory = { firstSeenMs: new Map(), lastCausedMs: new Map(), met: [] };

/** The thresholds that are crossed; with `reclaim`, those that have not got back what they are to reclaim. */
export function crossed(thresholds: readonly Threshold[], observations: Observations, options: { reclaim: boolean }): Threshold[] {
  return thresholds.filter(({ signal, limit, reclaim }) => {
    const observed = observations.get(signal);
    if (!observed) return false;
    const more = options.reclaim && reclaim ? limitAmount(reclaim, observed.capacity) : 0;
    return observed.available < limitAmount(limit, observed.capacity) + more;
  });
}

/** Memory comes before all else. */
const isMemory = ({ signal }: Threshold): boolean => signals[signal].resource === 'memory';

export interface PressureVerdict {
  readonly memory: PressureMemory;
  /** Conditions of the node: those that a threshold causes now, or did within the transition period. */
  readonly conditions: readonly Pressure[];
  /** What has to be reclaimed now, the most important first. */
  readonly due: readonly Threshold[];
}

/** One look at the node, as upstream's eviction manager takes it: grace periods, minimum reclaim, transition period. Pure. */
export function judgePressure(before: PressureMemory, input: { thresholds: readonly Threshold[]; observations: Observations; nowMs: number; transitionMs: number }): PressureVerdict {
  const { thresholds, observations, nowMs, transitionMs } = input;
  const active = new Set([...crossed(thresholds, observations, { reclaim: false }), ...crossed(before.met, observations, { reclaim: true })]);
  const firstSeenMs = new Map([...active].map((threshold) => [threshold, before.firstSeenMs.get(threshold) ?? nowMs]));
  const lastCausedMs = new Map(before.lastCausedMs);
  for (const { signal } of active) lastCausedMs.set(signals[signal].condition, nowMs);
  const conditions = [...lastCausedMs].filter(([, atMs]) => nowMs - atMs < transitionMs || atMs === nowMs).map(([condition]) => condition);
  const met = [...active].filter((threshold) => nowMs - (firstSeenMs.get(threshold) ?? nowMs) >= threshold.graceMs);
  const due = [...met.filter(isMemory), ...met.filter((threshold) => !isMemory(threshold))];
  return { memory: { firstSeenMs, lastCausedMs, met }, conditions, due };
}

/** The first threshold of those that are due that is about this resource, with what was observed. */
export function whatIsMissing(resource: StarvedResource, due: readonly Threshold[], observations: Observations): { limit: number; available: number } | undefined {
  for (const { signal, limit } of due) {
    const observed = observations.get(signal);
    if (signals[signal].resource === resource && observed) return { limit: limitAmount(limit, observed.capacity), available: observed.available };
  }
  return undefined;
}
