import type { Node, Pod, PodDisruptionBudget } from '@orrery/api/types';
import { describe, expect, it } from 'vitest';
import { type NodeInfo, addPod, emptyNodeInfo, setNode } from '../../cache/node-info.ts';
import { type PodInfo, podInfo } from '../../cache/pod-info.ts';
import type { Snapshot } from '../../cache/snapshot.ts';
import { type Status, statusList, unresolvable, unschedulable } from '../../framework/status.ts';
import type { Candidate } from '../../framework/types.ts';
import { insufficient } from '../node-resources-fit.ts';
import { splitByBudget } from './budgets.ts';
import { candidatesWanted, findCandidates, ineligible } from './candidates.ts';
import { leastHarm, selectVictims } from './victims.ts';

interface Wanted {
  readonly cpu?: string;
  readonly app?: string;
  readonly started?: string;
}

function pod(name: string, priority: number, { cpu = '1', app, started }: Wanted = {}): PodInfo {
  return podInfo({
    metadata: { name, uid: name, namespace: 'default', ...(app ? { labels: { app } } : {}) },
    spec: { priority, containers: [{ name: 'c', resources: { requests: { cpu } } }] },
    status: started ? { startTime: `2026-01-01T00:00:${started}Z` } : {},
  });
}

function node(name: string, cpu: string, pods: readonly PodInfo[]): NodeInfo {
  const info = emptyNodeInfo(name);
  const object: Node = { metadata: { name }, status: { allocatable: { cpu, pods: '110' } } };
  setNode(info, object);
  for (const p of pods) addPod(info, p);
  return info;
}

function budget(app: string, disruptionsAllowed: number, more: Partial<NonNullable<PodDisruptionBudget['status']>> = {}): PodDisruptionBudget {
  return { metadata: { name: app, namespace: 'default' }, spec: { selector: { matchLabels: { app } } }, status: { disruptionsAllowed, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0, ...more } };
}

const fits = (p: PodInfo, at: NodeInfo): Status | undefined => {
  const reasons = insufficient(p, at);
  return reasons.length ? unschedulable(...reasons) : undefined;
};
const names = (pods: readonly PodInfo[]): string[] => pods.map((p) => p.uid);

describe('victims on a node', () => {
  const cases: [string, PodInfo[], PodDisruptionBudget[], string[], number][] = [
    ['as few as needed, the least important', [pod('a', 1), pod('b', 5), pod('c', 3)], [], ['a'], 0],
    ['the youngest of a priority', [pod('old', 1, { started: '01' }), pod('young', 1, { started: '09' }), pod('middle', 1, { started: '05' })], [], ['young'], 0],
    ['not those of the same priority', [pod('a', 10), pod('b', 10), pod('c', 9)], [], ['c'], 0],
    ['spares what a budget protects over what is more important', [pod('a', 1, { app: 'x' }), pod('b', 5), pod('c', 5)], [budget('x', 0)], ['c'], 0],
    ['violates a budget when nothing else helps', [pod('a', 20), pod('b', 20), pod('c', 1, { app: 'x' })], [budget('x', 0)], ['c'], 1],
  ];
  it.each(cases)('%s', (_, pods, budgets, victims, violations) => {
    const at = node('n', '3', pods);
    const found = selectVictims({ pod: pod('new', 10), node: at, budgets, fits });
    expect('code' in found ? found : [names(found.victims), found.violations]).toEqual([victims, violations]);
    expect(names([...at.pods.values()])).toEqual(names(pods));
  });

  it('says why there are none', () => {
    expect(selectVictims({ pod: pod('new', 1), node: node('n', '1', [pod('a', 1)]), budgets: [], fits })).toMatchObject({ reasons: ['No preemption victims found for incoming pod'] });
    expect(selectVictims({ pod: pod('new', 9, { cpu: '4' }), node: node('n', '1', [pod('a', 1)]), budgets: [], fits })).toMatchObject({ reasons: ['Insufficient cpu'] });
  });
});

describe('the node that hurts least', () => {
  const on = (nodeName: string, violations: number, ...victims: PodInfo[]): Candidate => ({ nodeName, violations, victims });
  const cases: [string, Candidate[], string][] = [
    ['fewest violations', [on('a', 1, pod('x', 1)), on('b', 0, pod('y', 9))], 'b'],
    ['lowest highest priority', [on('a', 0, pod('x', 5)), on('b', 0, pod('y', 4), pod('z', 4))], 'b'],
    ['smallest sum', [on('a', 0, pod('x', 5), pod('w', 4)), on('b', 0, pod('y', 5), pod('z', 3))], 'b'],
    ['fewer victims, also below zero', [on('a', 0, pod('x', -1), pod('w', -5)), on('b', 0, pod('y', -1))], 'b'],
    ['latest start', [on('a', 0, pod('x', 5, { started: '01' })), on('b', 0, pod('y', 5, { started: '07' }))], 'b'],
    ['the first of equals', [on('a', 0, pod('x', 5)), on('b', 0, pod('y', 5))], 'a'],
  ];
  it.each(cases)('%s', (_, candidates, chosen) => expect(leastHarm(candidates)?.nodeName).toBe(chosen));
});

describe('disruption budgets', () => {
  const two = [pod('a', 1, { app: 'x' }), pod('b', 1, { app: 'x' })];
  const cases: [string, PodDisruptionBudget[], string[]][] = [
    ['allow as many as they say', [budget('x', 1)], ['b']],
    ['are not charged twice', [budget('x', 0, { disruptedPods: { a: '2026-01-01T00:00:00Z' } })], ['b']],
    ['of other pods do not matter', [budget('y', 0)], []],
    ['that select everything protect nothing here', [{ ...budget('x', 0), spec: { selector: {} } }], []],
    ['of other namespaces do not matter', [{ ...budget('x', 0), metadata: { name: 'x', namespace: 'other' } }], []],
  ];
  it.each(cases)('%s', (_, budgets, violating) => expect(names(splitByBudget(two, budgets).violating)).toEqual(violating));
});

const args = { minCandidateNodesPercentage: 10, minCandidateNodesAbsolute: 100 };

describe('candidates', () => {
  it.each([
    [3, 3],
    [100, 100],
    [900, 100],
    [5000, 500],
  ])('of %i nodes %i are enough', (count, wanted) => expect(candidatesWanted(count, args)).toBe(wanted));

  it('tells why no node helps, in the words of a FitError', () => {
    const nodes = [node('a', '1', []), node('b', '1', []), node('c', '1', [])];
    const snapshot: Snapshot = { nodes, get: (name) => nodes.find((n) => n.name === name) };
    const statuses = statusList();
    [unschedulable('Insufficient cpu'), unresolvable('node(s) were unschedulable'), unresolvable('x')].forEach((status, i) => statuses.add(nodes[i] as NodeInfo, status));
    const found = findCandidates({ snapshot, statuses, args, offset: () => 0, dryRun: (at) => selectVictims({ pod: pod('p', 1), node: at, budgets: [], fits }) });
    expect(found).toBe('0/3 nodes are available: 1 No preemption victims found for incoming pod, 2 Preemption is not helpful for scheduling.');
  });

  const leaving = (reason: string): PodInfo => {
    const { pod: object } = pod('v', 1);
    const conditions = [{ type: 'DisruptionTarget', status: 'True', reason }];
    const terminating: Pod = { ...object, metadata: { ...object.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' }, status: { conditions } };
    return podInfo(terminating);
  };
  const waits = 'not eligible due to a terminating pod on the nominated node.';
  const never = podInfo({ ...pod('p', 9).pod, spec: { containers: [], preemptionPolicy: 'Never' } });
  const cases: [string, PodInfo, NodeInfo | undefined, Status | undefined, string | undefined][] = [
    ['a policy forbids it', never, undefined, undefined, 'not eligible due to preemptionPolicy=Never.'],
    ['its victims are still leaving', pod('p', 9), node('n', '1', [leaving('PreemptionByScheduler')]), unschedulable('x'), waits],
    ['others are leaving', pod('p', 9), node('n', '1', [leaving('EvictionByEvictionAPI')]), unschedulable('x'), undefined],
    ['its node cannot help any more', pod('p', 9), node('n', '1', [leaving('PreemptionByScheduler')]), unresolvable('x'), undefined],
  ];
  it.each(cases)('eligible or not: %s', (_, p, nominated, status, reason) => expect(ineligible(p, nominated, status)).toBe(reason));
});
