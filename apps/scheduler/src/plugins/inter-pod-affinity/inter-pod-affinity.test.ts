import type { Pod, PodAffinityTerm } from '@orrery/api/types';
import { describe, expect, it } from 'vitest';
import type { ClusterEvent } from '../../framework/types.ts';
import { trialNode, trialPod, tryPlugin } from '../plugin-trial.ts';
import { interPodAffinity } from './inter-pod-affinity.ts';

const apart = "node(s) didn't match pod anti-affinity rules";
const alone = "node(s) didn't match pod affinity rules";
const unwelcome = "node(s) didn't satisfy existing pods anti-affinity rules";

type Kind = 'podAffinity' | 'podAntiAffinity';
const near = (app: string, more: Partial<PodAffinityTerm> = {}): PodAffinityTerm => ({ topologyKey: 'zone', labelSelector: { matchLabels: { app } }, ...more });
const required = (kind: Kind, ...terms: PodAffinityTerm[]) => ({ affinity: { [kind]: { requiredDuringSchedulingIgnoredDuringExecution: terms } } });
const preferred = (kind: Kind, weight: number, podAffinityTerm: PodAffinityTerm) => ({
  affinity: { [kind]: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight, podAffinityTerm }] } },
});
const pod = (app: string, spec: Partial<NonNullable<Pod['spec']>> = {}, namespace = 'default'): Pod => trialPod(`${app}-pod`, { app }, { spec, namespace });

const nodes = [trialNode('a', { zone: '1' }), trialNode('b', { zone: '1' }), trialNode('c', { zone: '2' }), trialNode('bare')];
const all = (reason: string): Record<string, string> => ({ a: reason, b: reason, c: reason, bare: reason });

describe('InterPodAffinity filter', () => {
  const db = { a: [pod('db')] };
  const cases: [string, Pod, Record<string, Pod[]>, 'Skip' | Record<string, string>][] = [
    ['stays out when nobody has affinity', pod('web'), db, 'Skip'],
    ['stays out when affinity of others does not concern the pod', pod('web'), { a: [pod('db', required('podAntiAffinity', near('db')))] }, 'Skip'],
    ['follows a pod into its domain', pod('web', required('podAffinity', near('db'))), db, { a: '', b: '', c: alone, bare: alone }],
    ['needs one pod that matches every term', pod('web', required('podAffinity', near('db'), near('cache'))), { a: [pod('db'), pod('cache')] }, all(alone)],
    ['refuses when nothing matches', pod('web', required('podAffinity', near('db'))), {}, all(alone)],
    ['lets the first of a group go anywhere with the key', pod('web', required('podAffinity', near('web'))), {}, { a: '', b: '', c: '', bare: alone }],
    ['keeps the second of a group with the first', pod('web', required('podAffinity', near('web'))), { c: [pod('web')] }, { a: alone, b: alone, c: '', bare: alone }],
    ['keeps away from a pod; nodes without the key are free', pod('web', required('podAntiAffinity', near('db'))), db, { a: apart, b: apart, c: '', bare: '' }],
    ['heeds the anti-affinity of pods there', pod('web'), { c: [pod('db', required('podAntiAffinity', near('web')))] }, { a: '', b: '', c: unwelcome, bare: '' }],
    ['looks into the own namespace by default', pod('web', required('podAntiAffinity', near('db'))), { a: [pod('db', {}, 'other')] }, all('')],
    ['looks into named namespaces', pod('web', required('podAntiAffinity', near('db', { namespaces: ['other'] }))), { a: [pod('db', {}, 'other')] }, { a: apart, b: apart, c: '', bare: '' }],
    [
      'selects namespaces by label',
      pod('web', required('podAntiAffinity', near('db', { namespaceSelector: { matchLabels: { team: 'x' } } }))),
      { a: [pod('db', {}, 'other')], c: [pod('db')] },
      { a: apart, b: apart, c: '', bare: '' },
    ],
    ['takes an empty namespace selector for all', pod('web', required('podAntiAffinity', near('db', { namespaceSelector: {} }))), { a: [pod('db', {}, 'other')], c: [pod('db')] }, { a: apart, b: apart, c: apart, bare: '' }],
    [
      'selects namespaces for pods there too',
      pod('web', {}, 'other'),
      { c: [pod('db', required('podAntiAffinity', near('web', { namespaceSelector: { matchLabels: { team: 'x' } } })))] },
      { a: '', b: '', c: unwelcome, bare: '' },
    ],
  ];
  it.each(cases)('%s', (_name, incoming, pods, expected) => {
    expect(tryPlugin(interPodAffinity, { nodes, pods, namespaces: { default: {}, other: { team: 'x' } } }, {}).filter(incoming)).toEqual(expected);
  });

  it('says what is wrong with a selector', () => {
    const bad = pod('web', required('podAffinity', near('db', { labelSelector: { matchExpressions: [{ key: 'a', operator: 'Near' }] } })));
    expect(tryPlugin(interPodAffinity, { nodes, pods: {} }, {}).filter(bad)).toEqual(all('parsing pod: "Near" is not a valid label selector operator'));
  });

  it('forgets pods that went', () => {
    const trial = tryPlugin(interPodAffinity, { nodes, pods: { c: [pod('db', required('podAntiAffinity', near('web')))] } }, {});
    expect(trial.cache.affinityPodCount).toBe(1);
    trial.cache.removePod('default/db-pod');
    expect(trial.cache.affinityPodCount).toBe(0);
    expect(trial.filter(pod('web'))).toBe('Skip');
  });

  it('keeps the affinity of pods whose node comes back', () => {
    const trial = tryPlugin(interPodAffinity, { nodes, pods: { c: [pod('db', required('podAntiAffinity', near('web')))] } }, {});
    trial.cache.removeNode('c');
    expect(trial.filter(pod('web'))).toBe('Skip');
    trial.cache.setNode(trialNode('c', { zone: '2' }));
    expect(trial.filter(pod('web'))).toMatchObject({ c: unwelcome });
  });
});

describe('InterPodAffinity score', () => {
  const cases: [string, Pod, Record<string, Pod[]>, 'Skip' | Record<string, number>][] = [
    ['stays out when nothing applies', pod('web'), { a: [pod('db')] }, 'Skip'],
    ['prefers', pod('web', preferred('podAffinity', 5, near('db'))), { a: [pod('db')] }, { a: 100, b: 100, c: 0, bare: 0 }],
    ['avoids', pod('web', preferred('podAntiAffinity', 5, near('db'))), { a: [pod('db')] }, { a: 0, b: 0, c: 100, bare: 100 }],
    [
      'weighs preferences of pods there, required ones with 1',
      pod('web'),
      { a: [pod('db', preferred('podAffinity', 4, near('web')))], c: [pod('cache', required('podAffinity', near('web')))] },
      { a: 100, b: 100, c: 25, bare: 0 },
    ],
    ['heeds aversions of pods there', pod('web'), { a: [pod('db', preferred('podAntiAffinity', 4, near('web')))] }, { a: 0, b: 0, c: 100, bare: 100 }],
  ];
  it.each(cases)('%s', (_name, incoming, pods, expected) => expect(tryPlugin(interPodAffinity, { nodes, pods }, {}).score(incoming)).toEqual(expected));
});

describe('InterPodAffinity events', () => {
  const follower = pod('web', required('podAffinity', near('db')));
  const loner = pod('web', required('podAntiAffinity', near('db')));
  const member = pod('web', required('podAffinity', near('web')));
  const cases: [string, Pod, ClusterEvent, boolean][] = [
    ['the pod it follows came', follower, { resource: 'AssignedPod', action: 'Add', object: pod('db') }, true],
    ['another came', follower, { resource: 'AssignedPod', action: 'Add', object: pod('cache') }, false],
    ['a pod was labelled', follower, { resource: 'AssignedPod', action: 'Update', old: pod('x'), object: pod('db') }, true],
    ['the pod it avoids went', loner, { resource: 'AssignedPod', action: 'Delete', object: pod('db') }, true],
    ['the pod it avoids came', loner, { resource: 'AssignedPod', action: 'Add', object: pod('db') }, false],
    ['the pod it avoids was relabelled', loner, { resource: 'AssignedPod', action: 'Update', old: pod('db'), object: pod('x') }, true],
    ['a pod that avoids it went', pod('web'), { resource: 'AssignedPod', action: 'Delete', object: pod('db', required('podAntiAffinity', near('web'))) }, true],
    ['an indifferent pod went', pod('web'), { resource: 'AssignedPod', action: 'Delete', object: pod('db') }, false],
    ['a member of its group went', member, { resource: 'AssignedPod', action: 'Delete', object: pod('web') }, true],
    ['a node with the key came', follower, { resource: 'Node', action: 'Add', object: trialNode('n', { zone: '1' }) }, true],
    ['a node without the key came', follower, { resource: 'Node', action: 'Add', object: trialNode('n') }, false],
    ['a node was labelled', follower, { resource: 'Node', action: 'Update', old: trialNode('n'), object: trialNode('n', { zone: '1' }) }, true],
    ['a node was tainted', follower, { resource: 'Node', action: 'Update', old: trialNode('n'), object: trialNode('n', {}, { taints: [] }) }, false],
  ];
  it.each(cases)('%s', (_name, waiting, event, helps) => expect(tryPlugin(interPodAffinity, { nodes: [], pods: {} }, {}).helps(waiting, event)).toBe(helps));
});
