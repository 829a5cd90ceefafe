import type { Node, Pod, Service } from '@orrery/api/types';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planSlices } from './slice-plan.ts';
import { type Placed, allocate, zoneShares, zonesFor } from './topology.ts';

const node = (zone: string, cpu: string, more: { ready?: string; role?: string } = {}): Node => ({
  metadata: { name: `${zone}-${cpu}`, labels: { ...(zone ? { 'topology.kubernetes.io/zone': zone } : {}), ...(more.role ? { [`node-role.kubernetes.io/${more.role}`]: '' } : {}) } },
  status: { allocatable: { cpu }, conditions: [{ type: 'Ready', status: more.ready ?? 'True' }] },
});

describe('shares of zones', () => {
  it('are those of the CPU that ready workers have', () => {
    expect(zoneShares([node('b', '3'), node('a', '500m'), node('a', '500m'), node('c', '9', { ready: 'Unknown' }), node('c', '9', { role: 'control-plane' })])).toEqual(new Map([['a', 0.25], ['b', 0.75]]));
  });
  it.each([
    ['a node without a zone', [node('a', '1'), node('b', '1'), node('', '1')]],
    ['a node without CPU', [node('a', '1'), node('b', '1'), node('c', '0')]],
    ['one zone', [node('a', '1'), node('a', '2')]],
    ['nothing', []],
  ])('are unknown with %s', (_what, nodes) => expect(zoneShares(nodes)).toBeUndefined());
});

describe('allocations', () => {
  const even = new Map([['a', 1 / 3], ['b', 1 / 3], ['c', 1 / 3]]);
  it.each([
    [even, 2, 'Insufficient number of endpoints (2 endpoints, 3 zones)'],
    [even, 4, 'Unable to allocate minimum required endpoints to each zone without exceeding overload threshold (4 endpoints, 3 zones)'],
    [undefined, 9, 'Insufficient Node information: allocatable CPU or zone not specified on one or more nodes'],
  ])('that cannot be say why', (shares, count, why) => expect(allocate(shares, count)).toBe(why));
  it('leave room for what endpoints may bear beyond their share', () => {
    expect(allocate(even, 9)).toEqual(new Map(['a', 'b', 'c'].map((zone) => [zone, { minimum: 3, maximum: 3, desired: 3 }])));
    expect(allocate(new Map([['a', 0.5], ['b', 0.5]]), 10)).toEqual(new Map(['a', 'b'].map((zone) => [zone, { minimum: 5, maximum: 5, desired: 5 }])));
    expect(allocate(new Map([['a', 0.25], ['b', 0.75]]), 20)).toEqual(new Map([['a', { minimum: 5, maximum: 7, desired: 5 }], ['b', { minimum: 13, maximum: 15, desired: 15 }]]));
  });
});

describe('zones of endpoints', () => {
  const placed = (zones: string, hints?: string): Placed[] => [...zones].map((zone, i) => ({ zone, hint: hints?.[i] === '-' ? undefined : hints?.[i] }));
  const halves = new Map([['a', 0.5], ['b', 0.5]]);
  const zones = (of: readonly Placed[], shares = halves): string => {
    const allocations = allocate(shares, of.length);
    return typeof allocations === 'string' ? allocations : zonesFor(of, allocations).join('');
  };
  it.each([
    ['their own where that is even', placed('abab'), 'abab'],
    ['one moves from where too many are', placed('aaab'), 'baab'],
    ['all in one zone are shared out', placed('aaaaaa'), 'bbbaaa'],
    ['what was said before stays', placed('aaab', 'aabb'), 'aabb'],
    ['but not when somebody is new', placed('aaab', 'aa-b'), 'baab'],
    ['nor out of bounds', placed('aaab', 'aaab'), 'baab'],
    ['nor for a zone that is gone', placed('abab', 'abac'), 'abab'],
  ])('%s', (_what, of, wanted) => expect(zones(of)).toBe(wanted));
  it('are never fewer than a zone needs, and stay once they are said', () => {
    const share = fc.record({ cpus: fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 2, maxLength: 5 }), at: fc.array(fc.nat(4), { minLength: 1, maxLength: 60 }) });
    fc.assert(fc.property(share, ({ cpus, at }) => {
      const total = cpus.reduce((a, b) => a + b, 0);
      const allocations = allocate(new Map(cpus.map((cpu, i) => [`z${i}`, cpu / total])), at.length);
      if (typeof allocations === 'string') return;
      const of = at.map((n): Placed => ({ zone: `z${n % cpus.length}`, hint: undefined }));
      const first = zonesFor(of, allocations);
      for (const [zone, { minimum, maximum }] of allocations) {
        const count = first.filter((one) => one === zone).length;
        // Halves are not moved, so an endpoint more or less than wanted may remain.
        expect(count).toBeGreaterThanOrEqual(Math.min(minimum, maximum) - 1);
      }
      expect(zonesFor(of.map(({ zone }, i) => ({ zone, hint: first[i] })), allocations)).toEqual(first);
    }));
  });
});

describe('a Service with topology-mode Auto', () => {
  const service = (mode: string): Service => ({ metadata: { name: 's', namespace: 'a', uid: 'su', annotations: { 'service.kubernetes.io/topology-mode': mode } }, spec: { selector: { app: 'x' }, clusterIP: '10.96.0.9', trafficDistribution: 'PreferSameZone', ports: [{ port: 80 }] } });
  const pod = (n: number, at: string, ready = 'True'): Pod => ({ metadata: { name: `p${n}`, namespace: 'a', uid: `u${n}` }, spec: { nodeName: at, containers: [] }, status: { phase: 'Running', podIP: `10.244.0.${n}`, conditions: [{ type: 'Ready', status: ready }] } });
  const plan = (pods: readonly Pod[], mode = 'Auto') => planSlices({ service: service(mode), pods, slices: [], nodeOf: (name) => node(name === 'lost' ? '' : name, '1'), zoneShares: () => zoneShares([node('a', '1'), node('b', '1')]) });
  const hints = (found: ReturnType<typeof plan>) => found.create.flatMap(({ endpoints = [] }) => endpoints.map(({ hints: of }) => of?.forZones?.map(({ name }) => name).join()));
  it('gives its ready endpoints hints', () => {
    const found = plan([pod(1, 'a'), pod(2, 'a'), pod(3, 'a'), pod(4, 'b'), pod(5, 'b', 'False')]);
    expect(found.zoneHints).toEqual([{ addressType: 'IPv4' }]);
    expect(hints(found)).toEqual(['b', 'a', 'a', 'b', undefined]);
  });
  it('has none, not even of its traffic distribution, where that cannot be', () => {
    const found = plan([pod(1, 'a')]);
    expect([found.zoneHints, hints(found)]).toEqual([[{ addressType: 'IPv4', refused: 'Insufficient number of endpoints (1 endpoints, 2 zones)' }], [undefined]]);
    expect(plan([pod(1, 'a'), pod(2, 'lost')]).zoneHints).toEqual([{ addressType: 'IPv4', refused: 'One or more endpoints do not have a zone specified' }]);
  });
  it('with another mode has those of its traffic distribution', () => {
    expect([plan([pod(1, 'a')], 'Disabled').zoneHints, hints(plan([pod(1, 'a')], 'Disabled'))]).toEqual([undefined, ['a']]);
  });
});
