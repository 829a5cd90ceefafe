import type { Fault } from '@orrery/chaos';
import { ConfigMaps } from '@orrery/api';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type TestServer, admin, eventually, startTestServer } from './test-server.ts';

let running: TestServer;
beforeEach(async () => {
  running = await startTestServer();
}, 60_000);
afterEach(() => running.stop(), 60_000);

const json = { 'content-type': 'application/json' };
const path = (rest: string): string => `${running.url}/api/v1/namespaces/default/configmaps${rest}`;
const create = (name: string): Promise<Response> => fetch(path(''), { method: 'POST', body: JSON.stringify({ metadata: { name } }), headers: json });
const read = (name: string): Promise<Response> => fetch(path(`/${name}`));
const faults = `/debug/chaos/faults`;
const inject = async (fault: Fault | object, id = 'one'): Promise<Response> => fetch(`${running.url}${faults}`, { method: 'PUT', body: JSON.stringify({ id, fault }), headers: json });
const end = (): Promise<Response> => fetch(`${running.url}${faults}`, { method: 'DELETE' });
const reasonOf = async (response: Response): Promise<unknown> => [response.status, ((await response.json()) as { reason?: string }).reason];

describe('faults of requests', () => {
  it('strikes before a write took effect, and after', async () => {
    await inject({ verb: 'api-error', code: 500, selector: { verbs: ['create'], resources: ['configmaps'] } });
    expect(await reasonOf(await create('a'))).toEqual([500, 'InternalError']);
    expect((await read('a')).status).toBe(404);
    await inject({ verb: 'api-error', code: 409, when: 'after', selector: { verbs: ['write'] } });
    expect(await reasonOf(await create('a'))).toEqual([409, 'Conflict']);
    expect((await read('a')).status).toBe(200);
    await end();
    expect((await create('b')).status).toBe(201);
  });

  it('answers too many requests with when to come again, a timeout when its time is over', async () => {
    await inject({ verb: 'api-error', code: 429, selector: { verbs: ['read'] } });
    const response = await read('a');
    expect([response.status, response.headers.get('retry-after')]).toEqual([429, '1']);
    await inject({ verb: 'api-timeout', delayMs: 5, when: 'after', selector: { verbs: ['create'] } });
    expect(await reasonOf(await create('late'))).toEqual([504, 'Timeout']);
    await end();
    expect((await read('late')).status).toBe(200);
  });

  it('strikes callers in memory and over REST alike, and only whom it is aimed at', async () => {
    await inject({ verb: 'api-error', code: 503, selector: { users: ['scheduler'] } });
    const scheduler = running.server.client({ username: 'system:kube-scheduler', groups: [] });
    await expect(scheduler.list(ConfigMaps)).rejects.toMatchObject({ code: 503 });
    await expect(scheduler.create(ConfigMaps, { metadata: { name: 'x', namespace: 'default' } })).rejects.toMatchObject({ code: 503 });
    expect((await running.server.client(admin).list(ConfigMaps)).items).toEqual([]);
  });

  it('shows reads the past', async () => {
    await create('before');
    await inject({ verb: 'stale-reads', selector: { resources: ['configmaps'] } });
    await create('since');
    const list = async (): Promise<string[]> => ((await (await fetch(path(''))).json()) as { items: { metadata: { name: string } }[] }).items.map(({ metadata }) => metadata.name);
    expect(await list()).toEqual(['before']);
    expect([(await read('before')).status, (await read('since')).status]).toEqual([200, 404]);
    await end();
    expect(await list()).toEqual(['before', 'since']);
  });

  it('drops watches again and again, and delays them', async () => {
    const api = running.server.client(admin);
    let closed = 0;
    const watch = (): unknown => api.watch(ConfigMaps, { resourceVersion: '0' }, { events: () => undefined, closed: () => void ((closed += 1), watch()) });
    watch();
    await inject({ verb: 'watch-drop', delayMs: 5, selector: { resources: ['configmaps'] } });
    await eventually(() => closed >= 3, 'three ends of watches');
    await inject({ verb: 'watch-delay', delayMs: 50, selector: {} });
    const seen: string[] = [];
    const { resourceVersion } = await api.list(ConfigMaps);
    api.watch(ConfigMaps, { resourceVersion }, { events: (batch) => void seen.push(...batch.map(({ object }) => object.metadata?.name ?? '')), closed: () => undefined });
    for (const name of ['a', 'b', 'c']) await create(name);
    await eventually(() => seen.length === 3, 'three late events');
    expect(seen).toEqual(['a', 'b', 'c']);
  });

  it('lists what is in force, and refuses what is no fault of requests', async () => {
    await inject({ verb: 'api-delay', delayMs: 1, selector: { verbs: ['create'] } });
    await create('slow');
    const { items } = (await (await fetch(`${running.url}${faults}`)).json()) as { items: { id: string; struck: number }[] };
    expect(items).toMatchObject([{ id: 'one', struck: 1 }]);
    const refused = async (fault: object): Promise<unknown> => ((await (await inject(fault)).json()) as { message: string }).message;
    expect(await refused({ verb: 'kill', selector: {} })).toContain('the API server itself does only these: api-error');
    expect(await refused({ verb: 'api-error', code: 200, selector: {} })).toBe('fault.code: must be an HTTP status from 400 to 599');
    expect((await fetch(`${running.url}${faults}?id=none`, { method: 'DELETE' })).status).toBe(404);
    expect((await fetch(`${running.url}${faults}`, { method: 'POST', body: '{}' })).status).toBe(405);
  });
});

it('lets in only who may do everything', async () => {
  const { plugins } = await import('../src/plugins.ts');
  const guarded = await startTestServer({ authorizationMode: 'RBAC' }, { plugins });
  try {
    expect((await fetch(`${guarded.url}${faults}`)).status).toBe(403);
  } finally {
    await guarded.stop();
  }
});
