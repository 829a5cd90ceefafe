import { VirtualClock, createMetrics, resolveConfig, silentLogger } from '@orrery/runtime';
import { describe, expect, it } from 'vitest';
import { type AuditBackend, Recorded, auditMetrics, forgiving, truncating } from './backend.ts';
import { buffered } from './buffered.ts';
import { type AuditEvent, legacyLine } from './event.ts';
import { natsBackend } from './nats-backend.ts';
import { auditFields, backendSettings } from './settings.ts';

const event = (id: string, more: Partial<AuditEvent> = {}): AuditEvent => ({
  level: 'RequestResponse',
  auditID: id,
  stage: 'ResponseComplete',
  requestURI: '/api/v1/pods',
  verb: 'list',
  user: { username: 'alice', groups: ['dev', 'ops'] },
  impersonatedUser: undefined,
  sourceIPs: ['10.0.0.1'],
  userAgent: 'test/1',
  objectRef: { resource: 'pods', namespace: 'default' },
  responseStatus: { code: 200 },
  requestObject: undefined,
  responseObject: undefined,
  receivedMs: Date.UTC(2026, 0, 1),
  stageMs: Date.UTC(2026, 0, 1),
  annotations: {},
  ...more,
});
const recorded = (id: string, more: Partial<AuditEvent> = {}): Recorded => new Recorded(event(id, more));

function setup() {
  const metrics = createMetrics();
  const batches: string[][] = [];
  const state = { failing: false };
  const backend: AuditBackend = {
    name: 'log',
    async process(events) {
      if (state.failing) throw new Error('disk full');
      batches.push(events.map((one) => one.event.auditID));
    },
    stop: async () => undefined,
  };
  return { clock: new VirtualClock(), metrics, audit: auditMetrics({ metrics, log: silentLogger }), batches, backend, state };
}

describe('buffered', () => {
  const options = { bufferSize: 5, maxSize: 2, maxWaitMs: 1000, throttle: undefined };

  it('sends full batches at once, the rest when it has waited, and all when it stops', async () => {
    const { clock, audit, batches, backend } = setup();
    const buffer = buffered(backend, { ...options, clock, metrics: audit });
    for (const id of ['1', '2', '3']) void buffer.process([recorded(id)]);
    await clock.advance(0);
    expect(batches).toEqual([['1', '2']]);
    await clock.advance(1000);
    expect(batches).toEqual([['1', '2'], ['3']]);
    void buffer.process([recorded('4')]);
    await buffer.stop();
    expect(batches).toEqual([['1', '2'], ['3'], ['4']]);
  });

  it('drops what does not fit, counts it, and counts what the back end refuses', async () => {
    const { clock, metrics, audit, batches, backend, state } = setup();
    const buffer = buffered(backend, { ...options, maxSize: 10, clock, metrics: audit });
    void buffer.process(['1', '2', '3', '4', '5', '6', '7'].map((id) => recorded(id)));
    await clock.advance(1000);
    expect(batches).toEqual([['1', '2', '3', '4', '5']]);
    expect(metrics.expose()).toMatch(/apiserver_audit_error_total\{plugin="buffered"\} 2/);
    state.failing = true;
    void buffer.process([recorded('8')]);
    await clock.advance(1000);
    expect(metrics.expose()).toMatch(/apiserver_audit_error_total\{plugin="log"\} 1/);
  });

  it('holds batches back to the rate that is allowed', async () => {
    const { clock, audit, batches, backend } = setup();
    const buffer = buffered(backend, { ...options, bufferSize: 100, maxSize: 1, throttle: { qps: 2, burst: 2 }, clock, metrics: audit });
    for (let i = 0; i < 6; i++) void buffer.process([recorded(String(i))]);
    await clock.advance(0);
    expect(batches).toHaveLength(2);
    await clock.advance(1000);
    expect(batches).toHaveLength(4);
    await clock.advance(1000);
    expect(batches).toHaveLength(6);
  });
});

describe('truncating', () => {
  it('leaves out bodies that are too big, refuses what is too big even so, and splits batches', async () => {
    const { metrics, audit, batches, backend } = setup();
    const seen: Recorded[] = [];
    const inner: AuditBackend = { ...backend, process: (events) => (seen.push(...events), backend.process(events)) };
    const small = recorded('a').json.length;
    const cut = truncating(inner, { maxEventBytes: small + 100, maxBatchBytes: 2 * small + 20, metrics: audit });
    await cut.process([recorded('a'), recorded('b', { responseObject: JSON.stringify({ x: 'y'.repeat(500) }) }), recorded('c'), recorded('d', { requestURI: `/${'z'.repeat(900)}` })]);
    expect(seen.map((one) => one.event.auditID)).toEqual(['a', 'b', 'c']);
    expect(seen[1]?.event).toMatchObject({ responseObject: undefined, annotations: { 'audit.k8s.io/truncated': 'true' } });
    expect(batches.length).toBeGreaterThan(1);
    expect(metrics.expose()).toMatch(/apiserver_audit_error_total\{plugin="truncate"\} 1/);
  });
});

describe('forgiving', () => {
  it('counts failures instead of throwing them', async () => {
    const { metrics, audit, backend, state } = setup();
    state.failing = true;
    await forgiving(backend, audit).process([recorded('1')]);
    await forgiving({ ...backend, process: () => { throw new Error('now'); } }, audit).process([recorded('2')]);
    expect(metrics.expose()).toMatch(/apiserver_audit_error_total\{plugin="log"\} 2/);
  });
});

describe('natsBackend', () => {
  it('says when the bus is away', () => {
    const bus = { connected: () => false } as never;
    expect(() => natsBackend(bus, 'audit').process([recorded('1')])).toThrow('NATS is away');
  });
});

describe('legacyLine', () => {
  it('is the line of upstream\'s old format', () => {
    expect(legacyLine(event('id-1', { impersonatedUser: { username: 'bob', groups: [] } }))).toBe(
      '2026-01-01T00:00:00.000000Z AUDIT: id="id-1" stage="ResponseComplete" ip="10.0.0.1" method="list" user="alice" groups="dev","ops" as="bob" asgroups="<lookup>" user-agent="test/1" namespace="default" uri="/api/v1/pods" response="200"',
    );
    expect(legacyLine(event('i', { user: undefined, responseStatus: undefined, sourceIPs: [], objectRef: undefined }))).toContain('ip="<unknown>" method="list" user="<none>" groups="<none>" as="<self>" asgroups="<lookup>" user-agent="test/1" namespace="<none>" uri="/api/v1/pods" response="<deferred>"');
  });
});

describe('backendSettings', () => {
  it.each([
    [{ auditWebhookBatchBufferSize: 0 }, 'invalid audit batch webhook buffer size 0, must be a positive number'],
    [{ auditWebhookBatchMaxSize: -1 }, 'invalid audit batch webhook max batch size -1, must be a positive number'],
    [{ auditWebhookBatchThrottleQps: 0 }, 'invalid audit batch webhook throttle QPS 0, must be a positive number'],
    [{ auditWebhookBatchMaxWait: 'soon' }, '--audit-webhook-batch-max-wait takes a duration such as 30s, not "soon"'],
    [{ auditWebhookTruncateEnabled: true, auditWebhookTruncateMaxBatchSize: 5 }, 'invalid audit truncate webhook max batch size 5, must be greater than max event size (102400)'],
  ])('refuses %o', (settings, message) => expect(() => backendSettings(resolveConfig(auditFields, [settings]), 'auditWebhook')).toThrow(message));
});
