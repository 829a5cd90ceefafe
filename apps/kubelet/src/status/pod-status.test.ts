import type { ContainerStatus, Pod } from '@orrery/api/types';
import { expect, test } from 'vitest';
import { podConditions } from './pod-conditions.ts';
import { podPhase } from './pod-phase.ts';
import { qosClass } from './qos-class.ts';
import { statusPatch } from './status-manager.ts';

const base = { image: '', imageID: '', ready: false, restartCount: 0 };
const running = (name: string, ready = true): ContainerStatus => ({ ...base, name, ready, started: true, state: { running: {} } });
const exited = (name: string, exitCode: number): ContainerStatus => ({ ...base, name, ready: exitCode === 0, state: { terminated: { exitCode } } });
const waiting = (name: string, last?: number): ContainerStatus => ({ ...base, name, state: { waiting: {} }, lastState: last === undefined ? {} : { terminated: { exitCode: last } } });

function pod(policy: string, init: string[], main: string[]): Pod {
  return { metadata: { generation: 3 }, spec: { restartPolicy: policy, initContainers: init.map((name) => ({ name, ...(name === 'side' ? { restartPolicy: 'Always' } : {}) })), containers: main.map((name) => ({ name })) } };
}

test.each<[string, string, ContainerStatus[], ContainerStatus[], boolean, string]>([
  ['waiting', 'Always', [], [waiting('a')], false, 'Pending'],
  ['running', 'Always', [], [running('a')], false, 'Running'],
  ['crash loop', 'Always', [], [waiting('a', 1)], false, 'Running'],
  ['exited under Always', 'Always', [], [exited('a', 0)], false, 'Running'],
  ['all succeeded', 'OnFailure', [], [exited('a', 0), exited('b', 0)], false, 'Succeeded'],
  ['one failed under OnFailure', 'OnFailure', [], [exited('a', 1), exited('b', 0)], false, 'Running'],
  ['one failed under Never', 'Never', [], [exited('a', 1), exited('b', 0)], false, 'Failed'],
  ['one failed, one runs', 'Never', [], [exited('a', 1), running('b')], false, 'Running'],
  ['init runs', 'Always', [running('i')], [waiting('a')], false, 'Pending'],
  ['init failed under Never', 'Never', [exited('i', 1)], [waiting('a')], false, 'Failed'],
  ['init crash loop', 'Always', [waiting('i', 1)], [waiting('a')], false, 'Pending'],
  ['sidecar runs, main not yet', 'Always', [running('side')], [waiting('a')], false, 'Pending'],
  ['sidecar runs with main', 'Always', [running('side')], [running('a')], false, 'Running'],
  ['deleted, all exited 0', 'Always', [], [exited('a', 0)], true, 'Succeeded'],
  ['deleted, killed', 'Always', [], [exited('a', 137)], true, 'Failed'],
])('phase: %s', (_name, policy, init, main, ended, phase) => {
  const of = pod(policy, init.map((s) => s.name), main.map((s) => s.name));
  expect(podPhase(of, { init, main }, ended)).toBe(phase);
});

test('conditions are worded as upstream, and keep their times', () => {
  const of: Pod = { ...pod('Always', ['i', 'side'], ['a', 'b']), status: { conditions: [{ type: 'Initialized', status: 'False', lastTransitionTime: 'before' }] } };
  const input = { init: [exited('i', 0), waiting('side')], main: [waiting('a'), waiting('b')], phase: 'Pending', sandboxReady: true, now: 'now' };
  expect(podConditions(of, input)).toEqual([
    { type: 'PodReadyToStartContainers', status: 'True', lastTransitionTime: 'now', observedGeneration: 3 },
    { type: 'Initialized', status: 'False', reason: 'ContainersNotInitialized', message: 'containers with incomplete status: [side]', lastTransitionTime: 'before', observedGeneration: 3 },
    { type: 'Ready', status: 'False', reason: 'ContainersNotReady', message: 'containers with unready status: [side a b]', lastTransitionTime: 'now', observedGeneration: 3 },
    { type: 'ContainersReady', status: 'False', reason: 'ContainersNotReady', message: 'containers with unready status: [side a b]', lastTransitionTime: 'now', observedGeneration: 3 },
    { type: 'PodScheduled', status: 'True', lastTransitionTime: 'now', observedGeneration: 3 },
  ]);
});

test('readiness gates hold Ready back', () => {
  const of: Pod = { ...pod('Always', [], ['a']), status: { conditions: [{ type: 'x.io/b', status: 'False' }] } };
  const gated: Pod = { ...of, spec: { ...of.spec, containers: of.spec?.containers ?? [], readinessGates: [{ conditionType: 'x.io/a' }, { conditionType: 'x.io/b' }] } };
  const ready = podConditions(gated, { init: [], main: [running('a')], phase: 'Running', sandboxReady: true, now: 'now' }).find((c) => c.type === 'Ready');
  expect(ready).toMatchObject({
    status: 'False',
    reason: 'ReadinessGatesNotReady',
    message: 'corresponding condition of pod readiness gate "x.io/a" does not exist., the status of pod readiness gate "x.io/b" is not "True", but False',
  });
});

test('quality of service', () => {
  const of = (resources: object): Pod => ({ spec: { containers: [{ name: 'a', resources }] } });
  expect(qosClass(of({}))).toBe('BestEffort');
  expect(qosClass(of({ requests: { cpu: '1' } }))).toBe('Burstable');
  expect(qosClass(of({ limits: { cpu: '1', memory: '1Gi' } }))).toBe('Guaranteed');
});

test('a status patch holds what changed, names addresses that went and fields that were cleared', () => {
  const sent = { phase: 'Pending', podIPs: [{ ip: '10.0.0.1' }], podIP: '10.0.0.1', reason: 'X', conditions: [{ type: 'Ready', status: 'False', reason: 'ContainersNotReady', message: 'm' }, { type: 'PodScheduled', status: 'True' }] };
  const wanted = { phase: 'Running', podIPs: [{ ip: '10.0.0.2' }], podIP: '10.0.0.2', conditions: [{ type: 'Ready', status: 'True' }, { type: 'PodScheduled', status: 'True' }] };
  expect(statusPatch(sent, wanted)).toEqual({
    phase: 'Running',
    reason: null,
    podIP: '10.0.0.2',
    podIPs: [{ ip: '10.0.0.2' }, { $patch: 'delete', ip: '10.0.0.1' }],
    conditions: [{ type: 'Ready', status: 'True', reason: null, message: null }],
    '$setElementOrder/conditions': [{ type: 'Ready' }, { type: 'PodScheduled' }],
  });
  expect(statusPatch(wanted, wanted)).toBeUndefined();
});
