import { Deployments, Pods } from '@orrery/api';
import { VirtualClock, createMetrics, seededRandom, silentLogger } from '@orrery/runtime';
import { expect, test } from 'vitest';
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
  const error = '{"type":"ERROR","object":{"kind":"Status","reason":"Expired","code":410,"message":"too old"}}\n';
  const { api, asked } = setup({ body: ['{"type":"ADDED","object":{"metadata":{"na', 'me":"p"}}}\n{"type":"BOOKM', 'ARK","object":{"metadata":{"resourceVersion":"9"}}}\n', error] });
  const seen: string[] = [];
  const closed = await new Promise<string | undefined>((resolve) => {
    api.watch(Pods, { resourceVersion: '5', allowWatchBookmarks: true }, { events: (batch) => batch.forEach((e) => seen.push(`${e.type} ${e.object.kind}`)), closed: (e) => resolve(e?.reason) });
  });
  expect([closed, seen]).toEqual(['Expired', ['ADDED Pod', 'BOOKMARK Pod']]);
  expect(asked).toEqual(['GET /api/v1/pods?watch=true&resourceVersion=5&allowWatchBookmarks=true']);
});

test('requests are counted as client-go counts them', async () => {
  const { api, metrics } = setup({ body: '{"kind":"Pod","apiVersion":"v1"}' }, { status: 404, body: '{}' });
  await api.get(Pods, { namespace: 'a', name: 'p' });
  await api.get(Pods, { namespace: 'a', name: 'p' }).catch(() => undefined);
  await api.get(Pods, { namespace: 'a', name: 'p' }).catch(() => undefined);
  for (const [code, count] of [['200', 1], ['404', 1], ['<error>', 1]]) expect(metrics.expose()).toContain(`rest_client_requests_total{code="${code}",host="h:1",method="GET"} ${count}`);
  expect(metrics.expose()).toContain('rest_client_request_duration_seconds_count{host="h:1",verb="GET"} 3');
});
