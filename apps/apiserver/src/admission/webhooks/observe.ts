import type { Env } from '@orrery/runtime';
import { StatusError } from '@orrery/errors';
import { CallFailure, Rejection } from './call.ts';
import type { Hook } from './hook.ts';

/** What metrics call mutating and validating webhooks. */
export type WebhookType = 'admit' | 'validating';

/** Measures calls, logs failures, and tells which failures are let pass. */
export interface Observer {
  /** Runs one call; undefined when it failed and the webhook fails open. Throws what else it threw. */
  watch<T>(call: { hook: Hook; operation: string; failedOpen(): void }, run: () => Promise<T>): Promise<T | undefined>;
}

const buckets = [0.005, 0.025, 0.1, 0.5, 1, 2.5, 10, 25];

function codeOf(error: unknown): number {
  if (error instanceof CallFailure) return error.code;
  if (error instanceof Rejection) return error.status.code;
  return error instanceof StatusError ? error.code : 0;
}

function errorType(error: unknown): string {
  if (error instanceof CallFailure) return 'calling_webhook_error';
  return error instanceof Rejection ? 'no_error' : 'apiserver_internal_error';
}

/** Metrics are shared by both kinds of webhook. */
export function observers(env: Pick<Env, 'clock' | 'metrics' | 'log'>): (type: WebhookType) => Observer {
  const { metrics, clock, log } = env;
  const duration = metrics.histogram('apiserver_admission_webhook_admission_duration_seconds', 'Admission webhook latency histogram in seconds, identified by name and broken out for each operation and API resource and type (validate or admit).', buckets);
  const requests = metrics.counter('apiserver_admission_webhook_request_total', 'Admission webhook request total, identified by name and broken out for each admission type (validating or mutating) and operation.');
  const rejections = metrics.counter('apiserver_admission_webhook_rejection_count', 'Admission webhook rejection count, identified by name and broken out for each admission type (validating or admit) and operation.');
  const open = metrics.counter('apiserver_admission_webhook_fail_open_count', 'Admission webhook fail open count, identified by name and broken out for each admission type (validating or mutating).');
  return (type) => ({
    async watch({ hook, operation, failedOpen }, run) {
      const { name, failurePolicy } = hook.webhook;
      const start = clock.monotonic();
      const seen = (rejected: boolean, code: number): void => {
        duration.observe((clock.monotonic() - start) / 1000, { name, type, operation, rejected: String(rejected) });
        requests.inc({ name, type, operation, rejected: String(rejected), code: String(Math.min(code, 600)) });
      };
      try {
        const result = await run();
        seen(false, 200);
        return result;
      } catch (error) {
        const isOpen = error instanceof CallFailure && failurePolicy === 'Ignore';
        seen(!isOpen, codeOf(error));
        if (!isOpen) {
          rejections.inc({ name, type, operation, error_type: errorType(error), rejection_code: String(Math.min(codeOf(error), 600)) });
          throw error;
        }
        open.inc({ name, type });
        log.warn('failed calling webhook, failing open', { webhook: name, error: error.message });
        failedOpen();
        return undefined;
      }
    },
  });
}
