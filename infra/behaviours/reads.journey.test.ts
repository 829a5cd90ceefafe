import { KVDefinition } from '@orrery/proto/etcd';
import { createClient, grpcChannel } from '@orrery/rpc';
import { eventually } from '@orrery/testkit';
import { describe, expect, it } from 'vitest';
import { merge } from './rest.ts';
import { useTarget } from './target.ts';

const t = useTarget();

const configMap = (name: string, data: object = {}): object => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, labels: { set: 'x' } }, data });
const names = (list: { items: { metadata: { name: string } }[] }): string[] => list.items.map(({ metadata }) => metadata.name);
/** What the service-account machinery puts into each namespace is no part of the test. */
const mine = 'labelSelector=set%3Dx';

async function fill(count: number): Promise<void> {
  await Promise.all(Array.from({ length: count }, (_, i) => t.rest.ok('POST', t.path('configmaps'), { body: configMap(`c${String(i).padStart(3, '0')}`) })));
}

describe('chunked lists', () => {
  it('1: an expired continue is 410 with a token that goes on at the present', async () => {
    await fill(10);
    const first = await t.rest.ok('GET', `${t.path('configmaps')}?limit=4&${mine}`);
    expect(names(first)).toHaveLength(4);
    await t.rest.ok('POST', t.path('configmaps'), { body: configMap('c999') });
    const etcd = t.cluster?.state().endpoints['etcd'];
    if (!etcd) return; // Only where the test may compact the store.
    const channel = grpcChannel(etcd);
    const { metadata } = await t.rest.ok('GET', t.path('configmaps'));
    await createClient(KVDefinition, channel).compact({ revision: Number(metadata.resourceVersion) });
    channel.close();
    // A server may hold the views of its latest lists a while: newer lists take their place.
    for (let i = 0; i < 70; i++) {
      await t.rest.ok('PATCH', t.path('configmaps/c000'), { body: { data: { i: String(i) } }, type: merge });
      await t.rest.ok('GET', `${t.path('configmaps')}?limit=1`);
    }
    const next = await t.rest.call('GET', `${t.path('configmaps')}?limit=4&${mine}&continue=${encodeURIComponent(first.metadata.continue)}`);
    expect(next.code).toBe(410);
    expect(next.body).toMatchObject({ kind: 'Status', status: 'Failure', reason: 'Expired', code: 410 });
    expect(next.body.message).toMatch(/^The provided continue parameter is too old to display a consistent list result/);
    const rest = await t.rest.ok('GET', `${t.path('configmaps')}?limit=500&${mine}&continue=${encodeURIComponent(next.body.metadata.continue)}`);
    expect(names(rest)).toEqual(['c004', 'c005', 'c006', 'c007', 'c008', 'c009', 'c999']);
    expect(rest.metadata.resourceVersion).not.toBe(first.metadata.resourceVersion);
  });

  it('2: remainingItemCount and what came so far make the total on every page; one resourceVersion all the way', async () => {
    await fill(23);
    const all = await t.rest.ok('GET', t.path('configmaps'));
    let seen = 0;
    let token = '';
    let version = '';
    for (;;) {
      const page = await t.rest.ok('GET', `${t.path('configmaps')}?limit=5${token ? `&continue=${encodeURIComponent(token)}` : ''}`);
      version ||= page.metadata.resourceVersion;
      seen += page.items.length;
      expect(page.metadata.resourceVersion).toBe(version);
      token = page.metadata.continue ?? '';
      if (!token) {
        expect(page.metadata.remainingItemCount).toBeUndefined();
        break;
      }
      expect(seen + page.metadata.remainingItemCount).toBe(all.items.length);
      await t.rest.ok('PATCH', t.path('configmaps/c000'), { body: { data: { n: String(seen) } }, type: merge });
    }
    expect(seen).toBe(all.items.length);
  });
});

describe('watches', () => {
  it('3: begin strictly after the resourceVersion they are given', async () => {
    const made = await t.rest.ok('POST', t.path('configmaps'), { body: configMap('one') });
    const watching = await t.rest.watch(`${t.path('configmaps')}?watch=1&resourceVersion=${made.metadata.resourceVersion}&${mine}`);
    const changed = await t.rest.ok('PATCH', t.path('configmaps/one'), { body: { data: { a: 'b' } }, type: merge });
    await eventually(() => watching.events.length > 0, { everyMs: 5 });
    watching.stop();
    expect(watching.events).toEqual([{ type: 'MODIFIED', object: changed }]);
  });

  it('4: all tell the same order under churn, and what they show is what the writers were answered', async () => {
    const { metadata } = await t.rest.ok('GET', t.path('configmaps'));
    const path = `${t.path('configmaps')}?watch=1&resourceVersion=${metadata.resourceVersion}&${mine}`;
    const watchers = await Promise.all(Array.from({ length: 6 }, () => t.rest.watch(path)));
    const answers = new Map<string, object>();
    const keep = (object: any): void => void answers.set(object.metadata.resourceVersion, object);
    const churn = async (n: number): Promise<void> => {
      for (let i = 0; i < 10; i++) {
        keep(await t.rest.ok('POST', t.path('configmaps'), { body: configMap(`w${n}`, { i: String(i) }) }));
        keep(await t.rest.ok('PATCH', `${t.path('configmaps')}/w${n}?fieldManager=churn`, { body: { data: { more: `${i}` } }, type: merge }));
        await t.rest.ok('DELETE', `${t.path('configmaps')}/w${n}`);
      }
    };
    await Promise.all([0, 1, 2, 3].map(churn));
    await eventually(() => watchers.every(({ events }) => events.length === 4 * 10 * 3), { everyMs: 10 });
    const [first, ...others] = watchers.map(({ events }) => events);
    for (const events of others) expect(events).toEqual(first);
    const versions = (first ?? []).map(({ object }) => Number(object.metadata.resourceVersion));
    expect(versions).toEqual([...versions].sort((a, b) => a - b));
    for (const { type, object } of first ?? []) if (type !== 'DELETED') expect(object).toEqual(answers.get(object.metadata.resourceVersion));
    const patched = (first ?? []).find(({ type }) => type === 'MODIFIED');
    expect(patched?.object.metadata.managedFields.map(({ manager }: { manager: string }) => manager)).toContain('churn');
    for (const watcher of watchers) watcher.stop();
  });
});

it('7: resource versions are decimal and grow with every write', async () => {
  let before = 0n;
  for (let i = 0; i < 5; i++) {
    const made = await t.rest.ok('POST', t.path('configmaps'), { body: configMap(`v${i}`) });
    expect(made.metadata.resourceVersion).toMatch(/^[1-9]\d*$/);
    expect(BigInt(made.metadata.resourceVersion)).toBeGreaterThan(before);
    before = BigInt(made.metadata.resourceVersion);
  }
});
