import { Deployments, Pods } from '@orrery/api';
import type { Deployment, Pod } from '@orrery/api/types';
import type { ApiClient } from '@orrery/client';
import { rfc3339 } from '@orrery/runtime';
import { expect, test, vi } from 'vitest';
import { type Harness, startManager } from '../testing/manager-harness.ts';

const count = 25;
const replicas = 10;
const namespace = 'a';

/** Nodes that take pods one after the other: each is Ready a while after it is made, and at most so many in a second. */
function runPods(h: Harness, { perSecond, takesMs }: { perSecond: number; takesMs: number }): void {
  let freeAtMs = 0;
  const ready = (pod: Pod): void => {
    if (!h.api.find(Pods, pod.metadata?.name ?? '', namespace)) return;
    const conditions = [{ type: 'Ready', status: 'True', lastTransitionTime: rfc3339(h.clock.now()) }];
    h.api.setStatus(Pods, { namespace, name: pod.metadata?.name ?? '' }, { phase: 'Running', conditions });
  };
  h.api.watch(Pods, {}, {
    closed: () => undefined,
    events(batch) {
      for (const { object, type } of batch) {
        if (type !== 'ADDED') continue;
        freeAtMs = Math.max(h.clock.monotonic() + takesMs, freeAtMs + 1000 / perSecond);
        h.clock.after(freeAtMs - h.clock.monotonic(), () => ready(object));
      }
    },
  });
}

/** How often each call was made since it was last asked. */
function countWrites(api: ApiClient): () => Map<string, number> {
  const counts = new Map<string, number>();
  for (const verb of ['create', 'update', 'patch', 'delete'] as const) {
    const real = (api[verb] as (...args: unknown[]) => unknown).bind(api);
    vi.spyOn(api, verb).mockImplementation(((...args: unknown[]) => {
      const options = args.at(-1) as { subresource?: string } | undefined;
      const what = `${verb} ${(args[0] as { resource: string }).resource}${options?.subresource ? `/${options.subresource}` : ''}`;
      counts.set(what, (counts.get(what) ?? 0) + 1);
      return real(...args);
    }) as never);
  }
  return () => {
    const seen = new Map(counts);
    counts.clear();
    return seen;
  };
}

const deployment = (name: string): Deployment => ({
  metadata: { name, namespace },
  spec: { replicas, selector: { matchLabels: { app: name } }, strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%', maxUnavailable: '25%' } }, template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'c', image: 'i' }] } } },
});

test('many rollouts at once write little: what happens at much the same time is told together', async () => {
  const h = await startManager({ controllers: ['deployment-controller', 'replicaset-controller'] });
  runPods(h, { perSecond: 100, takesMs: 80 });
  const names = Array.from({ length: count }, (_, i) => `d${i}`);
  const done = (): boolean => h.api.objects(Deployments).every(({ status }) => status?.availableReplicas === replicas && status.updatedReplicas === replicas && status.replicas === replicas);
  const settle = async (): Promise<void> => {
    await h.clock.advance(200);
    for (let i = 0; i < 1000 && !done(); i++) await h.clock.advance(50);
    expect(done()).toBe(true);
  };
  for (const name of names) await h.api.create(Deployments, deployment(name));
  await settle();
  const writes = countWrites(h.api);
  for (const name of names) await h.api.patch(Deployments, { namespace, name }, { spec: { template: { metadata: { annotations: { round: '2' } } } } }, { type: 'application/merge-patch+json' });
  await settle();
  const made = writes();
  const perPod = (what: string): number => (made.get(what) ?? 0) / count / replicas;
  expect([perPod('create pods'), perPod('delete pods')]).toEqual([1, 1]);
  // One by one it is 4.2, 4.1 and 1.5; told before what was just done shows, 1.1 and 1.7 of statuses.
  expect(perPod('update deployments/status')).toBeLessThan(0.85);
  expect(perPod('update replicasets/status')).toBeLessThan(1.2);
  expect(perPod('update replicasets')).toBeLessThan(1);
  expect(h.complaints).toEqual([]);
});

test('many Deployments do not wait for one another while writes take their time', async () => {
  const h = await startManager({ controllers: ['deployment-controller', 'replicaset-controller'] });
  for (const verb of ['create', 'update'] as const) {
    const real = (h.api[verb] as (...args: unknown[]) => Promise<unknown>).bind(h.api);
    const takesTime = (...args: unknown[]): Promise<unknown> => new Promise<void>((resolve) => void h.clock.after(20, resolve)).then(() => real(...args));
    vi.spyOn(h.api, verb).mockImplementation(takesTime as never);
  }
  const made = Array.from({ length: 100 }, (_, i) => h.api.create(Deployments, { ...deployment(`d${i}`), spec: { ...deployment(`d${i}`).spec, replicas: 1 } } as Deployment));
  // With five workers each it takes 900 ms.
  await h.clock.advance(400);
  expect(await Promise.all(made)).toHaveLength(100);
  expect(h.api.objects(Pods)).toHaveLength(100);
});
