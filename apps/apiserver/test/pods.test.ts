import { Pods } from '@orrery/api';
import type { Pod } from '@orrery/api/types';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { startTestServer, type TestServer } from './test-server.ts';

let t: TestServer;
beforeEach(async () => {
  t = await startTestServer();
});
afterEach(() => t.stop());

const pods = (): string => `${t.url}/api/v1/namespaces/default/pods`;

interface Answer {
  readonly code: number;
  readonly body: Pod & { readonly message?: string };
}

async function send(method: string, url: string, body: object, type = 'application/json'): Promise<Answer> {
  const reply = await fetch(url, { method, headers: { 'content-type': type }, body: JSON.stringify(body) });
  return { code: reply.status, body: (await reply.json()) as Answer['body'] };
}

const patch = (url: string, body: object): Promise<Answer> => send('PATCH', url, body, 'application/strategic-merge-patch+json');

async function make(name: string, spec: object = {}): Promise<Pod> {
  return t.api.create(Pods, { metadata: { name, namespace: 'default', generation: 7, labels: { own: 'pod' } }, spec: { containers: [{ name: 'c', image: 'x' }], ...spec } } as unknown as Pod);
}

it('binds once: a nomination is over, labels fill in, conditions keep their places', async () => {
  expect((await make('p')).metadata?.generation).toBe(1);
  await patch(`${pods()}/p/status`, { status: { nominatedNodeName: 'n', conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable' }, { type: 'Example', status: 'True' }] } });
  const binding = { metadata: { name: 'p', labels: { own: 'node', zone: 'z' } }, target: { kind: 'Node', name: 'n' } };
  expect((await send('POST', `${pods()}/p/binding`, binding)).code).toBe(201);
  const bound = await t.api.get(Pods, { namespace: 'default', name: 'p' });
  expect(bound.metadata?.labels).toEqual({ own: 'pod', zone: 'z' });
  expect(bound.status?.conditions?.map(({ type, status }) => `${type} ${status}`)).toEqual(['PodScheduled True', 'Example True']);
  expect([bound.spec?.nodeName, bound.status?.nominatedNodeName]).toEqual(['n', undefined]);
  const again = await send('POST', `${pods()}/p/binding`, binding);
  expect([again.code, again.body.message]).toEqual([409, 'Operation cannot be fulfilled on pods/binding "p": pod p is already assigned to node "n"']);
  expect(await patch(`${pods()}/p/status`, { status: { nominatedNodeName: 'm' } })).toMatchObject({ code: 422 });
});

it('refuses a binding to nothing', async () => {
  await make('p');
  const answer = await send('POST', `${pods()}/p/binding`, { metadata: { name: 'p' }, target: { kind: 'Rack' } });
  expect([answer.code, answer.body.message]).toEqual([500, '[target.kind: Unsupported value: "Rack": supported values: "Node", "<empty>", target.name: Required value]']);
});

it('resizes, and adds ephemeral containers, each by its own path', async () => {
  await make('p', { containers: [{ name: 'c', image: 'x', resources: { requests: { cpu: '1' } } }] });
  const resized = await patch(`${pods()}/p/resize`, { metadata: { labels: { own: 'else' } }, spec: { nodeName: 'n', containers: [{ name: 'c', image: 'other', resources: { requests: { cpu: '2' } } }] } });
  expect(resized.code).toBe(200);
  expect(resized.body.spec?.containers[0]).toMatchObject({ image: 'x', resources: { requests: { cpu: '2' } } });
  expect([resized.body.metadata?.generation, resized.body.metadata?.labels, resized.body.spec?.nodeName]).toEqual([2, { own: 'pod' }, undefined]);
  const removed = await patch(`${pods()}/p/resize`, { spec: { containers: [{ name: 'c', resources: { requests: { cpu: null } } }] } });
  expect([removed.code, removed.body.message]).toEqual([422, 'Pod "p" is invalid: [spec: Invalid value: "Burstable": Pod QOS Class may not change as a result of resizing, spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed]']);
  const debugged = await patch(`${pods()}/p/ephemeralcontainers`, { spec: { ephemeralContainers: [{ name: 'e', image: 'x', targetContainerName: 'c' }] } });
  expect([debugged.code, debugged.body.metadata?.generation]).toEqual([200, 3]);
  const changed = await patch(`${pods()}/p/ephemeralcontainers`, { spec: { ephemeralContainers: [{ name: 'e', image: 'y', targetContainerName: 'c' }] } });
  expect(changed.body.message).toContain('existing ephemeral containers "e" may not be changed\n');
});

it('tells of every field that an update may not change', async () => {
  await make('p');
  const answer = await patch(`${pods()}/p`, { spec: { nodeName: 'n' } });
  expect(answer.code).toBe(422);
  expect(answer.body.message).toMatch(/^Pod "p" is invalid: spec: Forbidden: pod updates may not change fields other than `spec\.containers\[\*\]\.image`,.*\n {2}\{\n\+ {3}"nodeName": "n"\n/);
});

it('a namespace is finalized by names that somebody owns', async () => {
  const url = `${t.url}/api/v1/namespaces`;
  await send('POST', url, { metadata: { name: 'n' } });
  const answer = await send('PUT', `${url}/n/finalize`, { metadata: { name: 'n' }, spec: { finalizers: ['mine'] } });
  expect([answer.code, answer.body.message]).toEqual([422, 'Namespace "n" is invalid: spec.finalizers[0]: Invalid value: "mine": name is neither a standard finalizer name nor is it fully qualified']);
});
