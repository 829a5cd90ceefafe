import type { PriorityLevelConfiguration, PriorityLevelConfigurationSpec } from '@orrery/api/types';
import type { QueueConfig, QueueSet } from './queue-set.ts';
import { RetryAfter } from './retry-after.ts';
import { type DemandObservation, DemandStats, type Integrator } from './seat-demand.ts';

/** Of nominal seats; a single request gets no more (with the hand size, upstream's bound on estimates). */
const maxSeatsShare = 0.15;

/** Shares and percentages of a level, whichever type it is. */
export function sharesOf({ exempt, limited }: PriorityLevelConfigurationSpec): { shares: number; lendable: number; borrowing: number | undefined } {
  if (limited) return { shares: limited.nominalConcurrencyShares ?? 30, lendable: limited.lendablePercent ?? 0, borrowing: limited.borrowingLimitPercent };
  return { shares: exempt?.nominalConcurrencyShares ?? 0, lendable: exempt?.lendablePercent ?? 0, borrowing: undefined };
}

/** How a specification queues; undefined when it contradicts itself: such a level counts as missing. */
export function queueConfigOf({ metadata, spec }: PriorityLevelConfiguration): QueueConfig | undefined {
  if (!spec || (spec.type === 'Limited') !== (spec.limited !== undefined)) return undefined;
  if ((spec.type === 'Exempt') !== (metadata?.name === 'exempt')) return undefined;
  const { limitResponse } = spec.limited ?? {};
  const queuing = limitResponse?.queuing;
  if (spec.limited && (limitResponse?.type === 'Reject') !== (queuing === undefined)) return undefined;
  return { queues: queuing?.queues ?? 0, handSize: queuing?.handSize ?? 0, queueLengthLimit: queuing?.queueLengthLimit ?? 0, exempt: spec.type === 'Exempt' };
}

/** A priority level at work: its share of the server's seats and who holds them. */
export class PriorityLevel {
  readonly name: string;
  readonly queues: QueueSet;
  readonly demand = new DemandStats();
  readonly retryAfter = new RetryAfter();
  private readonly integrator: Integrator;
  object: PriorityLevelConfiguration;
  config: QueueConfig;
  /** Its object is gone; it goes when it is idle. */
  quiescing = false;
  nominal = 0;
  lower = 0;
  upper = 0;
  current = 0;
  target = 0;
  /** Seats that one request may be estimated at; 0 no bound of this level's. */
  maxSeats = 0;

  constructor(parts: { object: PriorityLevelConfiguration; config: QueueConfig; queues: QueueSet; integrator: Integrator }) {
    this.object = parts.object;
    this.config = parts.config;
    this.queues = parts.queues;
    this.integrator = parts.integrator;
    this.name = parts.object.metadata?.name ?? '';
  }

  get uid(): string {
    return this.object.metadata?.uid ?? '';
  }

  get spec(): PriorityLevelConfigurationSpec {
    return this.object.spec as PriorityLevelConfigurationSpec;
  }

  /** Its bounds out of all shares and all seats. */
  size(total: { seats: number; shares: number }): void {
    const { shares, lendable, borrowing } = sharesOf(this.spec);
    this.nominal = total.shares > 0 ? Math.ceil((total.seats * shares) / total.shares) : 0;
    this.lower = this.nominal - Math.round((this.nominal * lendable) / 100);
    this.upper = this.nominal + (borrowing === undefined ? total.seats : Math.round((this.nominal * borrowing) / 100));
    const { handSize } = this.config;
    this.maxSeats = handSize > 0 ? Math.max(1, Math.min(Math.ceil(this.nominal * maxSeatsShare), Math.trunc(this.nominal / handSize))) : 0;
  }

  /** Looks at what was wanted since last time; returns what it may get and would like. */
  bid(nowMs: number): { lower: number; upper: number; target: number } {
    const seen: DemandObservation = this.integrator.reset(nowMs);
    this.demand.update(seen);
    const lower = Math.max(this.lower, Math.min(this.nominal, seen.highWatermark));
    this.target = Math.max(lower, this.demand.smoothed);
    return { lower, upper: this.upper, target: this.target };
  }

  grant(seats: number): void {
    this.current = seats;
    this.queues.configure(this.config, seats);
  }
}
