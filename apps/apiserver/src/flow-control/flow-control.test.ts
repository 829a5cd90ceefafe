import fc from 'fast-check';
import type { FlowSchema } from '@orrery/api/types';
import { VirtualClock, createMetrics } from '@orrery/runtime';
import { describe, expect, it } from 'vitest';
import { flowSchemas, priorityLevels } from '../bootstrap/flow-control.ts';
import { FlowRefusal } from '../pipeline/flow-control.ts';
import type { RequestInfo } from '../pipeline/request-info.ts';
import { allocate } from './allocation.ts';
import { classifier, flowOf, inMatchingOrder } from './classification.ts';
import { mandatoryObjects, mendedDefault } from './default-objects.ts';
import { FlowController } from './flow-controller.ts';
import { FlowMetrics } from './flow-metrics.ts';
import { danglingCondition } from './flow-schema-status.ts';
import { InFlight } from './in-flight.ts';
import { maxInFlight } from './max-in-flight.ts';
import { priorityAndFairness } from './priority-and-fairness.ts';
import { RetryAfter } from './retry-after.ts';
import { deal, flowHash, requiredEntropyBits } from './shuffle-shard.ts';
import { someInfo } from './testing.ts';
import { WatchTracker } from './watch-tracker.ts';
import { estimate } from './work-estimate.ts';

const named = <T extends { name: string; spec: unknown }>({ name, spec }: T) => ({ metadata: { name, uid: `uid-${name}` }, spec: spec as T['spec'] });
const levels = priorityLevels.map(named);
const schemas = flowSchemas.map(named) as FlowSchema[];
const user = (username: string, ...groups: string[]) => ({ username, groups: ['system:authenticated', ...groups] });
const resource = (verb: string, name: string, more: Partial<RequestInfo> = {}): RequestInfo => ({ ...someInfo, verb, resource: name, namespace: '', name: '', ...more });
const path = (verb: string, at: string): RequestInfo => ({ ...resource(verb, ''), isResource: false, path: at });

describe('classification', () => {
  const classifiers = inMatchingOrder(schemas.map(classifier));
  const account = (namespace: string, name: string) => user(`system:serviceaccount:${namespace}:${name}`, 'system:serviceaccounts', `system:serviceaccounts:${namespace}`);
  const lease = { group: 'coordination.k8s.io', namespace: 'kube-system' };
  it.each([
    ['exempt', user('admin', 'system:masters'), resource('list', 'pods')],
    ['probes', { username: 'system:anonymous', groups: ['system:unauthenticated'] }, path('get', '/readyz')],
    ['global-default', user('alice'), path('get', '/readyz/etcd')],
    ['system-leader-election', user('system:kube-scheduler'), resource('update', 'leases', lease)],
    ['kube-scheduler', user('system:kube-scheduler'), resource('update', 'leases', { ...lease, namespace: 'default' })],
    ['workload-leader-election', account('kube-system', 'x'), resource('create', 'leases', { ...lease, namespace: 'default' })],
    ['system-node-high', user('system:node:n', 'system:nodes'), resource('patch', 'nodes', { subresource: 'status' })],
    ['system-nodes', user('system:node:n', 'system:nodes'), resource('create', 'pods', { subresource: 'eviction', namespace: 'a' })],
    ['kube-system-service-accounts', account('kube-system', 'x'), resource('list', 'pods')],
    ['service-accounts', account('default', 'x'), resource('list', 'pods')],
    ['catch-all', { username: 'nobody', groups: ['system:unauthenticated'] }, resource('list', 'pods')],
  ])('puts into %s', (name, who, info) => {
    const found = classifiers.find((one) => one.matches(who, info))?.name;
    // Both stand for everybody; the first in order wins.
    expect(found).toBe(name === 'catch-all' ? 'global-default' : name);
  });

  it('tells flows apart as the schema says', () => {
    const find = (name: string) => classifiers.find((one) => one.name === name) as (typeof classifiers)[number];
    const info = resource('get', 'pods', { namespace: 'ns' });
    expect([flowOf(find('exempt'), user('u'), info), flowOf(find('global-default'), user('u'), info), flowOf(find('kube-scheduler'), user('u'), info)]).toEqual(['', 'u', 'ns']);
  });
});

describe('shuffle sharding', () => {
  it('deals hands of different queues, the same for the same flow', () => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 1, max: 128 }), fc.integer({ min: 1, max: 8 }), (flow, deck, size) => {
        const handSize = Math.min(deck, size);
        const hand = deal(flowHash(flow), deck, handSize);
        expect(new Set(hand).size).toBe(handSize);
        expect(hand.every((card) => card >= 0 && card < deck)).toBe(true);
        expect(deal(flowHash(flow), deck, handSize)).toEqual(hand);
      }),
    );
  });

  it('spreads flows evenly', () => {
    const counts = new Array<number>(16).fill(0);
    for (let i = 0; i < 4000; i++) for (const card of deal(flowHash(`schema\nuser-${i}`), 16, 4)) counts[card] = (counts[card] ?? 0) + 1;
    expect(Math.min(...counts)).toBeGreaterThan(850);
    expect(Math.max(...counts)).toBeLessThan(1150);
  });

  it('counts entropy as upstream does', () => {
    expect([requiredEntropyBits(128, 6), requiredEntropyBits(1024, 6), requiredEntropyBits(512, 8)]).toEqual([42, 60, 72]);
  });
});

describe('allocation of seats', () => {
  const item = fc.tuple(fc.nat(50), fc.nat(100), fc.double({ min: 0, max: 200, noNaN: true })).map(([lower, more, target]) => ({ lower, upper: lower + more, target }));
  it('gives everything away within the bounds, and the same fraction of their targets to those in between', () => {
    fc.assert(
      fc.property(fc.array(item, { minLength: 1, maxLength: 8 }), fc.double({ min: 0, max: 1, noNaN: true }), (items, where) => {
        const lowest = items.reduce((sum, { lower }) => sum + lower, 0);
        const total = lowest + where * (items.reduce((sum, { upper }) => sum + upper, 0) - lowest);
        const dealt = allocate(total, items);
        expect(dealt).toBeDefined();
        const { seats = [], fairFraction = 0 } = dealt ?? {};
        expect(seats.reduce((a, b) => a + b, 0)).toBeCloseTo(total, 1);
        for (const [i, { lower, upper, target }] of items.entries()) {
          const got = seats[i] as number;
          expect(got).toBeGreaterThanOrEqual(lower);
          expect(got).toBeLessThanOrEqual(upper);
          if (got > lower + 1e-6 && got < upper - 1e-6) expect(got).toBeCloseTo(fairFraction * Math.max(0.001, target), 3);
        }
      }),
    );
  });

  it('knows when the bounds do not admit the total', () => {
    expect(allocate(1, [{ lower: 2, upper: 3, target: 2 }])).toBeUndefined();
    expect(allocate(9, [{ lower: 2, upper: 3, target: 2 }])).toBeUndefined();
  });
});

function fairness(seats = 600) {
  const clock = new VirtualClock();
  const metrics = createMetrics();
  const controller = new FlowController({ clock, seats, metrics: new FlowMetrics(metrics, clock), mandatory: mandatoryObjects });
  controller.digest(levels, schemas);
  const inFlight = new InFlight(metrics);
  const control = priorityAndFairness({ clock, controller, inFlight, watches: new WatchTracker(), sizeOf: () => undefined, requestTimeoutMs: 60_000 });
  return { clock, metrics, controller, control, inFlight };
}

describe('priority levels', () => {
  it('have the seats that upstream deals with 400 + 200', () => {
    const { controller } = fairness();
    const of = (name: string) => {
      const { nominal = 0, lower = 0, upper = 0, maxSeats = 0 } = controller.levels.get(name) ?? {};
      return [nominal, lower, upper, maxSeats];
    };
    expect(Object.fromEntries([...controller.levels.keys()].map((name) => [name, of(name)]))).toEqual({
      exempt: [0, 0, 600, 0],
      'catch-all': [13, 13, 613, 0],
      system: [74, 50, 674, 12],
      'node-high': [98, 73, 698, 15],
      'leader-election': [25, 25, 625, 4],
      'workload-high': [98, 49, 698, 15],
      'workload-low': [245, 24, 845, 37],
      'global-default': [49, 24, 649, 8],
    });
  });

  it('lend seats to those who want them, and take them back', async () => {
    const { clock, controller, control } = fairness();
    const alice = user('alice');
    const tickets = await Promise.all(Array.from({ length: 24 }, () => control.acquire({ user: alice, info: someInfo })));
    for (let i = 0; i < 120; i++) void Promise.resolve(control.acquire({ user: alice, info: someInfo })).then((ticket) => tickets.push(ticket), () => undefined);
    const before = controller.levels.get('global-default')?.current ?? 0;
    for (let i = 0; i < 5; i++) {
      await clock.advance(2_000);
      controller.rebalance();
    }
    const lent = controller.levels.get('global-default')?.current ?? 0;
    expect(lent).toBeGreaterThan(before);
    expect(lent).toBeGreaterThan(100);
    tickets.forEach((ticket) => ticket.release());
    await clock.advance(100);
    tickets.forEach((ticket) => ticket.release());
    for (let i = 0; i < 400; i++) {
      await clock.advance(10_000);
      controller.rebalance();
    }
    expect(controller.levels.get('global-default')?.current).toBeLessThan(lent);
  });

  it('go when their object is gone and they are idle, and refuse with what upstream says', async () => {
    const { clock, controller, control, metrics } = fairness(8);
    const taken: (() => void)[] = [];
    let refusal: unknown;
    for (let i = 0; i < 20_000 && !refusal; i++) {
      try {
        const ticket = control.acquire({ user: user('bob'), info: someInfo });
        if (ticket instanceof Promise) ticket.then((one) => taken.push(() => one.release()), () => undefined);
        else taken.push(() => ticket.release());
      } catch (error) {
        refusal = error;
      }
    }
    expect(refusal).toBeInstanceOf(FlowRefusal);
    expect(refusal).toMatchObject({ retryAfterSeconds: 1, message: 'Too many requests, please try again later.', headers: { 'x-kubernetes-pf-flowschema-uid': 'uid-global-default' } });
    controller.digest(levels.filter(({ metadata }) => metadata.name !== 'global-default'), schemas);
    expect(controller.levels.get('global-default')?.quiescing).toBe(true);
    for (let i = 0; i < 400; i++) {
      taken.splice(0).forEach((release) => release());
      await clock.advance(1);
    }
    controller.rebalance();
    expect(controller.levels.has('global-default')).toBe(false);
    expect(metrics.expose()).toContain('apiserver_flowcontrol_rejected_requests_total{flow_schema="global-default",priority_level="global-default",reason="queue-full"} 1');
  });

  it('dump their queues as upstream does', () => {
    const { control } = fairness();
    control.acquire({ user: user('alice'), info: someInfo });
    const rows = control.dump?.('dump_priority_levels', { details: false })?.split('\n') ?? [];
    expect(rows[0]).toBe('PriorityLevelName, ActiveQueues, IsIdle, IsQuiescing, WaitingRequests, ExecutingRequests, DispatchedRequests, RejectedRequests, TimedoutRequests, CancelledRequests');
    expect(rows.find((row) => row.startsWith('global-default'))).toBe('global-default,    0,            false,  false,       0,               1,                 1,                  0,                0,                0');
    expect(control.dump?.('dump_requests', { details: true })).toMatch(/global-default, +global-default, +\d+, +-1, +alice, .*, alice, +get, +\/api\/v1\/pods, default, +x, +v1, +pods, +\n$/);
    expect(control.dump?.('dump_nothing', { details: false })).toBeUndefined();
  });
});

describe('estimates', () => {
  const level = { maxSeats: 15 } as never;
  const series = { histograms: { watchCount: { observe: () => undefined } } } as never;
  const seatsFor = (info: RequestInfo, options: { count?: number; bytes?: number; watchers?: number; query?: string } = {}) =>
    estimate({ sizeOf: () => ({ count: options.count ?? 0, averageBytes: options.bytes ?? 1000 }), watchers: () => options.watchers ?? 0 }, { info, query: new URLSearchParams(options.query), level, series });
  it('charge lists by the bytes they hold, up to what the cache streams', () => {
    expect(seatsFor(resource('list', 'pods'), { count: 350 }).initialSeats).toBe(4);
    expect(seatsFor(resource('list', 'pods'), { count: 100_000 }).initialSeats).toBe(10);
    expect(seatsFor(resource('list', 'pods'), { count: 100_000, query: 'limit=100' }).initialSeats).toBe(1);
    expect(seatsFor(resource('list', 'pods'), { count: 100_000, query: 'resourceVersionMatch=Exact&resourceVersion=5' }).initialSeats).toBe(15);
    expect(seatsFor(resource('watch', 'pods'), { count: 100_000 }).initialSeats).toBe(1);
    expect(seatsFor(resource('watch', 'pods'), { count: 100_000, query: 'sendInitialEvents=true' }).initialSeats).toBe(10);
  });
  it('charge writes for the watchers they wake', () => {
    expect(seatsFor(resource('create', 'pods'), { watchers: 9 })).toEqual({ initialSeats: 1, finalSeats: 0, lingerMs: 0 });
    expect(seatsFor(resource('create', 'pods'), { watchers: 50 })).toEqual({ initialSeats: 1, finalSeats: 5, lingerMs: 5 });
    expect(seatsFor(resource('create', 'pods'), { watchers: 400 })).toEqual({ initialSeats: 1, finalSeats: 10, lingerMs: 20 });
  });
  it('count the watches that a write wakes', () => {
    const watches = new WatchTracker();
    const target = { group: '', resource: 'pods', namespace: 'a', name: 'x' };
    const all = watches.begin({ ...target, namespace: '', name: '' }, '');
    watches.begin({ ...target, name: '' }, '');
    watches.begin(target, '');
    watches.begin({ ...target, namespace: 'b', name: '' }, '');
    for (let i = 0; i < 5; i++) watches.begin({ ...target, namespace: '', name: '' }, `spec.nodeName=n${i}`);
    expect([watches.interested(target), watches.interested({ ...target, namespace: 'b' })]).toEqual([4, 3]);
    all();
    all();
    expect(watches.interested(target)).toBe(3);
  });
});

describe('limits without priority and fairness', () => {
  it('turn away what is too much, but never administrators or watches', () => {
    const control = maxInFlight({ readOnly: 1, mutating: 0 }, new InFlight(createMetrics()));
    const alice = user('alice');
    const first = control.acquire({ user: alice, info: someInfo });
    expect(() => control.acquire({ user: alice, info: someInfo })).toThrow(FlowRefusal);
    control.acquire({ user: user('root', 'system:masters'), info: someInfo });
    control.acquire({ user: alice, info: resource('watch', 'pods') });
    for (let i = 0; i < 10; i++) control.acquire({ user: alice, info: resource('create', 'pods') });
    if (!(first instanceof Promise)) first.release();
    if (!(first instanceof Promise)) first.release();
    expect(() => control.acquire({ user: alice, info: someInfo })).toThrow(FlowRefusal);
  });
});

describe('Retry-After', () => {
  it('grows while many are refused, and shrinks again', () => {
    const retry = new RetryAfter();
    let now = 10_000;
    for (let second = 0; second < 60; second++, now += 1000) for (let i = 0; i < 100; i++) retry.refused(now);
    expect(retry.seconds).toBe(32);
    for (let i = 0; i < 200; i++, now += 60_000) retry.refused(now);
    expect(retry.seconds).toBe(1);
  });
});

describe('objects', () => {
  const schema = schemas[2] as FlowSchema;
  it('say whether their level is there', () => {
    expect(danglingCondition(schema, new Set(['leader-election']))).toEqual({ type: 'Dangling', status: 'False', reason: 'Found', message: 'This FlowSchema references the PriorityLevelConfiguration object named "leader-election" and it exists' });
    const dangling = danglingCondition(schema, new Set());
    expect(dangling).toMatchObject({ status: 'True', reason: 'NotFound', message: 'This FlowSchema references the PriorityLevelConfiguration object named "leader-election" but there is no such object' });
    expect(danglingCondition({ ...schema, status: { conditions: [{ ...dangling, lastTransitionTime: '2026-01-01T00:00:00Z' }] } }, new Set())).toBeUndefined();
  });

  it('leaves to the administrator what the exempt level lends', () => {
    const wanted = { metadata: { name: 'exempt' }, spec: { type: 'Exempt', exempt: { nominalConcurrencyShares: 0, lendablePercent: 0 } } };
    const existing = { metadata: { name: 'exempt', annotations: { 'apf.kubernetes.io/autoupdate-spec': 'true' } }, spec: { type: 'Exempt', exempt: { nominalConcurrencyShares: 9, lendablePercent: 50 } } };
    expect(mendedDefault(existing, wanted)).toBeUndefined();
  });

  it.each([
    ['follows when it says so', 'workload-low', 'true', 5, true],
    ['is left alone when it says so', 'workload-low', 'false', 1, false],
    ['follows when nobody changed it', 'workload-low', undefined, 1, true],
    ['is left alone when somebody changed it', 'workload-low', undefined, 2, false],
    ['must follow when it is mandatory', 'catch-all', 'false', 2, true],
  ])('a default object %s', (_, name, annotation, generation, follows) => {
    const wanted = { metadata: { name }, spec: { type: 'Limited', limited: {} } };
    const existing = { metadata: { name, generation, ...(annotation ? { annotations: { 'apf.kubernetes.io/autoupdate-spec': annotation } } : {}) }, spec: { type: 'Limited', limited: { nominalConcurrencyShares: 7 } } };
    const mended = mendedDefault(existing, wanted as never);
    expect((mended ?? existing).spec).toEqual(follows ? wanted.spec : existing.spec);
    expect(mended === undefined || mended.metadata?.annotations?.['apf.kubernetes.io/autoupdate-spec'] === String(follows)).toBe(true);
  });
});
