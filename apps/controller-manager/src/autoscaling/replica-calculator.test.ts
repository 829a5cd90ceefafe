import type { Pod } from '@orrery/api/types';
import { rfc3339 } from '@orrery/runtime';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MetricError, type PodSamples } from './readings.ts';
import { type Proposal, type Situation, amountReplicas, sharedReplicas, utilizationReplicas, valueReplicas } from './replica-calculator.ts';

const nowMs = 3_600_000;
const settings = { cpuInitializationMs: 300_000, initialReadinessDelayMs: 30_000 };

interface PodCase {
  /** Seconds ago. */
  readonly started?: number;
  readonly ready?: boolean | undefined;
  /** Seconds ago. */
  readonly changed?: number;
  readonly phase?: string;
  readonly deleted?: boolean;
  readonly request?: string | undefined;
}

const ago = (seconds: number): string => rfc3339(nowMs - seconds * 1000);

function pod(i: number, { started = 1800, ready = true, changed = 1800, phase = 'Running', deleted = false, request = '1' }: PodCase): Pod {
  return {
    metadata: { name: `p${i}`, ...(deleted ? { deletionTimestamp: ago(1) } : {}) },
    spec: { containers: [{ name: 'c', resources: { requests: { cpu: request } } }] },
    status: { phase, startTime: ago(started), conditions: [{ type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime: ago(changed) }] },
  };
}

const samples = (values: readonly (number | undefined)[]): PodSamples =>
  new Map(values.flatMap((value, i) => (value === undefined ? [] : [[`p${i}`, { value, timestampMs: nowMs, windowMs: 15_000 }]])));

function situation(pods: readonly PodCase[], current = pods.length, tolerance = { up: 0.1, down: 0.1 }): Situation {
  return { current, pods: pods.map((one, i) => pod(i, one)), tolerance, settings, nowMs };
}

const ok: PodCase = {};
const three = [ok, ok, ok];
const starting: PodCase = { started: 60, ready: false, changed: 60 };

describe('a share of the request', () => {
  it.each<[string, readonly PodCase[], readonly (number | undefined)[], number, Partial<Proposal>]>([
    ['twice the target', three, [300, 600, 900], 30, { replicas: 6, utilization: 60, raw: 600 }],
    ['rounds up', three, [300, 500, 700], 30, { replicas: 5, utilization: 50 }],
    ['below the target', [ok, ok, ok, ok, ok], [100, 300, 500, 250, 250], 50, { replicas: 3, utilization: 28 }],
    ['within the tolerance', three, [1010, 1030, 1020], 100, { replicas: 3, utilization: 102 }],
    ['a missing sample counts as idle on the way up', [ok, ok], [1000], 80, { replicas: 2, utilization: 100 }],
    ['a missing sample counts as the request on the way down', [ok, ok], [100], 50, { replicas: 2 }],
    ['a missing sample counts as the target beyond the request', [ok, ok, ok, ok], [700, 700, 700], 150, { replicas: 3 }],
    ['starting pods count as idle on the way up', [starting, ok, ok], [100, 500, 700], 30, { replicas: 4, utilization: 60 }],
    ['starting pods do not count on the way down', [starting, starting, ok], [900, 900, 300], 60, { replicas: 1, utilization: 30 }],
    ['starting pods cannot turn the direction', [ok, starting, starting], [400, 100, 100], 30, { replicas: 3 }],
    ['pending pods count as starting', [{ phase: 'Pending' }, ok, ok], [undefined, 500, 700], 30, { replicas: 4 }],
    ['a ready pod that was measured before counts as starting', [{ started: 60, changed: 5 }, ok], [900, 300], 30, { replicas: 2, utilization: 30 }],
    ['a pod that was ready once counts', [{ ready: false, changed: 900 }, ok], [900, 300], 30, { replicas: 4, utilization: 60 }],
    ['a pod that was never ready does not', [{ ready: false, changed: 1790 }, ok], [900, 300], 30, { replicas: 2, utilization: 30 }],
    ['failed and deleted pods do not count', [ok, { phase: 'Failed' }, { deleted: true }], [600, 900, 900], 30, { replicas: 2, utilization: 60 }],
  ])('%s', (_, pods, values, percent, expected) => {
    expect(utilizationReplicas(samples(values), { resource: 'cpu', container: '', percent }, situation(pods))).toMatchObject(expected);
  });

  it('has a tolerance for each direction', () => {
    const at = (tolerance: { up: number; down: number }, value: number): number => utilizationReplicas(samples([value]), { resource: 'cpu', container: '', percent: 100 }, situation([ok], 4, tolerance)).replicas;
    expect([at({ up: 0.3, down: 0 }, 1200), at({ up: 0.1, down: 0 }, 1200), at({ up: 0, down: 0.3 }, 800), at({ up: 0, down: 0.1 }, 800)]).toEqual([4, 2, 4, 1]);
  });

  const requests = (...of: { name: string; cpu?: string }[]): Pod => ({ metadata: { name: 'p0' }, spec: { containers: of.map(({ name, cpu }) => ({ name, ...(cpu ? { resources: { requests: { cpu } } } : {}) })) }, status: { phase: 'Running' } });
  const memory = (pods: readonly Pod[], container: string): Proposal => utilizationReplicas(samples([500]), { resource: 'cpu', container, percent: 50 }, { ...situation([]), pods: pods.map((one) => ({ ...one, status: pod(0, ok).status ?? {} })), current: 1 });

  it.each<[string, readonly Pod[], string, string]>([
    ['no pods', [], '', 'no pods returned by selector while calculating replica count'],
    ['no request', [requests({ name: 'a', cpu: '1' }, { name: 'b' })], '', 'missing request for cpu in container b of Pod p0'],
    ['no such container', [requests({ name: 'a', cpu: '1' })], 'x', 'container x not found in Pod p0'],
    ['no pod-level request', [{ ...requests({ name: 'a', cpu: '1' }), spec: { containers: [], resources: { requests: { memory: '1' } } } }], '', 'missing pod-level request for cpu in Pod p0'],
  ])('says: %s', (_, pods, container, message) => expect(() => memory(pods, container)).toThrow(new MetricError(message)));

  it('takes the requests of a pod, a container, and what runs beside it', () => {
    const both = requests({ name: 'a', cpu: '1' }, { name: 'b', cpu: '3' });
    const beside: Pod = { ...both, spec: { ...both.spec, containers: both.spec?.containers ?? [], initContainers: [{ name: 'i', resources: { requests: { cpu: '9' } } }, { name: 's', restartPolicy: 'Always', resources: { requests: { cpu: '1' } } }] } };
    const whole: Pod = { ...both, spec: { containers: both.spec?.containers ?? [], resources: { requests: { cpu: '500m' } } } };
    expect([memory([both], ''), memory([both], 'b'), memory([beside], ''), memory([whole], ''), memory([whole], 'a')].map(({ utilization }) => utilization)).toEqual([12, 16, 10, 100, 50]);
  });

  it('says when nothing was measured', () => {
    expect(() => utilizationReplicas(samples([900]), { resource: 'cpu', container: '', percent: 50 }, situation([starting]))).toThrow('did not receive metrics for targeted pods (pods might be unready)');
    expect(() => utilizationReplicas(new Map([['other', { value: 1, timestampMs: nowMs, windowMs: 0 }]]), { resource: 'cpu', container: '', percent: 50 }, situation([ok]))).toThrow('no metrics returned matched known pods');
  });
});

describe('an amount a pod', () => {
  it.each<[string, readonly PodCase[], readonly (number | undefined)[], number, Partial<Proposal>]>([
    ['above', three, [20_000, 10_000, 30_000], 15_000, { replicas: 4, utilization: 20_000 }],
    ['below', three, [1000, 1000, 1000], 3000, { replicas: 1, utilization: 1000 }],
    ['within the tolerance', three, [10_900, 10_900, 10_900], 10_000, { replicas: 3 }],
    ['a missing sample counts as the target on the way down', [ok, ok, ok, ok], [10_000, 10_000, 10_000], 20_000, { replicas: 3 }],
    ['unready pods count for what is no CPU', [starting, ok], [50_000, 50_000], 25_000, { replicas: 4 }],
  ])('%s', (_, pods, values, average, expected) => {
    expect(amountReplicas(samples(values), { resource: '', average }, situation(pods))).toMatchObject(expected);
  });
});

describe('one value', () => {
  it.each<[string, number, number, Situation, Partial<Proposal>]>([
    ['by ready pods', 30_000, 20_000, situation(three), { replicas: 5 }],
    ['only ready pods', 30_000, 20_000, situation([ok, ok, { ready: false }]), { replicas: 3 }],
    ['within the tolerance', 20_500, 20_000, situation(three), { replicas: 3 }],
    ['from zero', 30_000, 20_000, situation([], 0), { replicas: 2 }],
    ['of nothing from zero', 0, 20_000, situation([], 0), { replicas: 0 }],
  ])('%s', (_, value, target, of, expected) => expect(valueReplicas(value, target, of)).toMatchObject(expected));

  it('shared by all pods', () => {
    const tolerance = { up: 0.1, down: 0.1 };
    expect(sharedReplicas(8600, 2000, { replicas: 3, tolerance })).toEqual({ replicas: 5, utilization: 2867 });
    expect(sharedReplicas(6100, 2000, { replicas: 3, tolerance })).toEqual({ replicas: 3, utilization: 2034 });
    expect(sharedReplicas(5000, 2000, { replicas: 0, tolerance })).toEqual({ replicas: 3, utilization: 0 });
  });

  it('says when there are no pods', () => expect(() => valueReplicas(9, 1, situation([], 2))).toThrow('unable to calculate ready pods: no pods returned by selector'));
});

it('never goes against the ratio, whatever is missing or starting', () => {
  const one = fc.record({ value: fc.option(fc.integer({ min: 0, max: 3000 }), { nil: undefined }), kind: fc.constantFrom<PodCase>(ok, starting, { phase: 'Pending' }, { deleted: true }) });
  fc.assert(
    fc.property(fc.array(one, { minLength: 1, maxLength: 8 }), fc.integer({ min: 10, max: 200 }), (list, percent) => {
      const of = situation(list.map(({ kind }) => kind));
      const given = samples(list.map(({ value }) => value));
      let proposal: Proposal;
      try {
        proposal = utilizationReplicas(given, { resource: 'cpu', container: '', percent }, of);
      } catch (error) {
        expect(error).toBeInstanceOf(MetricError);
        return;
      }
      if (proposal.utilization > percent) expect(proposal.replicas).toBeGreaterThanOrEqual(Math.min(of.current, list.filter(({ kind }) => kind === ok).length));
      else expect(proposal.replicas).toBeLessThanOrEqual(of.current);
    }),
  );
});
