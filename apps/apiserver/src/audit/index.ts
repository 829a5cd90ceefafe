import type { Bus } from '@orrery/bus';
import { createHttpClient } from '@orrery/node-io/http-client';
import { loadKubeconfig } from '@orrery/node-io/kubeconfig';
import { rotatingFile, standardOutput } from '@orrery/node-io/rotating-file';
import { readTextFile } from '@orrery/node-io/text-file';
import { ConfigError, type Env } from '@orrery/runtime';
import { type RunningAuditor, createAuditor } from './auditor.ts';
import { type AuditBackend, auditMetrics, forgiving, truncating } from './backend.ts';
import { buffered } from './buffered.ts';
import { logBackend } from './log-backend.ts';
import { natsBackend } from './nats-backend.ts';
import { type Policy, loadPolicy } from './policy.ts';
import { type AuditSettings, type BackendSettings, backendSettings, durationMs } from './settings.ts';
import { webhookBackend } from './webhook-backend.ts';

export type { RunningAuditor } from './auditor.ts';

function policyOf(path: string): Policy {
  try {
    return loadPolicy(readTextFile(path), path);
  } catch (error) {
    const why = error instanceof ConfigError ? error.message : `failed to read file path ${JSON.stringify(path)}: ${(error as Error).message}`;
    throw new ConfigError(`loading audit policy file: ${why}`);
  }
}

function logOf(env: Env, settings: AuditSettings): AuditBackend {
  const { auditLogPath: path, auditLogFormat, auditLogMaxage, auditLogMaxbackup, auditLogMaxsize, auditLogCompress } = settings;
  const file = {
    path,
    maxMegabytes: auditLogMaxsize,
    maxAgeDays: auditLogMaxage,
    maxBackups: auditLogMaxbackup,
    compress: auditLogCompress,
    now: () => env.clock.now(),
    onError: (error: unknown) => env.log.warn('cannot tidy up old audit logs', { error }),
  };
  return logBackend(path === '-' ? standardOutput() : rotatingFile(file), auditLogFormat === 'legacy' ? 'legacy' : 'json');
}

function webhookOf(env: Env, settings: AuditSettings): AuditBackend {
  const access = loadKubeconfig(settings.auditWebhookConfigFile);
  const url = new URL(access.server);
  const { ca, cert, key, insecureSkipTlsVerify, serverName } = access;
  const client = createHttpClient({
    server: url.origin,
    ...(ca ? { ca } : {}),
    ...(cert && key ? { cert, key } : {}),
    ...(insecureSkipTlsVerify ? { insecureSkipTlsVerify } : {}),
    ...(serverName ? { serverName } : {}),
  });
  const initialBackoffMs = durationMs(settings.auditWebhookInitialBackoff, '--audit-webhook-initial-backoff');
  return webhookBackend({ client, path: `${url.pathname}${url.search}`, token: access.token, initialBackoffMs, clock: env.clock });
}

function withModes(env: Env, backend: AuditBackend, settings: BackendSettings): AuditBackend {
  const metrics = auditMetrics(env);
  const { truncate, mode } = settings;
  const sized = truncate ? truncating(backend, { ...truncate, metrics }) : backend;
  if (mode === 'blocking-strict') return sized;
  return mode === 'blocking' ? forgiving(sized, metrics) : buffered(sized, { ...settings, clock: env.clock, metrics });
}

/** What the settings ask for; undefined when nothing is to be recorded. Throws ConfigError for settings that cannot work. */
export function auditorOf(env: Env, settings: AuditSettings, bus: Bus | undefined): RunningAuditor | undefined {
  const { auditPolicyFile, auditLogPath, auditWebhookConfigFile, auditNatsSubject } = settings;
  if (!auditPolicyFile) {
    if (auditLogPath || auditWebhookConfigFile || auditNatsSubject) env.log.warn('no audit policy file provided, no events will be recorded');
    return undefined;
  }
  const policy = policyOf(auditPolicyFile);
  const backends: AuditBackend[] = [];
  if (auditLogPath) backends.push(withModes(env, logOf(env, settings), backendSettings(settings, 'auditLog')));
  if (auditWebhookConfigFile) backends.push(withModes(env, webhookOf(env, settings), backendSettings(settings, 'auditWebhook')));
  if (auditNatsSubject) {
    if (!bus) throw new ConfigError('--audit-nats-subject needs --nats-url');
    backends.push(forgiving(natsBackend(bus, auditNatsSubject), auditMetrics(env)));
  }
  return backends.length ? createAuditor(env, { policy, backends }) : undefined;
}
