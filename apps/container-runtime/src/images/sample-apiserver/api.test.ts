import { VirtualClock, seededRandom } from '@orrery/runtime';
import { expect, test } from 'vitest';
import type { HttpReply } from '../../net/http-server.ts';
import { type ApiCall, SampleApi, failure, targetOf } from './api.ts';
import { documentAt, root } from './documents.ts';
import { SampleStore } from './store.ts';

interface Asked {
  readonly body?: object;
  readonly accept?: string;
  readonly contentType?: string;
}

function server() {
  const clock = new VirtualClock();
  const api = new SampleApi(new SampleStore({ clock, random: seededRandom(1) }), { until: (ms) => clock.sleep(ms) });
  const raw = (method: string, where: string, { body, accept = '', contentType = '' }: Asked = {}): HttpReply => {
    const [path = '', query = ''] = `${root}/${where}`.split('?');
    const call: ApiCall = { method, path, query: new URLSearchParams(query), accept, contentType, body: body ? JSON.stringify(body) : '' };
    const target = targetOf(call);
    if (!target) return { status: 404 };
    try {
      return api.serve(call, target);
    } catch (error) {
      return failure(error);
    }
  };
  const ask = (method: string, where: string, asked?: Asked) => {
    const { status, body } = raw(method, where, asked);
    return { status, body: (typeof body === 'string' ? JSON.parse(body) : undefined) as Record<string, never> & { metadata: Record<string, unknown>; items: { metadata: { name: string } }[]; message: string } };
  };
  return { clock, raw, ask };
}

const flunders = 'namespaces/default/flunders';
const flunder = (name: string, more: object = {}) => ({ metadata: { name, labels: { tier: name } }, ...more });
const names = (items: readonly { metadata: { name: string } }[]) => items.map(({ metadata }) => metadata.name);

test('made, read, listed by selectors, changed, deleted', () => {
  const { ask } = server();
  expect(ask('POST', flunders, { body: flunder('b', { spec: { reference: 'a' } }) })).toMatchObject({ status: 201, body: { kind: 'Flunder', spec: { reference: 'a', referenceType: 'Flunder' }, metadata: { namespace: 'default', resourceVersion: '2' } } });
  ask('POST', flunders, { body: flunder('a') });
  ask('POST', 'namespaces/other/flunders', { body: flunder('a') });
  expect(names(ask('GET', flunders).body.items)).toEqual(['a', 'b']);
  expect(ask('GET', 'flunders').body.items).toHaveLength(3);
  expect(names(ask('GET', `${flunders}?labelSelector=tier%3Db`).body.items)).toEqual(['b']);
  expect(names(ask('GET', `${flunders}?fieldSelector=metadata.name%3Da`).body.items)).toEqual(['a']);
  expect(ask('PATCH', `${flunders}/b`, { body: { spec: { reference: 'c' } }, contentType: 'application/merge-patch+json' })).toMatchObject({ status: 200, body: { spec: { reference: 'c' }, metadata: { resourceVersion: '5' } } });
  expect(ask('PATCH', `${flunders}/b/status`, { body: { spec: { reference: 'd' }, status: { is: 'well' } }, contentType: 'application/merge-patch+json' })).toMatchObject({ body: { spec: { reference: 'c' }, status: { is: 'well' } } });
  expect(ask('DELETE', `${flunders}/b`)).toMatchObject({ status: 200, body: { status: 'Success', details: { name: 'b', kind: 'flunders' } } });
  expect(ask('GET', `${flunders}/b`)).toMatchObject({ status: 404, body: { message: 'flunders.wardle.example.com "b" not found' } });
  expect(ask('DELETE', flunders).body.items).toHaveLength(1);
  expect(ask('GET', 'flunders').body.items).toHaveLength(1);
});

test.each<[string, string, string, Asked, number, string]>([
  ['a second of the name', 'POST', flunders, { body: flunder('one') }, 409, 'flunders.wardle.example.com "one" already exists'],
  ['an old version', 'PUT', `${flunders}/one`, { body: { metadata: { name: 'one', resourceVersion: '1' } } }, 409, 'the object has been modified'],
  ['another name than the path', 'PUT', `${flunders}/one`, { body: flunder('two') }, 400, 'does not match the name on the URL'],
  ['no name', 'POST', flunders, { body: {} }, 422, 'name or generateName is required'],
  ['no JSON type', 'POST', flunders, { body: flunder('x'), contentType: 'application/yaml' }, 415, 'accepted media types include: application/json'],
  ['another kind', 'POST', flunders, { body: { ...flunder('x'), kind: 'Fischer' } }, 400, 'cannot be handled as a Flunder'],
  ['server-side apply', 'PATCH', `${flunders}/one`, { body: {}, contentType: 'application/apply-patch+yaml' }, 415, 'accepted media types include: application/json-patch+json'],
  ['a field that selects nothing', 'GET', `${flunders}?fieldSelector=spec.x%3D1`, {}, 400, '"spec.x" is not a known field selector'],
  ['what a Fischer disallows', 'POST', flunders, { body: flunder('banned') }, 403, 'this name may not be used, please change the resource name'],
  ['another uid', 'DELETE', `${flunders}/one`, { body: { preconditions: { uid: 'z' } } }, 409, 'the object has been modified'],
])('%s', (_what, method, path, asked, status, message) => {
  const { ask } = server();
  ask('POST', 'fischers', { body: { metadata: { name: 'f' }, disallowedFlunders: ['banned'] } });
  ask('POST', flunders, { body: flunder('one') });
  const reply = ask(method, path, asked);
  expect(reply.status).toBe(status);
  expect(reply.body.message).toContain(message);
});

test('what has finalizers is marked, and goes with the last of them', () => {
  const { ask } = server();
  ask('POST', flunders, { body: { metadata: { name: 'held', finalizers: ['example.com/hold'] } } });
  expect(ask('DELETE', `${flunders}/held`)).toMatchObject({ status: 202, body: { metadata: { deletionGracePeriodSeconds: 0, deletionTimestamp: expect.any(String) as string } } });
  ask('PATCH', `${flunders}/held`, { body: [{ op: 'remove', path: '/metadata/finalizers' }], contentType: 'application/json-patch+json' });
  expect(ask('GET', `${flunders}/held`).status).toBe(404);
});

test('dry runs leave nothing; tables and metadata alone for those who ask', () => {
  const { ask } = server();
  expect(ask('POST', `${flunders}?dryRun=All`, { body: flunder('x') }).status).toBe(201);
  expect(ask('GET', flunders).body.items).toEqual([]);
  ask('POST', flunders, { body: flunder('x') });
  expect(ask('GET', flunders, { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json' }).body).toMatchObject({ kind: 'Table', rows: [{ cells: ['x', expect.any(String) as string] }] });
  expect(ask('GET', flunders, { accept: 'application/vnd.kubernetes.protobuf,application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io' }).body).toMatchObject({ kind: 'PartialObjectMetadataList', items: [{ kind: 'PartialObjectMetadata' }] });
  expect(documentAt('/apis', 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json')?.body).toMatchObject({ kind: 'APIGroupDiscoveryList' });
  expect(documentAt('/apis', 'application/json')?.body).toMatchObject({ kind: 'APIGroupList' });
});

test('a watch tells what is there, then what happens, until its time is over', async () => {
  const { clock, raw, ask } = server();
  ask('POST', flunders, { body: flunder('x') });
  const { body } = raw('GET', `${flunders}?watch=1&timeoutSeconds=30`);
  const seen: string[] = [];
  const reading = (async () => {
    for await (const line of body as AsyncIterable<Uint8Array>) {
      const { type, object } = JSON.parse(Buffer.from(line).toString()) as { type: string; object: { metadata: { name: string } } };
      seen.push(`${type} ${object.metadata.name}`);
    }
  })();
  await clock.advance(0);
  ask('POST', 'namespaces/other/flunders', { body: flunder('elsewhere') });
  ask('PATCH', `${flunders}/x`, { body: { spec: { reference: 'y' } }, contentType: 'application/merge-patch+json' });
  ask('DELETE', `${flunders}/x`);
  await clock.advance(31_000);
  await reading;
  expect(seen).toEqual(['ADDED x', 'MODIFIED x', 'DELETED x']);
});

test('a watch goes on where a list ended, or says that this is too long ago', async () => {
  const { raw, ask } = server();
  for (let i = 0; i < 600; i++) {
    ask('POST', flunders, { body: flunder('x') });
    ask('DELETE', `${flunders}/x`);
  }
  expect(ask('GET', `${flunders}?watch=1&resourceVersion=5`)).toMatchObject({ status: 410, body: { message: 'too old resource version: 5 (201)' } });
  const { body } = raw('GET', `${flunders}?watch=1&resourceVersion=1200`);
  const first = await (body as AsyncGenerator<Uint8Array>).next();
  expect(JSON.parse(Buffer.from(first.value as Uint8Array).toString())).toMatchObject({ type: 'DELETED', object: { metadata: { resourceVersion: '1201' } } });
});
