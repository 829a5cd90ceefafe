import { createHash, createHmac } from 'node:crypto';
import { Nodes, PersistentVolumes, Pods, ReplicaSets, ResourceSlices, StatefulSets, VolumeAttachments } from '@orrery/api';
import type { Pod, ReplicaSet } from '@orrery/api/types';
import type { KubeObject, ResourceRef } from '@orrery/apimachinery';
import { beforeAll, expect, test, vi } from 'vitest';
import type { Link } from './testing/simulation/link.ts';
import { World } from './testing/simulation/world.ts';

/** The platform's hashes are made by other threads, in real time: virtual time would not wait for them. */
beforeAll(() => {
  const { subtle } = globalThis.crypto;
  vi.spyOn(subtle, 'digest').mockImplementation((async (_name: string, data: Uint8Array) => createHash('sha256').update(data).digest()) as never);
  vi.spyOn(subtle, 'importKey').mockImplementation((async (_format: string, secret: Uint8Array) => secret) as never);
  vi.spyOn(subtle, 'sign').mockImplementation((async (_name: string, secret: Uint8Array, data: Uint8Array) => createHmac('sha256', secret).update(data).digest()) as never);
});

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

test.each(Array.from({ length: 5 }, (_, i) => i))('so do the controllers of all else, part %i', { timeout: 600_000 }, async (part) => {
  for (let seed = first + part; seed < first + seeds / 5; seed += 5) {
    const world = new World({ seed, chores: true });
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

/** What a node is patched with, as all nodes would be. */
const sameRange = (patch: unknown): unknown => {
  const { metadata, spec } = patch as { metadata?: object; spec?: { podCIDR?: string } };
  return spec?.podCIDR ? { metadata, spec: { podCIDR: '10.244.9.0/24', podCIDRs: ['10.244.9.0/24'] } } : patch;
};

test.each<[string, Sabotage, RegExp, chores?: boolean]>([
  ['takes every ReplicaSet for available', seeing(ReplicaSets, availableSet), /pods available, at least/],
  ['takes every pod for ready', seeing(Pods, readyPod), /before \d+ is ready|pods away|pods available|nodes without/],
  ['makes a pod twice', (link) => ({ ...link, create: async (resource, object, options) => (isAbout(resource, Pods) && object.metadata?.generateName && (await link.create(resource, object, options)), link.create(resource, object, options)) }), /at most|runs 2 times|pods on n/],
  ['never takes a finalizer away', (link) => ({ ...link, patch: async (resource, key, patch, options) => (JSON.stringify(patch).includes('finalizers') ? link.get(resource, key) : link.patch(resource, key, patch, options)) }), /not finished|keep their finalizer|is left|does not go|stays/],
  ['forgets to delete pods', (link) => ({ ...link, delete: async (resource, key, options) => (isAbout(resource, Pods) ? undefined : link.delete(resource, key, options)) }), /pods are right|is left/],
  ['does not tell the state of StatefulSets', (link) => ({ ...link, update: async (resource, object, options) => (isAbout(resource, StatefulSets) ? object : link.update(resource, object, options)) }), /generation not observed/],
  ['gives every node the same range', (link) => ({ ...link, patch: (resource, key, patch, options) => link.patch(resource, key, isAbout(resource, Nodes) ? sameRange(patch) : patch, options) }), /ranges 10/, true],
  ['never detaches a disk', (link) => ({ ...link, delete: async (resource, key, options) => (isAbout(resource, VolumeAttachments) ? undefined : link.delete(resource, key, options)) }), /attached to/, true],
  ['does not see that devices break', seeing(ResourceSlices, ({ spec, ...slice }) => ({ ...slice, spec: { ...spec, devices: spec?.devices?.map(({ taints: _taints, ...device }) => device) } as typeof spec })), /keeps a broken device/, true],
  ['attaches a disk wherever it is wanted', seeing(PersistentVolumes, (volume) => ({ ...volume, spec: { ...volume.spec, accessModes: ['ReadWriteMany'] } })), /attached to n\d and n\d/, true],
])('is caught: a manager that %s', { timeout: 600_000 }, async (_name, sabotage, expected, chores = false) => {
  const found: string[] = [];
  for (let seed = 1; seed <= (chores ? 40 : 12) && !found.some((text) => expected.test(text)); seed++) found.push(...(await new World({ seed, sabotage, chores }).run()));
  expect(found.filter((text) => expected.test(text))).not.toEqual([]);
});
