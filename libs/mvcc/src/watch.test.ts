import { describe, expect, it } from 'vitest';
import { MvccState, WatchHub, type WatchSpec, type Watcher, deleteRange, put, rangeOf } from './index.ts';
import { WatcherIndex } from './watcher-index.ts';

const b = (text: string): Buffer => Buffer.from(text);

function setup() {
  const state = new MvccState();
  const hub = new WatchHub(state);
  const write = (key: string, value = 'v'): void => hub.publish(put(state, { key: b(key), value: b(value) }).written);
  const open = (key: string, end: string, spec: Partial<WatchSpec> = {}) => {
    let wakes = 0;
    const watcher = hub.open({ range: rangeOf(b(key), b(end)), startRevision: 0, prevKv: false, noPut: false, noDelete: false, ...spec }, () => (wakes += 1));
    return { watcher, wakes: () => wakes };
  };
  const taken = (watcher: Watcher, most = 1000): string[] => hub.take(watcher, most).events.map((e) => `${e.type === 1 ? '-' : '+'}${String(e.kv?.key)}@${e.kv?.modRevision}`);
  return { state, hub, write, open, taken };
}

describe('watch hub', () => {
  it('wakes once, then hands over all that gathered', () => {
    const { write, open, taken } = setup();
    const { watcher, wakes } = open('a', 'b');
    write('a');
    write('ab');
    write('b');
    expect([wakes(), taken(watcher)]).toEqual([1, ['+a@2', '+ab@3']]);
    write('a');
    expect([wakes(), taken(watcher)]).toEqual([2, ['+a@5']]);
  });

  it('starts in the past, catches up in batches of whole revisions, then follows without a gap', () => {
    const { state, hub, write, open, taken } = setup();
    for (let i = 0; i < 10; i++) write(`a${i}`);
    hub.publish(deleteRange(state, { key: b('a'), rangeEnd: b('b') }).written);
    const { watcher } = open('a', 'b', { startRevision: 10 });
    expect(taken(watcher, 1)).toEqual(['+a8@10']);
    expect(hub.seen(watcher)).toBe(10);
    expect(taken(watcher, 1)).toEqual(['+a9@11']);
    expect(taken(watcher, 1)).toHaveLength(10);
    write('ax');
    expect(taken(watcher)).toEqual(['+ax@13']);
  });

  it('starts in the future', () => {
    const { write, open, taken } = setup();
    const { watcher, wakes } = open('a', 'b', { startRevision: 4 });
    write('a');
    write('a');
    expect(wakes()).toBe(0);
    write('a');
    expect(taken(watcher)).toEqual(['+a@4']);
  });

  it('sends a slow reader back to the log instead of queueing without end', () => {
    const { hub, write, open, taken } = setup();
    const { watcher } = open('a', 'b');
    for (let i = 0; i < 10_000; i++) write('a');
    expect(watcher.queue).toHaveLength(0);
    expect(hub.seen(watcher)).toBe(1);
    let seen = 0;
    while (!watcher.inStep) seen += taken(watcher, 1000).length;
    expect(seen).toBe(10_000);
  });

  it('tells a reader that history it needs is gone', () => {
    const { state, hub, write, open } = setup();
    for (let i = 0; i < 5; i++) write('a');
    state.compact(4);
    expect(hub.take(open('a', '', { startRevision: 3 }).watcher, 10).compactRevision).toBe(4);
    expect(hub.take(open('a', '', { startRevision: 4 }).watcher, 10).events).toHaveLength(3);
  });

  it('filters, and gives the value before', () => {
    const { state, hub, write, open } = setup();
    const noPut = open('a', '', { noPut: true, prevKv: true });
    const noDelete = open('a', '', { noDelete: true });
    write('a', 'old');
    hub.publish(deleteRange(state, { key: b('a') }).written);
    expect(hub.take(noPut.watcher, 10).events).toMatchObject([{ type: 1, prevKv: { value: b('old') } }]);
    expect(hub.take(noDelete.watcher, 10).events).toMatchObject([{ type: 0 }]);
  });

  it('refuses a range that can hold no key', () => {
    expect(() => setup().open('b', 'a')).toThrow('emptyWatchRange');
  });
});

describe('watcher index', () => {
  it('finds what a scan of all ranges finds', () => {
    const index = new WatcherIndex<string>();
    const letters = 'abcdefgh'.split('');
    const ranges = letters.flatMap((from) => letters.filter((to) => to > from).map((to) => rangeOf(b(from), b(to))));
    for (const [i, range] of ranges.entries()) if (i % 3) index.add(range, `${range.start}-${range.end}`);
    index.add(rangeOf(b('c'), b('')), 'just c');
    index.add(rangeOf(b('f'), b('\0')), 'from f');
    index.remove(ranges[4] as (typeof ranges)[0], `${ranges[4]?.start}-${ranges[4]?.end}`);
    for (const key of letters) {
      const found: string[] = [];
      index.forEachMatch(key, (name) => found.push(name));
      const expected = ranges.filter((r, i) => i % 3 && i !== 4 && r.start <= key && key < r.end).map((r) => `${r.start}-${r.end}`);
      if (key === 'c') expected.push('just c');
      if (key >= 'f') expected.push('from f');
      expect(found.sort()).toEqual(expected.sort());
    }
  });
});
