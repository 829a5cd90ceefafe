import type { Container, Pod, PodSpec } from '@orrery/api/types';
import { expect, test } from 'vitest';
import { containerHash } from '../runtime/labels.ts';
import type { PodRuntime, RuntimeContainer, RuntimeSandbox } from '../runtime/pod-runtime.ts';
import { type ProbeVerdicts, computePodActions, runsWhole } from './compute-pod-actions.ts';

const quiet: ProbeVerdicts = { started: () => true, failed: () => undefined };
const ready: RuntimeSandbox = { id: 's1', attempt: 0, ready: true, hostNetwork: false, ips: ['10.0.0.2'], createdMs: 1 };
const image = (name: string): Container => ({ name, image: 'img' });
const sidecar = (name: string): Container => ({ ...image(name), restartPolicy: 'Always' });
const pod = (spec: Partial<PodSpec>): Pod => ({ metadata: { name: 'p', uid: 'u' }, spec: { containers: [image('a')], ...spec } });

function instance(name: string, state: RuntimeContainer['state'], more: Partial<RuntimeContainer> = {}): RuntimeContainer {
  const zero = { restartCount: 0, createdMs: 1, startedMs: 1, finishedMs: 0, exitCode: 0, reason: '', message: '', image: 'img', imageId: '', logPath: '', terminationLog: '' };
  return { ...zero, id: `c-${name}`, sandboxId: 's1', name, state, hash: containerHash(image(name)), ...more };
}

const runtime = (...containers: RuntimeContainer[]): PodRuntime => ({ sandboxes: [ready], containers });

/** What is to happen, in short: `sandbox#1 kill:a init:b start:a`. */
function digest(of: Pod, state: PodRuntime, probes: ProbeVerdicts = quiet): string {
  const actions = computePodActions(of, state, probes);
  const words = [
    ...(actions.killPod ? ['killPod'] : []),
    ...(actions.createSandbox ? [`sandbox#${actions.attempt}`] : []),
    ...actions.kill.map(({ container, message }) => `kill:${container.name}(${message})`),
    ...actions.startInit.map(({ name }) => `init:${name}`),
    ...actions.start.map(({ name }) => `start:${name}`),
    ...actions.startEphemeral.map(({ name }) => `ephemeral:${name}`),
  ];
  return words.join(' ') || 'nothing';
}

const two = { containers: [image('a'), image('b')] };
const withInit = { initContainers: [image('i'), image('j')] };
const withSidecar = { initContainers: [image('i'), sidecar('s'), image('j')] };

test.each<[string, Partial<PodSpec>, PodRuntime, string]>([
  ['a new pod', two, { sandboxes: [], containers: [] }, 'sandbox#0 start:a start:b'],
  ['a new pod with init containers', withInit, { sandboxes: [], containers: [] }, 'sandbox#0 init:i'],
  ['all run', {}, runtime(instance('a', 'running')), 'nothing'],
  ['a container was created but never started', {}, runtime(instance('a', 'created')), 'start:a'],
  ['an exit under Always', {}, runtime(instance('a', 'exited')), 'start:a'],
  ['success under OnFailure', { restartPolicy: 'OnFailure' }, runtime(instance('a', 'exited')), 'killPod'],
  ['failure under OnFailure', { restartPolicy: 'OnFailure' }, runtime(instance('a', 'exited', { exitCode: 1 })), 'start:a'],
  ['failure under Never', { restartPolicy: 'Never' }, runtime(instance('a', 'exited', { exitCode: 1 })), 'killPod'],
  ['one of two is done under Never', { ...two, restartPolicy: 'Never' }, runtime(instance('a', 'exited'), instance('b', 'running')), 'nothing'],
  ['the sandbox died', {}, { sandboxes: [{ ...ready, ready: false }], containers: [instance('a', 'exited')] }, 'killPod sandbox#1 start:a'],
  ['the sandbox died of a pod that is done', { restartPolicy: 'Never' }, { sandboxes: [{ ...ready, ready: false }], containers: [instance('a', 'exited')] }, 'killPod'],
  ['the sandbox has no address', {}, { sandboxes: [{ ...ready, ips: [] }], containers: [] }, 'killPod sandbox#1 start:a'],
  ['two sandboxes are ready', {}, { sandboxes: [{ ...ready, id: 's2', attempt: 1 }, ready], containers: [] }, 'killPod sandbox#2 start:a'],
  ['the image changed', {}, runtime(instance('a', 'running', { hash: 'other' })), 'kill:a(Container a definition changed, will be restarted) start:a'],
  ['the first init container runs', withInit, runtime(instance('i', 'running')), 'nothing'],
  ['the first init container is done', withInit, runtime(instance('i', 'exited')), 'init:j'],
  ['the last init container is done', withInit, runtime(instance('j', 'exited'), instance('i', 'exited')), 'start:a'],
  ['an init container failed under Always', withInit, runtime(instance('i', 'exited', { exitCode: 1 })), 'init:i'],
  ['an init container failed under Never', { ...withInit, restartPolicy: 'Never' }, runtime(instance('i', 'exited', { exitCode: 1 })), 'killPod'],
  ['a sidecar is next', withSidecar, runtime(instance('i', 'exited')), 'init:s'],
  ['a sidecar has started', withSidecar, runtime(instance('s', 'running'), instance('i', 'exited')), 'init:j'],
  ['a sidecar ended while a later init container runs', withSidecar, runtime(instance('j', 'running'), instance('s', 'exited'), instance('i', 'exited')), 'init:s'],
  ['a sidecar ended while the pod runs', withSidecar, runtime(instance('a', 'running'), instance('j', 'exited'), instance('s', 'exited', { exitCode: 1 })), 'init:s'],
  ['all main containers are done: sidecars are not restarted', { ...withSidecar, restartPolicy: 'Never' }, runtime(instance('a', 'exited'), instance('s', 'exited')), 'killPod'],
  ['init instances of an older sandbox do not count', withInit, runtime(instance('i', 'exited', { sandboxId: 's0' })), 'init:i'],
  ['an ephemeral container', { ephemeralContainers: [{ name: 'debug', image: 'sh' }] }, runtime(instance('a', 'running')), 'ephemeral:debug'],
  ['an ephemeral container that ended stays ended', { ephemeralContainers: [{ name: 'debug', image: 'sh' }] }, runtime(instance('a', 'running'), instance('debug', 'exited')), 'nothing'],
  ['a rule of the container restarts it', { containers: [{ ...image('a'), restartPolicy: 'Never', restartPolicyRules: [{ action: 'Restart', exitCodes: { operator: 'In', values: [42] } }] }], restartPolicy: 'Never' }, runtime(instance('a', 'exited', { exitCode: 42 })), 'start:a'],
])('%s', (_name, spec, state, expected) => {
  expect(digest(pod(spec), state)).toBe(expected);
  if (expected !== 'nothing') expect(runsWhole(pod(spec), state)).toBe(false);
});

test('a pod that runs whole is told from one of which something is missing', () => {
  expect(runsWhole(pod(two), runtime(instance('a', 'running'), instance('b', 'running')))).toBe(true);
  expect(runsWhole(pod(two), runtime(instance('a', 'running'), instance('b', 'exited')))).toBe(false);
  expect(runsWhole(pod(two), runtime(instance('a', 'running'), instance('a', 'running')))).toBe(false);
});

test('failed probes end containers, and start them again where the policy says so', () => {
  const failing = (kind: 'liveness' | 'startup'): ProbeVerdicts => ({ started: () => true, failed: (id) => (id === 'c-a' ? kind : undefined) });
  expect(digest(pod({}), runtime(instance('a', 'running')), failing('liveness'))).toBe('kill:a(Container a failed liveness probe, will be restarted) start:a');
  expect(digest(pod({ ...two, restartPolicy: 'Never' }), runtime(instance('a', 'running'), instance('b', 'running')), failing('startup'))).toBe('kill:a(Container a failed startup probe)');
});

test('init containers wait for the startup probe of the sidecar before them', () => {
  const notYet: ProbeVerdicts = { started: () => false, failed: () => undefined };
  const state = runtime(instance('s', 'running'), instance('i', 'exited'));
  expect(digest(pod(withSidecar), state, notYet)).toBe('nothing');
  expect(digest(pod(withSidecar), state)).toBe('init:j');
});
