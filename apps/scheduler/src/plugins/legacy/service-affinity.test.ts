import type { Pod, Service } from '@orrery/api/types';
import { describe, expect, it } from 'vitest';
import { trialNode, trialPod, tryPlugin } from '../plugin-trial.ts';
import { serviceAffinity } from './service-affinity.ts';

const web: Service = { metadata: { name: 'web', namespace: 'default' }, spec: { selector: { app: 'web' } } };
const nodes = [trialNode('a1', { zone: 'a' }), trialNode('a2', { zone: 'a', rack: 'r' }), trialNode('b1', { zone: 'b' }), trialNode('none')];
const pod = (name: string, more: Parameters<typeof trialPod>[2] = {}): Pod => trialPod(name, { app: 'web' }, more);
const refused = "node(s) didn't match service affinity";

describe('ServiceAffinity', () => {
  const labels = { affinityLabels: ['zone'] };
  it('keeps the pods of a service to one value of its labels', () => {
    const trial = tryPlugin(serviceAffinity, { nodes, pods: { a1: [pod('first')] }, services: [web] }, labels);
    expect(trial.filter(pod('second'))).toEqual({ a1: '', a2: '', b1: refused, none: refused });
    expect(trial.filter(pod('elsewhere', { namespace: 'other' }))).toEqual({ a1: '', a2: '', b1: '', none: '' });
    expect(trial.filter(trialPod('stranger', { app: 'db' }))).toEqual({ a1: '', a2: '', b1: '', none: '' });
  });
  it('takes what the pod says itself first, and the rest from its siblings', () => {
    const trial = tryPlugin(serviceAffinity, { nodes, pods: { a2: [pod('first')] }, services: [web] }, { affinityLabels: ['zone', 'rack'] });
    expect(trial.filter(pod('second', { spec: { nodeSelector: { zone: 'b' } } }))).toEqual({ a1: refused, a2: refused, b1: refused, none: refused });
    expect(trial.filter(pod('third'))).toEqual({ a1: refused, a2: '', b1: refused, none: refused });
  });
  it('lets the first pod go anywhere, and stays out of what it is not told', () => {
    expect(tryPlugin(serviceAffinity, { nodes, pods: {}, services: [web] }, labels).filter(pod('first'))).toEqual({ a1: '', a2: '', b1: '', none: '' });
    const idle = tryPlugin(serviceAffinity, { nodes, pods: {}, services: [web] }, {});
    expect([idle.filter(pod('first')), idle.score(pod('first'))]).toEqual(['Skip', 'Skip']);
  });
  it('spreads over the values of a label it prefers', () => {
    const trial = tryPlugin(serviceAffinity, { nodes, pods: { a1: [pod('1'), pod('2')], b1: [pod('3')] }, services: [web] }, { antiAffinityLabelsPreference: ['zone'] });
    expect(trial.score(pod('4'))).toEqual({ a1: 33, a2: 33, b1: 66, none: 0 });
    expect(trial.score(trialPod('stranger', {}))).toEqual({ a1: 100, a2: 100, b1: 100, none: 0 });
  });
});
