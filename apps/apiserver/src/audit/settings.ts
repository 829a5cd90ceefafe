import { ConfigError, type ConfigOf, type ConfigSchema } from '@orrery/runtime';

/** Flags of one back end's batching and truncating; `what` is `log` or `webhook`. */
function backendFields<P extends 'auditLog' | 'auditWebhook'>(prefix: P, defaults: { mode: string; maxSize: number; maxWait: string; throttle: boolean; qps: number; burst: number }) {
  const events = prefix === 'auditLog' ? 'the audit log' : 'the audit webhook';
  const fields = {
    Mode: { type: 'string', default: defaults.mode, choices: ['batch', 'blocking', 'blocking-strict'], help: `how events go to ${events}: batch never waits; blocking waits; blocking-strict also refuses requests whose first event is not stored` },
    BatchBufferSize: { type: 'number', default: 10_000, help: `events that may wait for ${events} in batch mode; more are dropped` },
    BatchMaxSize: { type: 'number', default: defaults.maxSize, help: `most events of a batch for ${events}` },
    BatchMaxWait: { type: 'string', default: defaults.maxWait, help: `a batch for ${events} that is not full leaves after this` },
    BatchThrottleEnable: { type: 'boolean', default: defaults.throttle, help: `limits batches to ${events}` },
    BatchThrottleQps: { type: 'number', default: defaults.qps, help: `batches a second to ${events}` },
    BatchThrottleBurst: { type: 'number', default: defaults.burst, help: `batches to ${events} that may leave at once` },
    Version: { type: 'string', default: 'audit.k8s.io/v1', choices: ['audit.k8s.io/v1'], help: `API version of events for ${events}` },
    TruncateEnabled: { type: 'boolean', default: false, help: `leaves bodies out of events too big for ${events}` },
    TruncateMaxBatchSize: { type: 'number', default: 10 * 1024 * 1024, help: `bytes of a batch for ${events}; bigger ones are split` },
    TruncateMaxEventSize: { type: 'number', default: 100 * 1024, help: `bytes of an event for ${events}; bigger ones lose their bodies` },
  } as const satisfies ConfigSchema;
  return Object.fromEntries(Object.entries(fields).map(([name, field]) => [`${prefix}${name}`, field])) as { [K in keyof typeof fields as `${P}${K}`]: (typeof fields)[K] };
}

/** Settings of auditing, named as upstream's flags. */
export const auditFields = {
  auditPolicyFile: { type: 'string', default: '', help: 'audit.k8s.io/v1 Policy: what is recorded; without it nothing is' },
  auditLogPath: { type: 'string', default: '', help: 'file that audit events are written to; - is standard output' },
  auditLogFormat: { type: 'string', default: 'json', choices: ['json', 'legacy'], help: 'form of the lines of the audit log' },
  auditLogMaxage: { type: 'number', default: 0, help: 'days to keep old audit log files; 0 keeps them' },
  auditLogMaxbackup: { type: 'number', default: 0, help: 'old audit log files to keep; 0 keeps all' },
  auditLogMaxsize: { type: 'number', default: 0, help: 'MiB at which the audit log file is set aside; 0 is 100' },
  auditLogCompress: { type: 'boolean', default: false, help: 'compress old audit log files' },
  ...backendFields('auditLog', { mode: 'blocking', maxSize: 1, maxWait: '0s', throttle: false, qps: 0, burst: 0 }),
  auditWebhookConfigFile: { type: 'string', default: '', help: 'kubeconfig of a webhook that audit events are posted to' },
  auditWebhookInitialBackoff: { type: 'string', default: '10s', help: 'pause before the first retry of a post that failed' },
  ...backendFields('auditWebhook', { mode: 'batch', maxSize: 400, maxWait: '30s', throttle: true, qps: 10, burst: 15 }),
  auditNatsSubject: { type: 'string', default: '', help: 'subject on NATS (--nats-url) that audit events are published on, one message an event' },
} as const satisfies ConfigSchema;

export type AuditSettings = ConfigOf<typeof auditFields>;

/** The batching and truncating of one back end. */
export interface BackendSettings {
  readonly mode: string;
  readonly bufferSize: number;
  readonly maxSize: number;
  readonly maxWaitMs: number;
  readonly throttle: { readonly qps: number; readonly burst: number } | undefined;
  readonly truncate: { readonly maxBatchBytes: number; readonly maxEventBytes: number } | undefined;
}

const units: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1, us: 0.001, µs: 0.001, ns: 0.000_001 };

/** Milliseconds of a Go duration. Throws ConfigError. */
export function durationMs(text: string, flag: string): number {
  if (text === '0') return 0;
  if (!/^(\d+(\.\d+)?(h|ms|m|s|us|µs|ns))+$/.test(text)) throw new ConfigError(`${flag} takes a duration such as 30s, not ${JSON.stringify(text)}`);
  let sum = 0;
  for (const [, count = '0', unit = 's'] of text.matchAll(/(\d+(?:\.\d+)?)(h|ms|m|s|us|µs|ns)/g)) sum += Number(count) * (units[unit] ?? 0);
  return sum;
}

/** Throws ConfigError in upstream's words for numbers that make no sense. */
export function backendSettings(settings: AuditSettings, prefix: 'auditLog' | 'auditWebhook'): BackendSettings {
  const values = settings as unknown as Readonly<Record<string, string | number | boolean>>;
  const name = prefix === 'auditLog' ? 'log' : 'webhook';
  const number = (key: string): number => Number(values[`${prefix}${key}`]);
  const mode = String(values[`${prefix}Mode`]);
  const isBatch = mode === 'batch';
  const [bufferSize, maxSize, qps, burst] = [number('BatchBufferSize'), number('BatchMaxSize'), number('BatchThrottleQps'), number('BatchThrottleBurst')];
  const throttled = values[`${prefix}BatchThrottleEnable`] === true;
  const check = (holds: boolean, why: string): void => {
    if (!holds) throw new ConfigError(`invalid audit batch ${name} ${why}`);
  };
  if (isBatch) {
    check(bufferSize > 0, `buffer size ${bufferSize}, must be a positive number`);
    check(maxSize > 0, `max batch size ${maxSize}, must be a positive number`);
    check(!throttled || qps > 0, `throttle QPS ${qps}, must be a positive number`);
    check(!throttled || burst > 0, `throttle burst ${burst}, must be a positive number`);
  }
  const [maxBatchBytes, maxEventBytes] = [number('TruncateMaxBatchSize'), number('TruncateMaxEventSize')];
  const truncates = values[`${prefix}TruncateEnabled`] === true;
  if (truncates && maxEventBytes <= 0) throw new ConfigError(`invalid audit truncate ${name} max event size ${maxEventBytes}, must be a positive number`);
  if (truncates && maxBatchBytes < maxEventBytes) throw new ConfigError(`invalid audit truncate ${name} max batch size ${maxBatchBytes}, must be greater than max event size (${maxEventBytes})`);
  return {
    mode,
    bufferSize,
    maxSize,
    maxWaitMs: durationMs(String(values[`${prefix}BatchMaxWait`]), `--audit-${name}-batch-max-wait`),
    throttle: throttled ? { qps, burst } : undefined,
    truncate: truncates ? { maxBatchBytes, maxEventBytes } : undefined,
  };
}
