import type { Pod } from '@orrery/api/types';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { container, fixture } from '../testing.ts';
import { podRequests } from './pod-resources.ts';
import { podsToPreempt } from './preemption.ts';

const critical = { priority: 2_000_000_000, priorityClassName: 'system-node-critical' };
const pod = (name: string, cpu: number, more: { limit?: boolean; priority?: number } = {}): Pod => {
  const amounts: Record<string, string> = cpu === 0 ? {} : { cpu: `${cpu}m`, memory: '1Mi' };
  return { metadata: { name, uid: name }, spec: { priority: more.priority ?? 0, containers: [{ name: 'c', resources: { requests: amounts, ...(more.limit ? { limits: amounts } : {}) } }] } };
};
const names = (pods: readonly Pod[] | undefined) => pods?.map(({ metadata }) => metadata?.name);

test.each<[string, Pod[], number, string[] | undefined]>([
  ['the closest fit goes', [pod('small', 100), pod('fits', 300), pod('big', 900)], 250, ['fits']],
  ['burstable before guaranteed', [pod('guaranteed', 300, { limit: true }), pod('burstable', 400)], 300, ['burstable']],
  ['guaranteed where nothing else does', [pod('guaranteed', 300, { limit: true }), pod('burstable', 100)], 400, ['burstable', 'guaranteed']],
  ['several where one is not enough', [pod('a', 200), pod('b', 150), pod('c', 100)], 300, ['a', 'c']],
  ['not enough', [pod('a', 200)], 300, undefined],
  ['critical pods stay', [pod('a', 500, { priority: 2_000_000_001 })], 300, undefined],
])('%s', (_what, running, missing, expected) => {
  expect(names(podsToPreempt({ spec: { ...critical, containers: [] } }, running, new Map([['cpu', missing]])))).toEqual(expected);
});

test('what is chosen is enough, and no pod of the choice could stay', () => {
  const some = fc.array(fc.record({ cpu: fc.integer({ min: 0, max: 500 }), limit: fc.boolean() }), { maxLength: 8 });
  fc.assert(
    fc.property(some, fc.integer({ min: 1, max: 1_500 }), (specs, missing) => {
      const running = specs.map(({ cpu, limit }, i) => pod(`p${i}`, cpu, { limit }));
      const chosen = podsToPreempt({ spec: { ...critical, containers: [] } }, running, new Map([['cpu', missing]]));
      const cpu = (pods: readonly Pod[]) => pods.reduce((sum, one) => sum + (podRequests(one).get('cpu') ?? 0), 0);
      if (!chosen) return cpu(running) < missing;
      return cpu(chosen) >= missing && chosen.every((one) => cpu([one]) > 0);
    }),
  );
});

test('a critical pod gets its place at the cost of others; one that fits nowhere costs nobody his', async () => {
  const f = fixture({ config: { cpu: '1' }, script: () => ({ stopMs: 1_000 }) });
  await f.kubelet.start();
  const cpu = (amount: string) => ({ resources: { requests: { cpu: amount } } });
  await f.create('low', { containers: [container('app', cpu('600m'))] });
  await f.create('other', { containers: [container('app', cpu('300m'))] });
  await f.clock.advance(100);
  await f.create('too-big', { ...critical, containers: [container('app', cpu('2'))] });
  await f.create('elsewhere', { ...critical, nodeSelector: { disk: 'fast' }, containers: [container('app', cpu('500m'))] });
  await f.clock.advance(2_000);
  expect(f.pod('too-big').status).toMatchObject({ phase: 'Failed', reason: 'UnexpectedAdmissionError' });
  expect(f.pod('elsewhere').status).toMatchObject({ phase: 'Failed', reason: 'OutOfcpu' });
  expect(f.pod('low').status?.phase).toBe('Running');
  await f.create('urgent', { ...critical, containers: [container('app', cpu('500m'))] });
  await f.clock.advance(3_000);
  expect([f.pod('urgent').status?.phase, f.pod('other').status?.phase]).toEqual(['Running', 'Running']);
  expect(f.pod('low').status).toMatchObject({ phase: 'Failed', reason: 'Preempting', message: 'Preempted in order to admit critical pod' });
  expect(f.pod('low').status?.conditions?.find(({ type }) => type === 'DisruptionTarget')).toMatchObject({ status: 'True', reason: 'TerminationByKubelet' });
  expect(f.events()).toContain('Preempting: Preempted in order to admit critical pod');
});
