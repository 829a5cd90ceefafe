import { VirtualClock, createMetrics } from '@orrery/runtime';
import type { HttpRequest, HttpResponse } from '@orrery/node-io';
import { expect, it } from 'vitest';
import { createProxyHealth } from './health.ts';

it('is unhealthy while a change waits too long, and as a node while that is being deleted', async () => {
  const clock = new VirtualClock({ startMs: Date.UTC(2026, 0, 1) });
  const metrics = createMetrics();
  const health = createProxyHealth({ clock, metrics }, { timeoutMs: 60_000 });
  const get = (url: string): string => {
    let out = '';
    const response = { send: (status: number, _headers: unknown, body: string) => (out = `${status} ${body}`) } as unknown as HttpResponse;
    void health.handler.request({ url, headers: {} } as HttpRequest, response);
    return out;
  };
  expect(get('/healthz')).toBe('200 {"lastUpdated": "2026-01-01 00:00:00 +0000 UTC","currentTime": "2026-01-01 00:00:00 +0000 UTC", "nodeEligible": true}');
  health.updated();
  health.queued();
  await clock.advance(59_000);
  health.queued();
  expect(get('/livez')).toMatch(/^200 /);
  await clock.advance(1_500);
  expect(get('/healthz')).toMatch(/^503 \{"lastUpdated": "2026-01-01 00:00:00 \+0000 UTC","currentTime": "2026-01-01 00:01:00.5 \+0000 UTC", "nodeEligible": true\}$/);
  expect(get('/livez')).toMatch(/^503 /);
  health.updated();
  health.setNode({ spec: { taints: [{ key: 'ToBeDeletedByClusterAutoscaler', effect: 'NoSchedule' }] } });
  expect(get('/healthz')).toMatch(/^503 .*"nodeEligible": false/);
  expect(get('/livez')).toMatch(/^200 /);
  health.setNode({ metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' } });
  expect(get('/healthz')).toMatch(/^503 /);
  health.setNode({});
  expect(get('/healthz')).toMatch(/^200 /);
  expect(get('/other')).toMatch(/^404 /);
  expect(metrics.expose()).toContain('kubeproxy_proxy_healthz_total{code="503"} 3');
});
