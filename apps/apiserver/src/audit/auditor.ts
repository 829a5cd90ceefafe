import { StatusError } from '@orrery/errors';
import type { Env } from '@orrery/runtime';
import type { AuditedRequest, AuditTrail, Auditor } from '../pipeline/audit.ts';
import { type AuditBackend, type AuditMetrics, Recorded, auditMetrics } from './backend.ts';
import type { AuditEvent } from './event.ts';
import { type Policy, policyEvaluator } from './policy.ts';
import { Trail } from './trail.ts';

/** One back end with its modes applied: what it throws counts against the request. */
export interface RunningAuditor extends Auditor {
  stop(): Promise<void>;
}

/** Hands events to all back ends; rejects when one that is strict could not store them. */
function union(backends: readonly AuditBackend[], metrics: AuditMetrics): (event: AuditEvent) => void | Promise<void> {
  return (event) => {
    metrics.event();
    const events = [new Recorded(event)];
    const waits: Promise<void>[] = [];
    let failure: unknown;
    for (const backend of backends) {
      try {
        const done = backend.process(events);
        if (done) waits.push(done.catch((error: unknown) => lost(backend, error)));
      } catch (error) {
        failure = error;
        metrics.failed(backend.name, 1, error);
      }
    }
    if (failure !== undefined) throw failure;
    return waits.length ? Promise.all(waits).then(() => undefined) : undefined;
  };
  function lost(backend: AuditBackend, error: unknown): never {
    metrics.failed(backend.name, 1, error);
    throw error;
  }
}

function notStored(): StatusError {
  const message = 'Internal error occurred: failed to store audit event';
  return new StatusError({ code: 500, reason: 'InternalError', message, details: { causes: [{ message: 'failed to store audit event' }] } });
}

/** Records requests as the policy wants; one an API server. */
export function createAuditor(env: Env, { policy, backends }: { policy: Policy; backends: readonly AuditBackend[] }): RunningAuditor {
  const metrics = auditMetrics(env);
  const evaluate = policyEvaluator(policy);
  const deliver = union(backends, metrics);
  /** Stages after the first cannot fail the request any more. */
  const emit = (event: AuditEvent): void | Promise<void> => {
    if (event.stage === 'RequestReceived') return deliver(event);
    try {
      const done = deliver(event);
      return done?.catch(() => undefined);
    } catch {
      return undefined;
    }
  };
  const trailOf = (request: AuditedRequest): Trail | undefined => {
    const verdict = evaluate(request.user, request.info);
    metrics.level(verdict.level);
    return verdict.level === 'None' ? undefined : new Trail(request, { verdict, clock: env.clock, emit });
  };
  const refuse = (): never => {
    metrics.rejected();
    throw notStored();
  };
  return {
    begin(request): AuditTrail | undefined | Promise<AuditTrail | undefined> {
      const trail = trailOf(request);
      if (!trail) return undefined;
      try {
        const done = trail.received();
        return done ? done.then(() => trail, refuse) : trail;
      } catch {
        return refuse();
      }
    },
    refused(request, status) {
      trailOf(request)?.refused(status);
    },
    async stop() {
      await Promise.all(backends.map((backend) => backend.stop()));
    },
  };
}
