import { Deployments, Pods } from '@orrery/api';
import type { StatusError } from '@orrery/errors';
import { VirtualClock, createMetrics, seededRandom, silentLogger } from '@orrery/runtime';
import { expect, test } from 'vitest';
import type { ApiClient } from './api-client.ts';
import type { HttpClientRequest } from './http-client.ts';
import { createRestApiClient } from './rest-api-client.ts';

interface Answer {
  status?: number;
  headers?: Record<string, string>;
  body: string | string[];
}

function setup(...answers: Answer[]) {
  const clock = new VirtualClock();
  const metrics = createMetrics();
  const asked: string[] = [];
  const request = async ({ method, path, headers, body }: HttpClientRequest) => {
    asked.push([method, path, headers['content-type'], body ? Buffer.from(body).toString() : undefined].filter(Boolean).join(' '));
    const { status = 200, headers: answered = {}, body: text } = answers.shift() as Answer;
    const parts = [text].flat();
    return {
      status,
      headers: answered,
      text: async () => parts.join(''),
      async *chunks() {
        for (const part of parts) yield Buffer.from(part);
      },
    };
  };
  const api = createRestApiClient({ http: { request, close: () => undefined }, env: { clock, random: seededRandom(1), log: silentLogger, metrics }, host: 'h:1', token: 't' });
  return { api, asked, clock, metrics };
}

test('requests have the paths and bodies of the REST API, items get their kind', async () => {
  const { api, asked } = setup(
    { body: '{"metadata":{"resourceVersion":"7","continue":"c"},"items":[{"metadata":{"name":"web"}}]}' },
    { body: '{"kind":"Pod","apiVersion":"v1"}' },
    { body: '{"kind":"Status","status":"Success"}' },
  );
  expect(await api.list(Deployments, { namespace: 'a', labelSelector: 'x=y', limit: 1 })).toEqual({
    items: [{ kind: 'Deployment', apiVersion: 'apps/v1', metadata: { name: 'web' } }],
    resourceVersion: '7',
    continue: 'c',
  });
  await api.patch(Pods, { namespace: 'a', name: 'p' }, { status: {} }, { type: 'application/merge-patch+json', subresource: 'status' });
  expect(await api.delete(Pods, { namespace: 'a', name: 'p' }, { gracePeriodSeconds: 0 })).toBeUndefined();
  expect(asked).toEqual([
    'GET /apis/apps/v1/namespaces/a/deployments?labelSelector=x%3Dy&limit=1',
    'PATCH /api/v1/namespaces/a/pods/p/status application/merge-patch+json {"status":{}}',
    'DELETE /api/v1/namespaces/a/pods/p application/json {"kind":"DeleteOptions","apiVersion":"v1","gracePeriodSeconds":0}',
  ]);
});

test('a Status is thrown, and Retry-After is obeyed', async () => {
  const status = '{"kind":"Status","status":"Failure","reason":"NotFound","message":"pods \\"p\\" not found","code":404}';
  const { api, asked, clock } = setup({ status: 429, headers: { 'retry-after': '2' }, body: 'busy' }, { status: 404, body: status });
  const failure = api.get(Pods, { namespace: 'a', name: 'p' }).catch((error: unknown) => error);
  await clock.advance(1900);
  expect(asked).toHaveLength(1);
  await clock.advance(200);
  expect(await failure).toMatchObject({ code: 404, reason: 'NotFound' });
});

test('watch lines may be cut anywhere; an ERROR event ends the watch', async () => {
  const error = '{"type":"ERROR","object":{"kind":"Status","status":"Failure","reason":"Expired","code":410,"message":"too old"}}\n';
  const { api, asked } = setup({ body: ['{"type":"ADDED","object":{"metadata":{"na', 'me":"p"}}}\n{"type":"BOOKM', 'ARK","object":{"metadata":{"resourceVersion":"9"}}}\n', error] });
  const seen: string[] = [];
  const closed = await new Promise<string | undefined>((resolve) => {
    api.watch(Pods, { resourceVersion: '5', allowWatchBookmarks: true }, { events: (batch) => batch.forEach((e) => seen.push(`${e.type} ${e.object.kind}`)), closed: (e) => resolve(e?.reason) });
  });
  expect([closed, seen]).toEqual(['Expired', ['ADDED Pod', 'BOOKMARK Pod']]);
  expect(asked).toEqual(['GET /api/v1/pods?watch=true&resourceVersion=5&allowWatchBookmarks=true']);
});

const web = { namespace: 'a', name: 'web' };
const calls: readonly [string, (api: ApiClient) => Promise<unknown>][] = [
  ['get deployments.apps web', (api) => api.get(Deployments, web, { subresource: 'scale' })],
  ['get deployments.apps', (api) => api.list(Deployments, { namespace: 'a' })],
  ['get deployments.apps', (api) => new Promise((_, closed) => void api.watch(Deployments, {}, { events: () => undefined, closed }))],
  ['post deployments.apps', (api) => api.create(Deployments, { metadata: web })],
  ['post deployments.apps web', (api) => api.createSubresource(Deployments, web, 'token', {})],
  ['put deployments.apps web', (api) => api.update(Deployments, { metadata: web })],
  ['patch deployments.apps web', (api) => api.patch(Deployments, web, {}, { type: 'application/merge-patch+json' })],
  ['delete deployments.apps web', (api) => api.delete(Deployments, web)],
  ['delete deployments.apps', (api) => api.deleteCollection(Deployments, { namespace: 'a' })],
];

test.each(calls)('a failure that is no Status says what was asked for: %s', async (what, call) => {
  const { api } = setup({ status: 401, body: 'who?' });
  expect(await call(api).catch((error: StatusError) => error.message)).toBe(`the server has asked for the client to provide credentials (${what})`);
});

const long = 'x'.repeat(3000);
test.each<[string, Answer, string, object]>([
  ['a page', { status: 502, body: ' <h1>no</h1>\n', headers: { 'content-type': 'Text/HTML; charset=utf-8' } }, '"<h1>no</h1>"', { message: '<h1>no</h1>' }],
  ['a body of no type', { status: 500, body: 'oops\n' }, '"oops"', { message: 'oops' }],
  ['JSON that is no Status', { status: 500, body: '{"kind":"Pod"}', headers: { 'content-type': 'application/json' } }, '"unknown"', { message: 'unknown' }],
  ['a Status of a success', { status: 500, body: '{"kind":"Status","status":"Success"}', headers: { 'content-type': 'application/json' } }, '"unknown"', { message: 'unknown' }],
  ['a long text', { status: 500, body: long }, `"${long.slice(0, 2048)}"`, { message: long.slice(0, 2048) }],
])('of the body of a failure that is no Status only text is told: %s', async (_what, answer, shown, cause) => {
  const { api } = setup(answer);
  const { status } = await api.list(Pods, {}).then(() => expect.unreachable('should fail'), (error: StatusError) => error);
  expect(status).toMatchObject({ reason: 'InternalError', message: `an error on the server (${shown}) has prevented the request from succeeding (get pods)` });
  expect(status.details).toEqual({ kind: 'pods', causes: [{ reason: 'UnexpectedServerResponse', ...cause }] });
});

test('a failure that asks to come again is told once it was asked often enough', async () => {
  const { api, clock } = setup(...Array.from({ length: 11 }, () => ({ status: 503, headers: { 'retry-after': '3' }, body: '' })));
  const failure = api.get(Pods, { namespace: 'a', name: 'p' }).catch((error: StatusError) => error.status);
  await clock.advance(31_000);
  expect(await failure).toMatchObject({ message: 'the server is currently unable to handle the request (get pods p)', details: { retryAfterSeconds: 3 } });
});

test('requests are counted as client-go counts them', async () => {
  const { api, metrics } = setup({ body: '{"kind":"Pod","apiVersion":"v1"}' }, { status: 404, body: '{}' });
  await api.get(Pods, { namespace: 'a', name: 'p' });
  await api.get(Pods, { namespace: 'a', name: 'p' }).catch(() => undefined);
  await api.get(Pods, { namespace: 'a', name: 'p' }).catch(() => undefined);
  for (const [code, count] of [['200', 1], ['404', 1], ['<error>', 1]]) expect(metrics.expose()).toContain(`rest_client_requests_total{code="${code}",host="h:1",method="GET"} ${count}`);
  expect(metrics.expose()).toContain('rest_client_request_duration_seconds_count{host="h:1",verb="GET"} 3');
});
