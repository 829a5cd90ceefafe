import type { FlowSchema, PriorityLevelConfiguration } from '@orrery/api/types';
import type { Clock } from '@orrery/runtime';
import type { RequestInfo, UserInfo } from '../pipeline/request-info.ts';
import { allocate } from './allocation.ts';
import { type Classifier, classifier, flowOf, inMatchingOrder } from './classification.ts';
import type { FlowMetrics } from './flow-metrics.ts';
import type { FlowSeries, RejectReason } from './flow-series.ts';
import { PriorityLevel, queueConfigOf, sharesOf } from './priority-level.ts';
import { QueueSet } from './queue-set.ts';
import type { QueuedRequest, Work } from './queued-request.ts';

/** How often seats move between levels; upstream's period. */
export const borrowingPeriodMs = 10_000;

export interface Asked {
  readonly user: UserInfo;
  readonly info: RequestInfo;
  readonly waitMs: number;
  readonly signal: () => AbortSignal | undefined;
  /** What it is expected to cost, once its level is known. */
  readonly estimate: (level: PriorityLevel, series: FlowSeries) => Work;
}

/** Where a request was put, and what came of it. */
export interface Placed {
  readonly schema: Classifier;
  readonly level: PriorityLevel;
  readonly outcome: QueuedRequest | RejectReason | Promise<QueuedRequest | RejectReason>;
}

export interface MandatoryObjects {
  readonly levels: readonly PriorityLevelConfiguration[];
  readonly schemas: readonly FlowSchema[];
}

/**
 * API Priority and Fairness over the configuration objects: classifies requests, keeps a queue set for each level and moves
 * seats between levels. The mandatory objects take effect even while they are missing.
 */
export class FlowController {
  readonly levels = new Map<string, PriorityLevel>();
  fairFraction = 0;
  private schemas: readonly Classifier[] = [];
  private readonly series = new Map<Classifier, FlowSeries>();
  private readonly clock: Clock;
  private readonly seats: number;
  private readonly metrics: FlowMetrics;
  private readonly mandatory: MandatoryObjects;

  constructor(options: { clock: Clock; seats: number; metrics: FlowMetrics; mandatory: MandatoryObjects }) {
    this.clock = options.clock;
    this.seats = options.seats;
    this.metrics = options.metrics;
    this.mandatory = options.mandatory;
    options.metrics.register(() => this.levels.values(), () => this.fairFraction);
    this.digest([], []);
  }

  /** Takes the configuration as it is now. Broken levels count as missing, schemas of missing levels match nothing. */
  digest(levels: readonly PriorityLevelConfiguration[], schemas: readonly FlowSchema[]): void {
    const named = new Set(levels.map((level) => level.metadata?.name));
    const kept = new Set<string>();
    for (const object of [...levels, ...this.mandatory.levels.filter((level) => !named.has(level.metadata?.name))]) {
      const name = this.adopt(object);
      if (name !== undefined) kept.add(name);
    }
    for (const [name, level] of this.levels) {
      if (kept.has(name)) continue;
      if (level.queues.idle) this.levels.delete(name);
      else level.quiescing = true;
    }
    this.adoptSchemas(schemas, kept);
    this.resize();
  }

  /** Deals seats anew by what was wanted; every `borrowingPeriodMs`. */
  rebalance(): void {
    for (const [name, level] of this.levels) {
      level.queues.settle();
      if (level.quiescing && level.queues.idle) this.levels.delete(name);
    }
    this.resize();
  }

  start(asked: Asked): Placed {
    const { user, info } = asked;
    const schema = this.schemaFor(user, info);
    const level = this.levels.get(schema.level) as PriorityLevel;
    const series = this.series.get(schema) as FlowSeries;
    const work = asked.estimate(level, series);
    series.histograms.estimatedSeats.observe(Math.max(work.initialSeats, work.finalSeats));
    const distinguisher = flowOf(schema, user, info);
    return { schema, level, outcome: level.queues.start({ series, distinguisher, work, user, info, waitMs: asked.waitMs, signal: asked.signal }) };
  }

  private schemaFor(user: UserInfo, info: RequestInfo): Classifier {
    const { schemas } = this;
    for (const schema of schemas) if (schema.matches(user, info)) return schema;
    // Every user is in a group of the catch-all; one who is in none is treated as if.
    return schemas.find(({ name }) => name === 'catch-all') ?? (schemas.at(-1) as Classifier);
  }

  private adopt(object: PriorityLevelConfiguration): string | undefined {
    const config = queueConfigOf(object);
    const name = object.metadata?.name;
    if (!config || name === undefined) return undefined;
    const known = this.levels.get(name);
    if (known) {
      Object.assign(known, { object, config, quiescing: false });
      return name;
    }
    const gauges = this.metrics.gaugesOf(name);
    const queues = new QueueSet(name, { clock: this.clock, gauges });
    this.levels.set(name, new PriorityLevel({ object, config, queues, integrator: gauges.demand }));
    return name;
  }

  private adoptSchemas(schemas: readonly FlowSchema[], levels: ReadonlySet<string>): void {
    const given = schemas.filter(({ spec }) => levels.has(spec?.priorityLevelConfiguration?.name ?? ''));
    const named = new Set(given.map(({ metadata }) => metadata?.name));
    const missing = this.mandatory.schemas.filter(({ metadata }) => !named.has(metadata?.name));
    this.schemas = inMatchingOrder([...given, ...missing].map(classifier));
    this.series.clear();
    for (const schema of this.schemas) this.series.set(schema, this.metrics.seriesOf(schema.level, schema.name));
  }

  private resize(): void {
    const levels = [...this.levels.values()];
    const shares = levels.reduce((sum, level) => sum + sharesOf(level.spec).shares, 0);
    for (const level of levels) level.size({ seats: this.seats, shares });
    const now = this.clock.monotonic();
    const total = levels.reduce((sum, level) => sum + level.nominal, 0);
    const dealt = allocate(total, levels.map((level) => level.bid(now)));
    if (dealt) this.fairFraction = dealt.fairFraction;
    for (const [i, level] of levels.entries()) level.grant(dealt ? Math.round(dealt.seats[i] as number) : level.current || level.nominal);
  }
}
