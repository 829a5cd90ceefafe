import { describe, expect, it } from 'vitest';
import type { Answer, AuthChange, Call, History, LeaseRecord, Notice, Operation, SeenEvent, SeenKv, WatchRecord } from '../history.ts';
import { checkAuth } from './auth.ts';
import { checkLeases } from './leases.ts';
import { checkLinearizable } from './linearizable.ts';
import { checkRevisions } from './revisions.ts';
import { establish } from './truth.ts';
import { checkWatches } from './watches.ts';

/** A key as it was put at a revision; `from` is when it was created. */
const kv = (key: string, value: string, revision: number, from = revision, lease = '0'): SeenKv => ({ key, value, createRevision: from, modRevision: revision, version: revision - from + 1, lease });
const put = (one: SeenKv, previous?: SeenKv): SeenEvent => ({ type: 'put', kv: one, previous });
const gone = (key: string, revision: number): SeenEvent => ({ type: 'delete', kv: { key, value: '', createRevision: 0, modRevision: revision, version: 0, lease: '0' } });

type Span = readonly [invoked: number, returned: number];
const call = ([invoked, returned]: Span, operation: Operation, answer?: Answer, refusal?: string): Call => ({
  client: 'c',
  member: 'm',
  operation,
  invoked,
  returned,
  ...(answer ? { answer } : {}),
  ...(refusal === undefined ? {} : { refusal }),
});
const writes = (span: Span, value: string, revision?: number): Call => call(span, { kind: 'put', key: 'k', value }, revision === undefined ? undefined : { revision });
const reads = (span: Span, revision: number, found: SeenKv | undefined, serializable = false): Call => call(span, { kind: 'range', key: 'k', serializable }, { revision, kvs: found ? [found] : [] });
const deletes = (span: Span, answer?: { revision: number; deleted: number }): Call => call(span, { kind: 'delete', key: 'k' }, answer);
const swaps = (span: Span, expected: SeenKv | undefined, value: string, answer?: Answer): Call => call(span, { kind: 'swap', key: 'k', value, expected }, answer);

type Draft = Notice extends infer N ? (N extends Notice ? Omit<N, 'at' | 'timeMs'> : never) : never;
const opened: Draft = { kind: 'opened', member: 'm', startRevision: 1 };
const events = (revision: number, ...list: SeenEvent[]): Draft => ({ kind: 'events', revision, events: list });
const progress = (revision: number): Draft => ({ kind: 'progress', revision });

/** Notices come one a moment and a millisecond, from `at` on. */
const watch = (id: string, at: number, ...notices: Draft[]): WatchRecord => ({ id, key: undefined, withPrevious: true, notices: notices.map((notice, i) => ({ ...notice, at: at + i, timeMs: at + i }) as Notice) });

const history = (calls: Call[], watches: WatchRecord[] = [], leases: LeaseRecord[] = [], auth: AuthChange[] = []): History => ({ calls, watches, leases, auth });

const [a2, b3] = [kv('k', 'a', 2), kv('k', 'b', 3, 2)];
/** Told of two puts long after everything else. */
const both = watch('w', 100, opened, events(2, put(a2)), events(3, put(b3, a2)));

function judge(one: History): string[] {
  const { truth, findings } = establish(one);
  return [...findings, ...checkRevisions(one, truth)].map(({ message }) => message);
}

describe('linearizability by revisions', () => {
  const accepted: [string, Call[]][] = [
    ['one after the other', [writes([1, 2], 'a', 2), writes([3, 4], 'b', 3), reads([5, 6], 3, b3)]],
    ['overlapping, in the other order', [writes([1, 6], 'b', 3), writes([2, 5], 'a', 2), reads([7, 8], 3, b3)]],
    ['an unknown outcome that came to pass late', [writes([1, 2], 'b'), writes([3, 4], 'a', 2), reads([5, 6], 2, a2), reads([7, 8], 3, b3)]],
    ['an unknown outcome that never came to pass', [writes([1, 2], 'a', 2), writes([3, 4], 'b', 3), writes([5, 6], 'c')]],
    ['a stale serializable read', [writes([1, 2], 'a', 2), writes([3, 4], 'b', 3), reads([5, 6], 2, a2, true)]],
    ['a deletion of nothing', [deletes([1, 2], { revision: 1, deleted: 0 }), writes([3, 4], 'a', 2), writes([5, 6], 'b', 3)]],
    ['a swap', [writes([1, 2], 'a', 2), swaps([3, 4], a2, 'b', { revision: 3, swapped: true, kvs: [] }), swaps([5, 6], a2, 'c', { revision: 3, swapped: false, kvs: [b3] })]],
  ];
  it.each(accepted)('accepts %s', (_title, calls) => expect(judge(history(calls, [both]))).toEqual([]));

  const rejected: [string, Call[], RegExp][] = [
    ['a lost write', [writes([1, 2], 'a', 2), writes([3, 4], 'b', 3), writes([5, 6], 'c', 4)], /is lost/],
    ['a stale read', [writes([1, 2], 'a', 2), writes([3, 4], 'b', 3), reads([5, 6], 2, a2)], /is stale/],
    ['a read of the wrong value', [writes([1, 2], 'a', 2), writes([3, 4], 'b', 3), reads([5, 6], 3, a2)], /read .* where there was/],
    ['a serializable read of what never was', [writes([1, 2], 'a', 2), writes([3, 4], 'b', 3), reads([5, 6], 2, undefined, true)], /read .* where there was/],
    ['writes out of order', [writes([1, 2], 'b', 3), writes([3, 4], 'a', 2)], /came to pass at 2, though 3 was known/],
    ['an unknown write that came to pass before it was asked for', [writes([1, 2], 'b', 3), writes([3, 4], 'a')], /came to pass at 2, though 3 was known/],
    ['a refused write that came to pass', [writes([1, 2], 'a', 2), call([3, 4], { kind: 'put', key: 'k', value: 'b' }, undefined, 'no space')], /was refused .* and came to pass/],
    ['what nobody asked for', [writes([1, 2], 'a', 2)], /nobody asked for revision 3/],
    ['two answers for one revision', [writes([1, 4], 'a', 2), writes([2, 5], 'x', 2), writes([6, 7], 'b', 3)], /was acknowledged at a revision that is/],
    ['a swap of what was not there', [writes([1, 2], 'a', 2), swaps([3, 4], undefined, 'b', { revision: 3, swapped: true, kvs: [] })], /succeeded on/],
    ['a swap that should have succeeded', [writes([1, 2], 'a', 2), swaps([3, 4], a2, 'c', { revision: 2, swapped: false, kvs: [a2] }), writes([5, 6], 'b', 3)], /failed on/],
    ['a deletion of nothing where there was something', [writes([1, 2], 'a', 2), deletes([3, 4], { revision: 2, deleted: 0 }), writes([5, 6], 'b', 3)], /says that it deleted 0/],
  ];
  it.each(rejected)('rejects %s', (_title, calls, why) => expect(judge(history(calls, [both])).join()).toMatch(why));

  it('rejects watches that contradict each other, and a revision that nobody saw', () => {
    expect(judge(history([writes([1, 2], 'a', 2), writes([3, 4], 'b', 3)], [both, watch('v', 200, opened, events(2, put(kv('k', 'x', 2))))])).join()).toMatch(/was told put k=x at 2/);
    expect(judge(history([writes([3, 4], 'b', 3)], [watch('w', 100, opened, events(3, put(kv('k', 'b', 3))))])).join()).toMatch(/nobody was told of revision 2/);
  });

  it('rejects one request that came to pass twice', () => {
    const twice = [watch('w', 100, opened, events(2, put(kv('k', 'a', 2))), events(3, put(kv('k', 'a', 3, 2))))];
    expect(judge(history([writes([1, 2], 'a')], twice)).join()).toMatch(/came to pass twice/);
  });
});

describe('linearizability by search', () => {
  const check = (calls: Call[]): boolean => checkLinearizable(history(calls), ['k']).findings.length === 0;
  const found = (value: string | undefined): SeenKv | undefined => (value === undefined ? undefined : kv('k', value, 2));
  const accepted: [string, Call[]][] = [
    ['overlapping writes in any order', [writes([1, 6], 'a', 2), writes([2, 5], 'b', 3), reads([7, 8], 3, found('a'))]],
    ['a read during a write, before or after it', [writes([1, 4], 'a', 2), reads([2, 3], 1, undefined), reads([5, 6], 2, found('a'))]],
    ['an unknown write that comes to pass at last', [writes([1, 2], 'a'), reads([3, 4], 1, undefined), reads([5, 6], 2, found('a'))]],
    ['an unknown write that only a deletion shows', [writes([1, 2], 'a'), deletes([3, 4], { revision: 3, deleted: 1 })]],
    ['an unknown deletion', [writes([1, 2], 'a', 2), deletes([3, 4]), reads([5, 6], 3, undefined)]],
    ['an unknown swap', [writes([1, 2], 'a', 2), swaps([3, 4], found('a'), 'b'), reads([5, 6], 2, found('a')), reads([7, 8], 3, found('b'))]],
  ];
  it.each(accepted)('accepts %s', (_title, calls) => expect(check(calls)).toBe(true));

  const rejected: [string, Call[]][] = [
    ['a lost write', [writes([1, 2], 'a', 2), reads([3, 4], 2, undefined)]],
    ['a stale read', [writes([1, 2], 'a', 2), writes([3, 4], 'b', 3), reads([5, 6], 2, found('a'))]],
    ['a value that comes back', [writes([1, 2], 'a', 2), writes([3, 4], 'b', 3), reads([5, 6], 3, found('b')), reads([7, 8], 3, found('a'))]],
    ['an unknown write that comes to pass twice', [writes([1, 2], 'a'), reads([3, 4], 2, found('a')), writes([5, 6], 'b', 3), reads([7, 8], 3, found('b')), reads([9, 10], 3, found('a'))]],
    ['a value before it was written', [reads([1, 2], 2, found('a')), writes([3, 4], 'a', 2)]],
    ['two swaps of the same', [writes([1, 2], 'a', 2), swaps([3, 4], found('a'), 'b', { revision: 3, swapped: true }), swaps([5, 6], found('a'), 'c', { revision: 4, swapped: true })]],
    ['a deletion of nothing where there was something', [writes([1, 2], 'a', 2), deletes([3, 4], { revision: 2, deleted: 0 })]],
    ['a refused write that is there', [call([1, 2], { kind: 'put', key: 'k', value: 'a' }, undefined, 'no'), reads([3, 4], 2, found('a'))]],
  ];
  it.each(rejected)('rejects %s', (_title, calls) => expect(check(calls)).toBe(false));

  it('is not misled by many unknown outcomes', () => {
    const unknown = Array.from({ length: 30 }, (_, i) => writes([2 * i + 1, 2 * i + 2], `u${i}`));
    expect(check([...unknown, writes([100, 101], 'a', 2), reads([102, 103], 2, found('a'))])).toBe(true);
    expect(check([...unknown, writes([100, 101], 'a', 2), reads([102, 103], 2, found('u7')), reads([104, 105], 2, found('a'))])).toBe(false);
  });
});

describe('watches', () => {
  const c4 = kv('c', 'x', 4);
  const d4 = kv('d', 'x', 4);
  const truthful = watch('truth', 1, opened, events(2, put(a2)), events(3, put(b3)), events(4, put(c4), put(d4)), events(5, gone('k', 5)));
  const check = (...notices: Draft[]): string => {
    const one = history([], [truthful, watch('w', 100, ...notices)]);
    return checkWatches(one, establish(one).truth).map(({ message }) => message).join();
  };
  const resumed = (startRevision: number): Draft => ({ kind: 'opened', member: 'n', startRevision });
  const accepted: [string, Draft[]][] = [
    ['all at once', [opened, events(5, put(a2), put(b3, a2), put(c4), put(d4), gone('k', 5)), progress(5)]],
    ['one by one', [opened, events(2, put(a2)), events(3, put(b3)), progress(3), events(4, put(c4), put(d4)), events(5, gone('k', 5))]],
    ['a connection that broke', [opened, events(2, put(a2)), resumed(3), events(3, put(b3)), events(4, put(c4), put(d4))]],
    ['the same again after going back', [opened, events(2, put(a2)), events(3, put(b3)), resumed(3), events(3, put(b3))]],
    ['a compaction of what it lacked', [opened, { kind: 'compacted', compactRevision: 4 }, resumed(4), events(4, put(c4), put(d4))]],
  ];
  it.each(accepted)('accepts %s', (_title, notices) => expect(check(...notices)).toBe(''));

  const rejected: [string, Draft[], RegExp][] = [
    ['an event left out', [opened, events(2, put(a2)), events(4, put(c4), put(d4))], /revision 3 is missing/],
    ['an event left out when resumed', [opened, events(2, put(a2)), resumed(3), events(4, put(c4), put(d4))], /revision 3 is missing/],
    ['events out of order', [opened, events(3, put(a2)), events(4, put(c4), put(d4)), events(3, put(b3))], /event of revision 3 after it was at 4/],
    ['an event twice', [opened, events(2, put(a2)), events(2, put(a2))], /doubled/],
    ['an event twice at once', [opened, events(2, put(a2), put(a2))], /came twice/],
    ['a revision in parts', [opened, events(3, put(a2), put(b3)), events(4, put(c4)), events(4, put(d4))], /came in parts|split/],
    ['a bookmark ahead of an event', [opened, events(2, put(a2)), progress(4)], /progress 4 before the event of revision 3/],
    ['an event behind a bookmark', [opened, events(2, put(a2)), progress(3), events(3, put(b3))], /event of revision 3 after it was at 3/],
    ['a bookmark that goes back', [opened, events(3, put(a2), put(b3)), progress(2)], /progress goes back/],
    ['a value before that was not', [opened, events(2, put(a2)), events(3, put(b3, kv('k', 'z', 2)))], /was told that/],
    ['a header behind its events', [opened, events(2, put(a2), put(b3))], /header of revision 2 with an event of 3/],
    ['a compaction as an excuse', [opened, events(3, put(a2), put(b3)), { kind: 'compacted', compactRevision: 3 }], /took nothing from it/],
  ];
  it.each(rejected)('rejects %s', (_title, notices, why) => expect(check(...notices)).toMatch(why));
});

describe('leases', () => {
  const held = kv('l/7', 'x', 2, 2, '7');
  const other = kv('m/7', 'y', 3, 3, '7');
  const check = (lease: Partial<LeaseRecord>, goneMs: number | undefined, isWell = true): string => {
    const ends = goneMs === undefined ? [] : [watch('end', goneMs, events(4, gone('l/7', 4), gone('m/7', 4)))];
    const one = history([], [watch('w', 10, opened, events(2, put(held)), events(3, put(other))), ...ends], [{ id: '7', ttlMs: 2000, renewals: [{ askedMs: 5 }], ...lease }]);
    return checkLeases(one, establish(one).truth, { isWell }).map(({ message }) => message).join();
  };

  it('accepts one that ran out, one that was renewed, and one that was revoked', () => {
    expect(check({}, 2005)).toBe('');
    expect(check({ renewals: [{ askedMs: 5 }, { askedMs: 1500 }] }, 3500)).toBe('');
    expect(check({ revokedMs: 100 }, 101)).toBe('');
    expect(check({}, undefined, false)).toBe('');
  });

  it('rejects one that ended early, for all its renewals', () => {
    expect(check({}, 2004)).toMatch(/was over by 2004 ms/);
    expect(check({ renewals: [{ askedMs: 5 }, { askedMs: 1500 }] }, 3499)).toMatch(/renewed at 1500 ms/);
    expect(check({ revokedMs: 1900 }, 1800)).toMatch(/was over by 1800 ms/);
  });

  it('rejects keys that outlive it', () => {
    expect(check({}, undefined)).toMatch(/is over, and l\/7,m\/7 is still there/);
    const one = history([], [watch('w', 10, opened, events(2, put(held)), events(3, put(other))), watch('end', 3000, events(4, gone('l/7', 4)))], [{ id: '7', ttlMs: 2000, renewals: [{ askedMs: 5 }] }]);
    expect(checkLeases(one, establish(one).truth, { isWell: false }).map(({ message }) => message).join()).toMatch(/left m\/7/);
  });
});

describe('permissions', () => {
  const write = (span: Span, isDenied = false): Call => ({ ...call(span, { kind: 'put', key: 'a', value: 'v' }, isDenied ? undefined : { revision: 2 }, isDenied ? 'etcdserver: permission denied' : undefined), client: 'amy' });
  const change = (state: AuthChange['state'], invoked: number, returned?: number): AuthChange => ({ state, invoked, ...(returned === undefined ? {} : { returned }) });
  const changes = [change('forbidden', 10, 20), change('allowed', 30, 40), change('forbidden', 50)];
  const check = (one: Call): number => checkAuth(history([one], [], [], changes), 'amy').length;

  it.each<[string, Call, number]>([
    ['let through before', write([1, 5]), 0],
    ['refused before', write([1, 5], true), 1],
    ['let through while it may be forbidden', write([15, 17]), 0],
    ['let through when it is forbidden', write([21, 29]), 1],
    ['refused when it is forbidden', write([21, 29], true), 0],
    ['let through while it may be allowed again', write([25, 35]), 0],
    ['refused when it is allowed', write([41, 49], true), 1],
    ['refused after an attempt of unknown outcome', write([60, 70], true), 0],
    ['let through after one', write([60, 70]), 0],
  ])('of a write: %s', (_, one, findings) => expect(check(one)).toBe(findings));
});
