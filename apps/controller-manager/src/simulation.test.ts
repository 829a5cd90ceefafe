import { Pods, ReplicaSets, StatefulSets } from '@orrery/api';
import type { Pod, ReplicaSet } from '@orrery/api/types';
import type { KubeObject, ResourceRef } from '@orrery/apimachinery';
import { expect, test } from 'vitest';
import type { Link } from './testing/simulation/link.ts';
import { World } from './testing/simulation/world.ts';

const first = Number(process.env['ORRERY_SEED']) || 1;
const seeds = Number(process.env['ORRERY_SEEDS'] ?? 200);
/** What fits well into the time of a test run, on a machine that does other things too. */
const parts = 10;

test.each(Array.from({ length: parts }, (_, i) => i))('controllers converge and keep their word whatever befalls them, part %i', { timeout: 600_000 }, async (part) => {
  for (let seed = first + part; seed < first + seeds; seed += parts) {
    const world = new World({ seed });
    expect(await world.run(), `seed ${seed}: ${world.workloads.map(({ object, resource }) => `${resource.kind} ${object.metadata?.name}`).join(', ')}`).toEqual([]);
  }
});

type Sabotage = (link: Link) => Link;

/** Controllers that see a resource other than it is. */
function seeing<T extends KubeObject>(resource: ResourceRef<T>, change: (object: T) => T): Sabotage {
  const changed = (asked: ResourceRef, object: KubeObject): KubeObject => (asked.resource === resource.resource ? change(object as T) : object);
  return (link) => ({
    ...link,
    list: async (asked, options) => {
      const found = await link.list(asked, options);
      return { ...found, items: found.items.map((item) => changed(asked, item) as typeof item) };
    },
    watch: (asked, options, sink) => link.watch(asked, options, { ...sink, closed: (error) => sink.closed(error), events: (batch) => sink.events(batch.map((event) => ({ ...event, object: changed(asked, event.object) as typeof event.object }))) }),
  });
}

const isAbout = (asked: ResourceRef, resource: ResourceRef): boolean => asked.resource === resource.resource;
const readyPod = (pod: Pod): Pod => (pod.metadata?.deletionTimestamp ? pod : { ...pod, status: { ...pod.status, phase: 'Running', conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z' }] } });
const availableSet = (set: ReplicaSet): ReplicaSet => ({ ...set, status: { replicas: 0, ...set.status, observedGeneration: set.metadata?.generation ?? 0, availableReplicas: set.spec?.replicas ?? 1 } });

test.each<[string, Sabotage, RegExp]>([
  ['takes every ReplicaSet for available', seeing(ReplicaSets, availableSet), /pods available, at least/],
  ['takes every pod for ready', seeing(Pods, readyPod), /before \d+ is ready|pods away|pods available|nodes without/],
  ['makes a pod twice', (link) => ({ ...link, create: async (resource, object, options) => (isAbout(resource, Pods) && object.metadata?.generateName && (await link.create(resource, object, options)), link.create(resource, object, options)) }), /at most|runs 2 times|pods on n/],
  ['never takes a finalizer away', (link) => ({ ...link, patch: async (resource, key, patch, options) => (JSON.stringify(patch).includes('finalizers') ? link.get(resource, key) : link.patch(resource, key, patch, options)) }), /not finished|keep their finalizer|is left|does not go|stays/],
  ['forgets to delete pods', (link) => ({ ...link, delete: async (resource, key, options) => (isAbout(resource, Pods) ? undefined : link.delete(resource, key, options)) }), /pods are right|is left/],
  ['does not tell the state of StatefulSets', (link) => ({ ...link, update: async (resource, object, options) => (isAbout(resource, StatefulSets) ? object : link.update(resource, object, options)) }), /generation not observed/],
])('is caught: a manager that %s', { timeout: 600_000 }, async (_name, sabotage, expected) => {
  const found: string[] = [];
  for (let seed = 1; seed <= 12 && !found.some((text) => expected.test(text)); seed++) found.push(...(await new World({ seed, sabotage }).run()));
  expect(found.filter((text) => expected.test(text))).not.toEqual([]);
});
