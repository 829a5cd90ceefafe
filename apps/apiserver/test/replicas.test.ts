import { ConfigMaps, Namespaces, Pods, ResourceQuotas } from '@orrery/api';
import type { ConfigMap, Namespace, Pod, ResourceQuota } from '@orrery/api/types';
import type { ApiClient } from '@orrery/client';
import { type StatusError, isAlreadyExists, isConflict, isNotFound } from '@orrery/errors';
import { KVDefinition } from '@orrery/proto/etcd';
import { createClient } from '@orrery/rpc';
import { type Random, seededRandom } from '@orrery/runtime';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { admissionPlugin } from '../src/admission/index.ts';
import { Watcher, storeHistory } from './histories.ts';
import { losesLeaders } from './stores.ts';
import { type TestServer, admin, eventually, startTestServer } from './test-server.ts';

const namespace = 'default';
const seed = Number(process.env['ORRERY_SEED']) || 1;
let t: TestServer;
afterEach(() => t.stop());

const cm = (name: string, value: string): ConfigMap => ({ metadata: { name, namespace }, data: { value } }) as ConfigMap;
const tolerated = (error: unknown): void => {
  // Its answer was lost with a leader of the store: the history tells whether it happened.
  if (losesLeaders() && (error as StatusError).code >= 500) return;
  if (!isConflict(error) && !isAlreadyExists(error) && !isNotFound(error)) throw error;
};

describe('two API servers on one store', () => {
  let clients: ApiClient[];
  beforeEach(async () => {
    t = await startTestServer({ bookmarkIntervalMs: 20 });
    clients = [t.server.client(admin), (await t.replica()).client(admin)];
  });

  const write = async (api: ApiClient, random: Random): Promise<void> => {
    const name = `c${random.int(6)}`;
    const value = String(random.int(1_000_000));
    const kind = random.int(5);
    if (kind === 0) await api.create(ConfigMaps, cm(name, value));
    else if (kind === 1) await api.delete(ConfigMaps, { namespace, name });
    else if (kind === 2) await api.patch(ConfigMaps, { namespace, name }, { data: { value } }, { type: 'application/merge-patch+json' });
    else if (kind === 3) await api.patch(ConfigMaps, { namespace, name }, { apiVersion: 'v1', kind: 'ConfigMap', ...cm(name, value) }, { type: 'application/apply-patch+yaml', fieldManager: 'random', force: true });
    else {
      const current = await api.get(ConfigMaps, { namespace, name });
      await api.update(ConfigMaps, { ...current, data: { value } });
    }
  };

  it.each([seed, seed + 1, seed + 2])('show every watcher the history of the store, wherever it goes on (seed %i)', async (run) => {
    const random = seededRandom(run);
    const { resourceVersion } = await t.api.list(ConfigMaps, { namespace });
    const watchers = Array.from({ length: 8 }, () => new Watcher({ clients, namespace, random, revision: resourceVersion }));
    for (const watcher of watchers.slice(0, 4)) watcher.open();
    const writers = Array.from({ length: 6 }, async (_, i) => {
      for (let n = 0; n < 40; n++) await write(clients[(i + n) % 2] as ApiClient, random).catch(tolerated);
    });
    await Promise.race(writers);
    // The late ones start from long ago.
    for (const watcher of watchers.slice(4)) watcher.open();
    await Promise.all(writers);
    const last = await t.api.create(ConfigMaps, cm('last', 'end'));
    const history = await storeHistory(t.store, { namespace, after: Number(resourceVersion), until: Number(last.metadata?.resourceVersion) });
    await eventually(() => watchers.every(({ seen }) => seen.at(-1)?.[1] === 'last'), 'every watcher at the end');
    for (const watcher of watchers) {
      watcher.close();
      expect(watcher.seen).toEqual(history);
    }
    const lists = await Promise.all(clients.map(async (api) => (await api.list(ConfigMaps, { namespace })).items.map(({ metadata, data }) => [metadata?.name, data?.['value']])));
    const final = new Map<string, string | undefined>();
    for (const [type, name, , value] of history) type === 'DELETED' ? final.delete(name) : final.set(name, value);
    for (const list of lists) expect(list).toEqual([...final].sort(([a], [b]) => (a < b ? -1 : 1)));
  });

  it('read what the other has written, at once', async () => {
    for (let i = 0; i < 30; i++) {
      const [writer, reader] = [clients[i % 2] as ApiClient, clients[(i + 1) % 2] as ApiClient];
      const made = await writer.create(ConfigMaps, cm(`r${i}`, String(i)));
      expect(await reader.get(ConfigMaps, { namespace, name: `r${i}` })).toEqual(made);
      expect((await reader.list(ConfigMaps, { namespace })).items).toHaveLength(i + 1);
    }
  });

  it('count every increment exactly once', async () => {
    await t.api.create(ConfigMaps, cm('counter', '0'));
    let [conflicts, unknown] = [0, 0];
    const increment = async (api: ApiClient): Promise<void> => {
      for (;;) {
        const current = await api.get(ConfigMaps, { namespace, name: 'counter' });
        const data = { value: String(Number(current.data?.['value']) + 1) };
        const error: StatusError | undefined = await api.update(ConfigMaps, { ...current, data }).then(() => undefined, (e: StatusError) => e);
        if (!error) return;
        // Its answer was lost with a leader of the store: nobody knows.
        if (losesLeaders() && error.code >= 500) return void (unknown += 1);
        if (!isConflict(error)) throw error;
        conflicts += 1;
      }
    };
    await Promise.all(Array.from({ length: 40 }, (_, i) => increment(clients[i % 2] as ApiClient)));
    const counted = Number((await t.api.get(ConfigMaps, { namespace, name: 'counter' })).data?.['value']);
    expect([counted <= 40, counted >= 40 - unknown]).toEqual([true, true]);
    // They came to blows, or a leader went with the first of all.
    expect(conflicts + unknown).toBeGreaterThan(0);
  });

  it('lose no patch of those that retry by themselves', async () => {
    await t.api.create(ConfigMaps, cm('patched', ''));
    const patches = Array.from({ length: 30 }, (_, i) =>
      clients[i % 2]?.patch(ConfigMaps, { namespace, name: 'patched' }, { data: { [`k${i}`]: 'x' } }, { type: 'application/merge-patch+json' }).catch((error: unknown) => {
        if (!isConflict(error)) throw error;
        return undefined;
      }),
    );
    const done = (await Promise.all(patches)).filter((one) => one !== undefined).length;
    const { data = {} } = await t.api.get(ConfigMaps, { namespace, name: 'patched' });
    expect(Object.keys(data)).toHaveLength(done + 1);
    expect(done).toBeGreaterThan(20);
  });

  it('draw names that no other has drawn', async () => {
    const made = await Promise.all(Array.from({ length: 100 }, (_, i) => clients[i % 2]?.create(ConfigMaps, { metadata: { generateName: 'g-', namespace } } as ConfigMap)));
    expect(new Set(made.map((one) => one?.metadata?.name)).size).toBe(100);
    expect((await t.api.list(ConfigMaps, { namespace })).items).toHaveLength(100);
  });

  it('honour what either has compacted', async () => {
    const first = await t.api.create(ConfigMaps, cm('old', '1'));
    for (let i = 0; i < 5; i++) await t.api.patch(ConfigMaps, { namespace, name: 'old' }, { data: { value: String(i) } }, { type: 'application/merge-patch+json' });
    const { resourceVersion } = await t.api.list(ConfigMaps, { namespace });
    await createClient(KVDefinition, t.store.channel()).compact({ revision: Number(resourceVersion) });
    const late = (await t.replica()).client(admin);
    const ended = await new Promise<StatusError | undefined>((resolve) => {
      late.watch(ConfigMaps, { namespace, resourceVersion: first.metadata?.resourceVersion ?? '' }, { events: () => undefined, closed: resolve });
    });
    expect([ended?.code, ended?.reason]).toEqual([410, 'Expired']);
  });
});

describe('quota over two API servers', () => {
  it('is never exceeded', async () => {
    t = await startTestServer({}, { plugins: [admissionPlugin] });
    const clients = [t.server.client(admin), (await t.replica()).client(admin)];
    await t.api.create(Namespaces, { metadata: { name: 'q' } } as Namespace);
    const quota = { metadata: { name: 'q', namespace: 'q' }, spec: { hard: { 'count/configmaps': '7', pods: '3' } } } as ResourceQuota;
    await t.api.create(ResourceQuotas, quota);
    await t.api.patch(ResourceQuotas, { namespace: 'q', name: 'q' }, { status: { hard: quota.spec?.hard, used: { 'count/configmaps': '0', pods: '0' } } }, { type: 'application/merge-patch+json', subresource: 'status' });
    for (const api of clients) await eventually(async () => (await api.get(ResourceQuotas, { namespace: 'q', name: 'q' })).status?.hard !== undefined);
    const attempts = Array.from({ length: 30 }, async (_, i) => {
      try {
        await clients[i % 2]?.create(ConfigMaps, { metadata: { name: `c${i}`, namespace: 'q' } } as ConfigMap);
        return true;
      } catch (error) {
        if ((error as StatusError).reason === 'Forbidden') return false;
        throw error;
      }
    });
    const made = (await Promise.all(attempts)).filter(Boolean).length;
    expect(made).toBe(7);
    expect((await t.api.list(ConfigMaps, { namespace: 'q' })).items).toHaveLength(7);
    expect((await t.api.get(ResourceQuotas, { namespace: 'q', name: 'q' })).status?.used).toMatchObject({ 'count/configmaps': '7' });
    expect((await t.api.list<Pod>(Pods, { namespace: 'q' })).items).toHaveLength(0);
  });
});
