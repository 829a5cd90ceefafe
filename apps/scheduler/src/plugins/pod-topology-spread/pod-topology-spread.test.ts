import type { Pod, TopologySpreadConstraint } from '@orrery/api/types';
import { describe, expect, it } from 'vitest';
import type { ClusterEvent } from '../../framework/types.ts';
import { trialNode, trialPod, tryPlugin } from '../plugin-trial.ts';
import { podTopologySpread } from './pod-topology-spread.ts';

const app = { app: 'web' };
const skewed = "node(s) didn't match pod topology spread constraints";
const missing = "node(s) didn't match pod topology spread constraints (missing required label)";

function spread(...constraints: Partial<TopologySpreadConstraint>[]): Pod {
  const base: TopologySpreadConstraint = { maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'DoNotSchedule', labelSelector: { matchLabels: app } };
  return trialPod('new', { ...app, version: '2' }, { spec: { topologySpreadConstraints: constraints.map((constraint) => ({ ...base, ...constraint })) } });
}

const web = (name: string, labels: Record<string, string> = {}): Pod => trialPod(name, { ...app, ...labels });
const nodes = [trialNode('a', { zone: '1' }), trialNode('b', { zone: '1' }), trialNode('c', { zone: '2' }), trialNode('bare')];
/** Zone 1 has two, zone 2 one. */
const pods = { a: [web('w1'), web('w2', { version: '2' })], c: [web('w3')] };

describe('PodTopologySpread filter', () => {
  const cases: [string, Pod, Record<string, string>][] = [
    ['keeps zones level', spread({}), { a: skewed, b: skewed, c: '', bare: missing }],
    ['bears a larger skew', spread({ maxSkew: 2 }), { a: '', b: '', c: '', bare: missing }],
    ['takes the least for 0 below minDomains', spread({ maxSkew: 2, minDomains: 3 }), { a: skewed, b: skewed, c: '', bare: missing }],
    ['does not count what does not match', spread({ labelSelector: { matchLabels: { app: 'other' } } }), { a: '', b: '', c: '', bare: missing }],
    ['selects nothing without a selector', spread({ labelSelector: undefined } as Partial<TopologySpreadConstraint>), { a: '', b: '', c: '', bare: missing }],
    ['needs all constraints to hold', spread({}, { topologyKey: 'kubernetes.io/hostname' }), { a: skewed, b: skewed, c: skewed, bare: missing }],
    ['counts every node for host names', spread({ topologyKey: 'kubernetes.io/hostname' }), { a: skewed, b: '', c: skewed, bare: '' }],
  ];
  it.each(cases)('%s', (_name, pod, expected) => expect(tryPlugin(podTopologySpread, { nodes, pods }, {}).filter(pod)).toEqual(expected));

  it.each<[string, string[], string]>([
    ['narrows the selector by matchLabelKeys', ['version'], ''],
    ['leaves out matchLabelKeys that the pod lacks', ['absent'], skewed],
  ])('%s', (_name, matchLabelKeys, inZone1) => {
    const others = { a: [web('v1', { version: '1' }), web('v2', { version: '1' })] };
    expect(tryPlugin(podTopologySpread, { nodes, pods: others }, {}).filter(spread({ matchLabelKeys }))).toMatchObject({ a: inZone1, c: '' });
  });

  it('leaves pods without hard constraints alone', () => {
    const trial = tryPlugin(podTopologySpread, { nodes, pods }, {});
    expect(trial.filter(web('plain'))).toBe('Skip');
    expect(trial.filter(spread({ whenUnsatisfiable: 'ScheduleAnyway' }))).toBe('Skip');
  });

  it('does not count pods being deleted or of other namespaces', () => {
    const gone = { a: [trialPod('x', app, { deleting: true }), trialPod('y', app, { namespace: 'other' })] };
    expect(tryPlugin(podTopologySpread, { nodes, pods: gone }, {}).filter(spread({}))).toEqual({ a: '', b: '', c: '', bare: missing });
  });

  const taint = { taints: [{ key: 'k', effect: 'NoSchedule' }] };
  const withEmptyZone = [...nodes, trialNode('d', { zone: '3' }, taint)];
  it.each<[string, Partial<TopologySpreadConstraint>, string]>([
    ['counts tainted nodes as domains by default', {}, skewed],
    ['leaves tainted nodes out when taints are honoured', { nodeTaintsPolicy: 'Honor' }, ''],
  ])('%s', (_name, constraint, inZone2) => {
    expect(tryPlugin(podTopologySpread, { nodes: withEmptyZone, pods }, {}).filter(spread(constraint))).toMatchObject({ a: skewed, c: inZone2 });
  });

  it.each<[string, Partial<TopologySpreadConstraint>, string]>([
    ['leaves nodes out that the node selector excludes', {}, ''],
    ['counts them when affinity is ignored', { nodeAffinityPolicy: 'Ignore' }, skewed],
  ])('%s', (_name, constraint, inZone1) => {
    const pod = spread(constraint);
    const only = { ...pod, spec: { ...pod.spec, containers: [], nodeSelector: { zone: '1' } } };
    expect(tryPlugin(podTopologySpread, { nodes, pods }, {}).filter(only)).toMatchObject({ a: inZone1 });
  });
});

describe('PodTopologySpread score', () => {
  const soft = { whenUnsatisfiable: 'ScheduleAnyway' };
  it('prefers the emptier zone and gives nodes without the key nothing', () => {
    // Two zones: weight ln 4. Zone 1 scores round(2·1.386) = 3, zone 2 round(1.386) = 1; 100·(3+1−s)/3.
    expect(tryPlugin(podTopologySpread, { nodes, pods }, {}).score(spread(soft))).toEqual({ a: 33, b: 33, c: 100, bare: 0 });
  });
  it('counts host names node by node', () => {
    // Four hosts: weight ln 6. round(2·1.79) = 4, 0, round(1.79) = 2.
    expect(tryPlugin(podTopologySpread, { nodes, pods }, {}).score(spread({ ...soft, topologyKey: 'kubernetes.io/hostname' }))).toEqual({ a: 0, b: 100, c: 50, bare: 100 });
  });
  it('finds all nodes equal when nothing matches', () => {
    expect(tryPlugin(podTopologySpread, { nodes, pods: {} }, {}).score(spread(soft))).toEqual({ a: 100, b: 100, c: 100, bare: 0 });
  });
  it('stays out without soft constraints', () => expect(tryPlugin(podTopologySpread, { nodes, pods }, {}).score(spread({}))).toBe('Skip'));
});

describe('PodTopologySpread events', () => {
  const cases: [string, ClusterEvent, boolean][] = [
    ['a matching pod came', { resource: 'AssignedPod', action: 'Add', object: web('x') }, true],
    ['a matching pod went', { resource: 'AssignedPod', action: 'Delete', object: web('x') }, true],
    ['another pod went', { resource: 'AssignedPod', action: 'Delete', object: trialPod('x', { app: 'db' }) }, false],
    ['a pod elsewhere went', { resource: 'AssignedPod', action: 'Delete', object: trialPod('x', app, { namespace: 'other' }) }, false],
    ['a pod ceased to match', { resource: 'AssignedPod', action: 'Update', old: web('x'), object: trialPod('x', {}) }, true],
    ['a pod is being deleted', { resource: 'AssignedPod', action: 'Update', old: web('x'), object: trialPod('x', app, { deleting: true }) }, true],
    ['a pod changed otherwise', { resource: 'AssignedPod', action: 'Update', old: web('x'), object: web('x', { more: '1' }) }, false],
    ['a node with the key came', { resource: 'Node', action: 'Add', object: trialNode('n', { zone: '9' }) }, true],
    ['a node without the key came', { resource: 'Node', action: 'Add', object: trialNode('n') }, false],
    ['a domain went', { resource: 'Node', action: 'Delete', object: trialNode('n', { zone: '9' }) }, true],
    ['a node moved', { resource: 'Node', action: 'Update', old: trialNode('n', { zone: '1' }), object: trialNode('n', { zone: '2' }) }, true],
    ['a node stayed as it was', { resource: 'Node', action: 'Update', old: trialNode('n', { zone: '1' }), object: trialNode('n', { zone: '1' }) }, false],
  ];
  it('leaves a pod alone whose selector cannot be read', () => {
    const bad = spread({ labelSelector: { matchExpressions: [{ key: 'a', operator: 'Near' }] } });
    const trial = tryPlugin(podTopologySpread, { nodes, pods }, {});
    expect(trial.filter(bad)).toMatchObject({ a: '"Near" is not a valid label selector operator' });
    expect(trial.helps(bad, { resource: 'AssignedPod', action: 'Add', object: web('x') })).toBe(false);
  });
  it.each(cases)('%s', (_name, event, helps) => expect(tryPlugin(podTopologySpread, { nodes: [], pods: {} }, {}).helps(spread({}), event)).toBe(helps));
});
