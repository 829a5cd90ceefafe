import { ControllerRevisions, DaemonSets, Nodes, Pods } from '@orrery/api';
import type { DaemonSet, Node, Pod, PodSpec } from '@orrery/api/types';
import { expect, test } from 'vitest';
import { type Harness, startManager } from '../testing/manager-harness.ts';
import { nodeOfPod, placement } from './placement.ts';
import { plan } from './plan.ts';

const node = (name: string, more: Partial<Node['spec']> = {}, labels: Record<string, string> = {}): Node => ({ metadata: { name, labels }, spec: { podCIDR: '10.244.9.0/24', podCIDRs: ['10.244.9.0/24'], ...more }, status: { conditions: [{ type: 'Ready', status: 'True' }] } });
const set = (more: Partial<NonNullable<DaemonSet['spec']>> = {}): DaemonSet => ({
  metadata: { name: 'ds', namespace: 'a' },
  spec: { selector: { matchLabels: { d: 's' } }, template: { metadata: { labels: { d: 's' } }, spec: { containers: [{ name: 'c', image: 'v1' }] } }, updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1 } }, ...more },
});
const only = { controllers: ['daemonset-controller'] };
const status = (h: Harness) => h.api.find(DaemonSets, 'ds', 'a')?.status;
const where = (h: Harness) => h.api.objects(Pods).filter((pod) => !pod.metadata?.deletionTimestamp).map((pod) => nodeOfPod(pod)).sort();
const image = (h: Harness, value: string) => h.api.patch(DaemonSets, { namespace: 'a', name: 'ds' }, { spec: { template: { spec: { containers: [{ name: 'c', image: value }] } } } }, { type: 'application/merge-patch+json' });

test.each<[string, PodSpec, Node, boolean, boolean]>([
  ['a plain node', { containers: [] }, node('n'), true, true],
  ['an unschedulable node', { containers: [] }, node('n', { taints: [{ key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' }] }), true, true],
  ['an unreachable node', { containers: [] }, node('n', { taints: [{ key: 'node.kubernetes.io/unreachable', effect: 'NoExecute' }] }), true, true],
  ['a NoSchedule taint', { containers: [] }, node('n', { taints: [{ key: 'x', effect: 'NoSchedule' }] }), false, true],
  ['a NoExecute taint', { containers: [] }, node('n', { taints: [{ key: 'x', effect: 'NoExecute' }] }), false, false],
  ['another selector', { containers: [], nodeSelector: { a: 'b' } }, node('n'), false, false],
  ['a matching selector', { containers: [], nodeSelector: { a: 'b' } }, node('n', {}, { a: 'b' }), true, true],
])('placement on %s', (_name, spec, on, run, stay) => expect(placement(spec, on)).toEqual({ run, stay }));

test('every fitting node gets one pod, new nodes too, and nodes that no longer fit lose theirs', async () => {
  const h = await startManager(only);
  h.api.seed(Nodes, node('n1'), node('n2'), node('n3', { taints: [{ key: 'x', effect: 'NoSchedule' }] }));
  await h.api.create(DaemonSets, set());
  await h.clock.advance(200);
  expect(where(h)).toEqual(['n1', 'n2']);
  h.run();
  h.api.seed(Nodes, node('n4'));
  await h.clock.advance(200);
  expect(where(h)).toEqual(['n1', 'n2', 'n4']);
  h.run();
  await h.clock.advance(200);
  expect(status(h)).toMatchObject({ desiredNumberScheduled: 3, currentNumberScheduled: 3, numberReady: 3, numberAvailable: 3, updatedNumberScheduled: 3, numberMisscheduled: 0 });
  await h.api.patch(Nodes, { name: 'n1' }, { spec: { taints: [{ key: 'y', effect: 'NoExecute' }] } }, { type: 'application/merge-patch+json' });
  await h.clock.advance(200);
  expect(where(h)).toEqual(['n2', 'n4']);
  expect(h.complaints).toEqual([]);
});

test('a rolling update takes one node at a time; going back reuses the first revision', async () => {
  const h = await startManager(only);
  h.api.seed(Nodes, node('n1'), node('n2'), node('n3'));
  await h.api.create(DaemonSets, set());
  await h.clock.advance(200);
  h.run();
  await h.clock.advance(200);
  const roll = async (wanted: string) => {
    await image(h, wanted);
    for (let i = 0; i < 5; i++) {
      await h.clock.advance(200);
      expect(h.api.objects(Pods).filter((pod) => pod.status?.phase === 'Running').length).toBeGreaterThanOrEqual(2);
      h.run();
    }
    expect(h.api.objects(Pods).map((pod: Pod) => pod.spec?.containers[0]?.image)).toEqual([wanted, wanted, wanted]);
  };
  await roll('v2');
  await roll('v1');
  expect(h.api.objects(ControllerRevisions).map((revision) => revision.revision).sort()).toEqual([2, 3]);
});

test('with surge the old pod goes when the new one is available', async () => {
  const h = await startManager(only);
  h.api.seed(Nodes, node('n1'));
  await h.api.create(DaemonSets, set({ updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } } }));
  await h.clock.advance(200);
  h.run();
  await h.clock.advance(200);
  await image(h, 'v2');
  await h.clock.advance(200);
  expect(where(h)).toEqual(['n1', 'n1']);
  h.run();
  await h.clock.advance(200);
  expect(h.api.objects(Pods).map((pod) => pod.spec?.containers[0]?.image)).toEqual(['v2']);
});

/** A pod as `NODE old|new ready|unready`. */
const daemon = (text: string, i: number): Pod => {
  const [nodeName = '', age, health] = text.split(' ');
  return {
    metadata: { name: `ds-${i}`, uid: `${i}`, labels: { 'controller-revision-hash': age ?? '' }, creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: { containers: [], nodeName },
    status: { phase: 'Running', conditions: [{ type: 'Ready', status: health === 'ready' ? 'True' : 'False', lastTransitionTime: '2026-01-01T00:00:00Z' }] },
  };
};

test.each<[string, number, string[], string[], string[]]>([
  ['one node at a time', 1, ['a old ready', 'b old ready'], ['a'], []],
  ['an unready old pod does not wait for its turn', 1, ['a old ready', 'b old unready'], ['b', 'a'], []],
  ['no more while one starts', 1, ['a old ready', 'a new unready', 'b old ready'], [], []],
  ['beside one that starts an unready old pod goes', 1, ['a old unready', 'a new unready', 'b old ready'], ['b'], ['a old']],
  ['with the new one ready the old one goes', 1, ['a old ready', 'a new ready', 'b old ready'], ['b'], ['a old']],
  ['more than two are too many', 2, ['a old ready', 'a old ready', 'a new unready', 'a new unready', 'b new ready'], [], ['a old', 'a new']],
])('surge: %s', (_name, maxSurge, pods, create, remove) => {
  const observed = set({ updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge, maxUnavailable: 0 } } });
  const planned = plan({ daemonSet: observed, nodes: [node('a'), node('b')], pods: pods.map(daemon), hash: 'new', expectationsMet: true }, Date.parse('2026-01-01T00:01:00Z'));
  expect([planned.create, planned.remove.map((pod) => `${pod.spec?.nodeName ?? ''} ${pod.metadata?.labels?.['controller-revision-hash'] ?? ''}`)]).toEqual([create, remove]);
});
