import type { Env } from '@orrery/runtime';
import { type AuditEvent, encodeEvent } from './event.ts';

/** An event on its way to one or more back ends: encoded once, when the first asks. */
export class Recorded {
  readonly event: AuditEvent;
  private encoded: Buffer | undefined;

  constructor(event: AuditEvent) {
    this.event = event;
  }

  /** JSON without a line break. */
  get json(): Buffer {
    return (this.encoded ??= encodeEvent(this.event));
  }

  /** The same event without bodies, marked so. */
  truncated(): Recorded {
    const { event } = this;
    return new Recorded({ ...event, requestObject: undefined, responseObject: undefined, annotations: { ...event.annotations, 'audit.k8s.io/truncated': 'true' } });
  }
}

/** Where events go. */
export interface AuditBackend {
  /** `log`, `webhook` or `nats`: the label `plugin` of error metrics. */
  readonly name: string;
  /** Throws or rejects when the events could not be stored. */
  process(events: readonly Recorded[]): void | Promise<void>;
  /** Waits for what is under way. */
  stop(): Promise<void>;
}

export interface AuditMetrics {
  event(): void;
  level(level: string): void;
  /** Events that a back end lost. */
  failed(plugin: string, impacted: number, error: unknown): void;
  rejected(): void;
}

export function auditMetrics({ metrics, log }: Pick<Env, 'metrics' | 'log'>): AuditMetrics {
  const events = metrics.counter('apiserver_audit_event_total', 'Counter of audit events generated and sent to the audit backend.');
  const errors = metrics.counter('apiserver_audit_error_total', 'Counter of audit events that failed to be audited properly. Plugin identifies the plugin affected by the error.');
  const perLevel = metrics.counter('apiserver_audit_level_total', 'Counter of policy levels for audit events (1 per request).');
  const rejected = metrics.counter('apiserver_audit_requests_rejected_total', 'Counter of apiserver requests rejected due to an error in audit logging backend.');
  return {
    event: () => events.inc(),
    level: (level) => perLevel.inc({ level }),
    failed(plugin, impacted, error) {
      errors.inc({ plugin }, impacted);
      log.error('unable to record audit events', { plugin, impacted, error });
    },
    rejected: () => rejected.inc(),
  };
}

/** Bodies of events that are too big are left out; what is too big even so is refused. Batches are split by size. */
export function truncating(backend: AuditBackend, options: { maxEventBytes: number; maxBatchBytes: number; metrics: AuditMetrics }): AuditBackend {
  const { maxEventBytes, maxBatchBytes, metrics } = options;
  const fitting = (recorded: Recorded): Recorded | undefined => {
    if (recorded.json.length <= maxEventBytes) return recorded;
    const { level } = recorded.event;
    const small = level === 'Request' || level === 'RequestResponse' ? recorded.truncated() : recorded;
    if (small.json.length <= maxEventBytes) return small;
    metrics.failed('truncate', 1, new Error('event is too large even after truncating'));
    return undefined;
  };
  const batchesOf = (events: readonly Recorded[]): Recorded[][] => {
    const batches: Recorded[][] = [];
    let bytes = Number.POSITIVE_INFINITY;
    for (const recorded of events.flatMap((one) => fitting(one) ?? [])) {
      const size = recorded.json.length;
      if (bytes + size > maxBatchBytes) {
        batches.push([]);
        bytes = 0;
      }
      batches.at(-1)?.push(recorded);
      bytes += size;
    }
    return batches;
  };
  return {
    name: backend.name,
    process(events) {
      const batches = batchesOf(events);
      if (batches.length === 1) return backend.process(batches[0] as Recorded[]);
      const results = batches.map((batch) => backend.process(batch));
      return results.some((one) => one instanceof Promise) ? Promise.all(results).then(() => undefined) : undefined;
    },
    stop: () => backend.stop(),
  };
}

/** Mode `blocking`: waits for the back end, but its failures are only counted. */
export function forgiving(backend: AuditBackend, metrics: AuditMetrics): AuditBackend {
  const forgive = (events: readonly Recorded[]) => (error: unknown) => metrics.failed(backend.name, events.length, error);
  return {
    name: backend.name,
    process(events) {
      try {
        const done = backend.process(events);
        return done instanceof Promise ? done.catch(forgive(events)) : undefined;
      } catch (error) {
        forgive(events)(error);
        return undefined;
      }
    },
    stop: () => backend.stop(),
  };
}
