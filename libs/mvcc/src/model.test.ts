import { type Event, type KeyValue, type RangeRequest, type TxnRequest } from '@orrery/proto/etcd';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MvccError, MvccState, type StoredKv, WatchHub, applyTxn, decodeSnapshot, deleteRange, encodeSnapshot, hashKv, put, range, rangeOf } from './index.ts';

/** The obvious implementation: a full copy of everything at every revision. */
class Model {
  revisions: Map<string, KeyValue>[] = [new Map(), new Map()];
  events: Event[][] = [[], []];
  compacted = 0;

  get revision(): number {
    return this.revisions.length - 1;
  }

  write(ops: { key: string; value?: string }[]): void {
    const next = new Map(this.revisions[this.revision]);
    const revision = this.revision + 1;
    const events: Event[] = [];
    for (const { key, value } of ops) {
      const before = next.get(key);
      const previous = before ? { prevKv: before } : {};
      if (value === undefined) {
        next.delete(key);
        events.push({ type: 1, kv: { key: Buffer.from(key), createRevision: 0, modRevision: revision, version: 0, value: Buffer.alloc(0), lease: '0' }, ...previous });
      } else {
        const kv = { key: Buffer.from(key), createRevision: before?.createRevision ?? revision, modRevision: revision, version: (before?.version ?? 0) + 1, value: Buffer.from(value), lease: '0' };
        next.set(key, kv);
        events.push({ type: 0, kv, ...previous });
      }
    }
    if (events.length === 0) return;
    this.revisions.push(next);
    this.events.push(events);
  }

  inRange(from: string, to: string, revision = this.revision): KeyValue[] {
    return [...(this.revisions[revision] as Map<string, KeyValue>)].filter(([key]) => key >= from && key < to).sort(([a], [b]) => (a < b ? -1 : 1)).map(([, kv]) => kv);
  }
}

const key = fc.constantFrom('a', 'aa', 'ab', 'b', 'ba', 'c');
const edge = fc.constantFrom('a', 'aa', 'b', 'c', 'd');
const value = fc.string({ maxLength: 3, unit: 'binary-ascii' });
const operation = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('put' as const), key, value }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('delete' as const), from: edge, to: edge }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('txn' as const), key, other: key, value, at: fc.nat(12) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('compact' as const), back: fc.nat(6) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('scrub' as const), budget: fc.integer({ min: 1, max: 5 }) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('read' as const), from: edge, to: edge, back: fc.nat(8), limit: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('watch' as const), from: edge, to: edge, back: fc.nat(8) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reload' as const) }) },
);
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;

const plain = (kv: KeyValue | undefined) =>
  kv && { key: String(kv.key), createRevision: kv.createRevision, modRevision: kv.modRevision, version: kv.version, value: String(kv.value), lease: kv.lease };
const plainEvent = (event: Event) => ({ type: event.type, kv: plain(event.kv), prevKv: plain(event.prevKv) });

class Run {
  state = new MvccState();
  hub = new WatchHub(this.state);
  readonly model = new Model();
  private live: Event[] = [];
  private readonly expectedLive: Event[] = [];

  constructor() {
    this.follow();
  }

  private follow(): void {
    const watcher = this.hub.open({ range: rangeOf(Buffer.from('a'), Buffer.from('b')), startRevision: 0, prevKv: true, noPut: false, noDelete: false }, () => {
      this.live.push(...this.hub.take(watcher, 100).events);
    });
  }

  private apply(written: readonly StoredKv[], ops: { key: string; value?: string }[]): void {
    this.model.write(ops);
    this.hub.publish(written);
    if (written.length) this.expectedLive.push(...(this.model.events[this.model.revision] ?? []).filter((e) => String(e.kv?.key) < 'b'));
  }

  step(op: Operation): void {
    switch (op.do) {
      case 'put':
        return this.apply(put(this.state, { key: Buffer.from(op.key), value: Buffer.from(op.value) }).written, [{ key: op.key, value: op.value }]);
      case 'delete': {
        if (op.from >= op.to) return;
        const gone = this.model.inRange(op.from, op.to).map((kv) => ({ key: String(kv.key) }));
        return this.apply(deleteRange(this.state, { key: Buffer.from(op.from), rangeEnd: Buffer.from(op.to) }).written, gone);
      }
      case 'txn':
        return this.txn(op);
      case 'compact':
        return this.compact(op.back);
      case 'scrub':
        return void this.state.scrub(op.budget);
      case 'read':
        return this.read(op);
      case 'watch':
        return this.watch(op);
      case 'reload':
        return this.reload();
    }
  }

  private txn(op: Extract<Operation, { do: 'txn' }>): void {
    const current = this.model.inRange(op.key, `${op.key}\0`)[0];
    const holds = (current?.modRevision ?? 0) > op.at;
    const ops = holds ? [{ key: op.key, value: op.value }] : [];
    if (holds && op.other !== op.key && this.model.inRange(op.other, `${op.other}\0`).length) ops.push({ key: op.other } as never);
    const request: TxnRequest = {
      compare: [{ key: Buffer.from(op.key), target: 2, result: 1, targetUnion: { $case: 'modRevision', value: op.at } }],
      success: [
        { request: { $case: 'requestPut', value: { key: Buffer.from(op.key), value: Buffer.from(op.value) } } },
        ...(op.other === op.key ? [] : [{ request: { $case: 'requestDeleteRange' as const, value: { key: Buffer.from(op.other) } } }]),
        { request: { $case: 'requestRange', value: { key: Buffer.from(op.key) } } },
      ],
      failure: [{ request: { $case: 'requestRange', value: { key: Buffer.from(op.key) } } }],
    };
    const { response, written } = applyTxn(this.state, request);
    this.apply(written, ops);
    expect(response.succeeded).toBe(holds);
    const last = response.responses?.at(-1)?.response;
    const seen = last?.$case === 'responseRange' ? last.value.kvs?.map(plain) : undefined;
    expect(seen).toEqual(this.model.inRange(op.key, `${op.key}\0`).map(plain));
  }

  private compact(back: number): void {
    const revision = Math.max(this.model.revision - back, 0);
    if (revision <= this.model.compacted) return void expect(() => this.state.compact(revision)).toThrow(MvccError);
    this.state.compact(revision);
    this.model.compacted = revision;
  }

  private read({ from, to, back, limit }: Extract<Operation, { do: 'read' }>): void {
    const revision = this.model.revision - back;
    if (revision < 1) return;
    const request: RangeRequest = { key: Buffer.from(from), rangeEnd: Buffer.from(to), revision, limit };
    if (revision < this.model.compacted) return void expect(() => range(this.state, request)).toThrow('compacted');
    const expected = from < to ? this.model.inRange(from, to, revision) : [];
    const found = range(this.state, request);
    expect(found.kvs?.map(plain)).toEqual((limit ? expected.slice(0, limit) : expected).map(plain));
    expect([found.count, found.more]).toEqual([expected.length, limit > 0 && expected.length > limit]);
  }

  private watch({ from, to, back }: Extract<Operation, { do: 'watch' }>): void {
    const startRevision = this.model.revision - back;
    if (from >= to || startRevision < 1) return;
    const watcher = this.hub.open({ range: rangeOf(Buffer.from(from), Buffer.from(to)), startRevision, prevKv: true, noPut: false, noDelete: false }, () => undefined);
    const batch = this.hub.take(watcher, 1000);
    this.hub.close(watcher);
    if (startRevision < this.model.compacted) return void expect(batch.compactRevision).toBe(this.model.compacted);
    const expected = this.model.events.slice(startRevision).flat().filter(({ kv }) => String(kv?.key) >= from && String(kv?.key) < to);
    // What a key held before the compacted revision is gone.
    const visible = expected.map((event) => ((event.kv?.modRevision ?? 0) > this.model.compacted ? event : { type: event.type, kv: event.kv }));
    expect(batch.events.map(plainEvent)).toEqual(visible.map(plainEvent));
  }

  /** A snapshot and back must be the same state, to the hash. */
  private reload(): void {
    const bytes = Buffer.concat([...encodeSnapshot(this.state, { mine: 1 })]);
    const fresh = new MvccState();
    expect(decodeSnapshot(fresh, bytes)).toEqual({ mine: 1 });
    expect(hashKv(fresh, 0)).toEqual(hashKv(this.state, 0));
    this.state = fresh;
    this.hub = new WatchHub(fresh);
    this.follow();
  }

  finish(): void {
    expect(this.state.revision).toBe(this.model.revision);
    expect(this.live.map(plainEvent)).toEqual(this.expectedLive.map(plainEvent));
    const before = hashKv(this.state, 0).hash;
    while (!this.state.scrub(3));
    expect(hashKv(this.state, 0).hash).toBe(before);
  }
}

describe('the state against the obvious implementation', () => {
  it('answers alike for any sequence of operations', () => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 60 }), (operations) => {
        const run = new Run();
        for (const op of operations) run.step(op);
        run.finish();
      }),
      { numRuns: 400 },
    );
  });

  it('counts bytes back to nothing when everything is deleted and compacted', () => {
    const state = new MvccState();
    for (let i = 0; i < 100; i++) put(state, { key: Buffer.from(`k${i % 7}`), value: Buffer.from('v') });
    deleteRange(state, { key: Buffer.from('k'), rangeEnd: Buffer.from('l') });
    put(state, { key: Buffer.from('x'), value: Buffer.from('1') });
    state.compact(state.revision);
    while (!state.scrub(10));
    expect(state.index.size).toBe(1);
    expect(state.sizeBytes).toBe(2 + 96);
  });
});
