import type { Node, Pod } from '@orrery/api/types';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { NodeInfo } from '../cache/node-info.ts';
import { type PodInfo, podInfo } from '../cache/pod-info.ts';
import { type SchedulerCache, createSchedulerCache } from '../cache/scheduler-cache.ts';
import { defaultArgs } from '../configuration/plugin-args.ts';
import { interPodAffinity } from '../plugins/inter-pod-affinity/inter-pod-affinity.ts';
import { nodeAffinity } from '../plugins/node-affinity.ts';
import { nodePorts } from '../plugins/node-ports.ts';
import { nodeResourcesBalanced } from '../plugins/node-resources-balanced.ts';
import { nodeResourcesFit } from '../plugins/node-resources-fit.ts';
import { podTopologySpread } from '../plugins/pod-topology-spread/pod-topology-spread.ts';
import { taintToleration } from '../plugins/taint-toleration.ts';
import { createCycleTimer } from './cycle-timer.ts';
import { type Framework, createFramework } from './framework.ts';
import { type ProfilePlugins, pointMethods, points } from './profile-plugins.ts';
import type { CycleState, Plugin, PluginDefinition, PluginHandle } from './types.ts';
import { createWaitingPods } from './waiting-pods.ts';

const definitions: readonly PluginDefinition<any>[] = [taintToleration, nodeAffinity, nodePorts, nodeResourcesFit, podTopologySpread, interPodAffinity, nodeResourcesBalanced];

/** A profile over a cache; one that is made anew for a question remembers nothing. */
function profileOver(cache: SchedulerCache): Framework {
  const handle: Partial<PluginHandle> = { snapshot: () => cache, namespaceLabels: () => ({}), nominations: cache.nominated };
  const plugins = new Map<string, Plugin>([
    ...definitions.map(({ name, create }) => [name, create(handle as PluginHandle, name === 'PodTopologySpread' ? {} : defaultArgs(name))] as const),
    ['Sort', { name: 'Sort', less: () => false }],
    ['Bind', { name: 'Bind', bind: async () => undefined }],
  ]);
  const at = Object.fromEntries(points.map((point) => [point, [...plugins.values()].filter((plugin) => plugin[pointMethods[point]]).map(({ name }) => ({ name, weight: 2 }))])) as unknown as ProfilePlugins;
  const timer = createCycleTimer({ now: () => 0, plugin: () => undefined });
  return createFramework({ schedulerName: 'x', plugins, at, timer, waitingPods: createWaitingPods({ after: () => ({ cancel: () => undefined }) }) });
}

const term = (color: string) => ({ labelSelector: { matchLabels: { color } }, topologyKey: 'zone' });
const kinds: readonly Partial<NonNullable<Pod['spec']>>[] = [
  {},
  { priority: 5 },
  { nodeSelector: { zone: 'z1' } },
  { affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ ...term('red'), topologyKey: 'host' }] } } },
  { affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term('blue')], preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 7, podAffinityTerm: term('red') }] } } },
  { affinity: { podAntiAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 3, podAffinityTerm: term('blue') }] } } },
  { topologySpreadConstraints: [{ maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'DoNotSchedule', labelSelector: { matchLabels: { color: 'red' } } }] },
  { topologySpreadConstraints: [{ maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'ScheduleAnyway', labelSelector: { matchLabels: { color: 'blue' } } }] },
  { tolerations: [{ key: 't', operator: 'Exists' }] },
];

function aPod(uid: number, kind: number, color: string, deleting = false): PodInfo {
  return podInfo({
    metadata: { name: `p${uid}`, namespace: 'd', uid: `u${uid}`, labels: { color }, ...(deleting ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {}) },
    spec: { containers: [{ name: 'c', resources: { requests: { cpu: '1' } }, ...(kind === 8 ? { ports: [{ containerPort: 1, hostPort: 80 }] } : {}) }], ...kinds[kind] },
  });
}

function aNode(i: number, zone: number, tainted: boolean): Node {
  return { metadata: { name: `n${i}`, labels: { zone: `z${zone}`, host: `n${i}` } }, spec: tainted ? { taints: [{ key: 't', effect: 'NoSchedule' }] } : {}, status: { allocatable: { cpu: '3', memory: '1Gi', pods: '4' } } };
}

/** Every node's verdict, and the scores of those that fit. */
function decide(framework: Framework, cache: SchedulerCache, pod: PodInfo): unknown {
  const state: CycleState = new Map();
  const pre = framework.preFilter(state, pod, cache);
  if (pre.status) return pre.status.reasons;
  const judge = framework.judge(state, pre, pod, { snapshot: cache, nominated: cache.nominated });
  const verdicts = cache.nodes.map((node): [NodeInfo, string] => [node, judge(node)?.reasons.join() ?? '']);
  const fitting = verdicts.flatMap(([node, reasons]) => (reasons ? [] : [node]));
  const scores = fitting.length ? framework.score(state, pod, fitting) : [];
  return [verdicts.map(([node, reasons]) => `${node.name}: ${reasons}`), [...(scores as Float64Array)]];
}

/** What must look at every pod to count some. */
function withoutIndex(cache: SchedulerCache): SchedulerCache {
  const { labelled: _labelled, ...bare } = cache;
  return bare as SchedulerCache;
}

const node = fc.integer({ min: 0, max: 4 });
const uid = fc.integer({ min: 0, max: 11 });
const kind = fc.integer({ min: 0, max: kinds.length - 1 });
const color = fc.constantFrom('red', 'blue');
type Step = (cache: SchedulerCache) => void;
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(uid, kind, color, node, fc.boolean()).map(([u, k, c, n, deleting]): Step => (cache) => cache.setPod(aPod(u, k, c, deleting), `n${n}`)) },
  { weight: 2, arbitrary: uid.map((u): Step => (cache) => cache.removePod(`u${u}`)) },
  { weight: 1, arbitrary: fc.tuple(node, fc.integer({ min: 1, max: 2 }), fc.boolean()).map(([n, zone, tainted]): Step => (cache) => cache.setNode(aNode(n, zone, tainted))) },
  { weight: 1, arbitrary: node.map((n): Step => (cache) => cache.removeNode(`n${n}`)) },
  { weight: 1, arbitrary: fc.tuple(uid, node).map(([u, n]): Step => (cache) => cache.nominated.set(aPod(u + 100, 1, 'red'), `n${n}`)) },
  { weight: 1, arbitrary: uid.map((u): Step => (cache) => void cache.nominated.delete(`u${u + 100}`)) },
);

it('what is kept from pod to pod decides as what is worked out anew', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(step, kind, color), { minLength: 5, maxLength: 60 }), (steps) => {
      const cache = createSchedulerCache();
      for (let i = 0; i < 5; i++) cache.setNode(aNode(i, (i % 2) + 1, i === 4));
      const framework = profileOver(cache);
      for (const [change, k, c] of steps) {
        change(cache);
        const asked = aPod(999, k, c);
        const bare = withoutIndex(cache);
        expect(decide(framework, cache, asked)).toEqual(decide(profileOver(bare), bare, asked));
      }
    }),
    { numRuns: 60 },
  );
});
