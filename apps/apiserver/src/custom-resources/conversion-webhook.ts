import type { ConversionWebhook } from '@orrery/api';
import type { Env } from '@orrery/runtime';
import type { Caller } from '../admission/webhooks/caller.ts';

/** Upstream gives a conversion this long, whatever the request allows. */
const timeoutSeconds = 30;
const buckets = [0.001, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5, 10, 15, 20, 30];

/** Asks the conversion webhooks of definitions over HTTPS, and measures it. */
export function conversionWebhook(env: Env, caller: Caller): ConversionWebhook {
  const durations = env.metrics.histogram('apiserver_crd_conversion_webhook_duration_seconds', 'CRD webhook conversion duration in seconds', buckets);
  return {
    async ask({ config, body }) {
      const started = env.clock.monotonic();
      let failed = true;
      try {
        const reply = await caller({ config, timeoutSeconds, body });
        failed = false;
        return reply;
      } finally {
        const seconds = (env.clock.monotonic() - started) / 1000;
        durations.observe(seconds, failed ? { result: 'failure', failure_type: 'webhook_call_failure' } : { result: 'success', failure_type: '' });
      }
    },
    uid: () => env.random.uuid(),
  };
}
