import { VirtualClock, createMetrics } from '@orrery/runtime';
import type { HttpRequest, HttpResponse } from '@orrery/node-io';
import { expect, it } from 'vitest';
import { createProxyHealth, metricsPages } from './health.ts';

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

it('shows its settings as upstream does, and how often its health was asked for', () => {
  const metrics = createMetrics();
  metrics.counter('other_total', 'Other').inc();
  const pages = metricsPages({ clock: new VirtualClock(), metrics }, { mode: 'nftables', settings: { nodeName: 'one', clusterCidr: '10.244.0.0/16, fd00::/48', syncPeriod: '90s', minSyncPeriodMs: 5, conntrackTcpTimeoutEstablished: '24h' } });
  const shown = (JSON.parse(pages('/configz').body) as Record<string, unknown>)['kubeproxy.config.k8s.io'];
  expect(shown).toMatchObject({
    Mode: 'nftables', HostnameOverride: 'one', SyncPeriod: '1m30s', MinSyncPeriod: '5ms', HealthzBindAddress: '0.0.0.0:10256', NFTables: { MasqueradeBit: 14 },
    DetectLocalMode: 'ClusterCIDR', DetectLocal: { ClusterCIDRs: ['10.244.0.0/16', 'fd00::/48'] }, Linux: { Conntrack: { TCPEstablishedTimeout: '24h0m0s', TCPCloseWaitTimeout: null, UDPTimeout: '0s' } },
  });
  pages('/healthz');
  pages('/healthz');
  expect(pages('/metrics/slis').body.split('\n').filter((line) => line && !line.startsWith('#'))).toEqual(['kubernetes_healthcheck{name="ping",type="healthz"} 1', 'kubernetes_healthchecks_total{name="ping",status="success",type="healthz"} 2']);
  expect(pages('/metrics').body).toMatch(/^# HELP other_total Other\n# TYPE other_total counter\nother_total 1\n$/);
});
