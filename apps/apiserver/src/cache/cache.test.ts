import { describe, expect, it } from 'vitest';
import { ChangeRing } from './change-ring.ts';
import { encodeForStorage, spliceVersion } from './encoding.ts';
import { entryFromStored } from './entry.ts';
import { Change } from './frame.ts';
import { OwnWrites } from './own-writes.ts';

const object = { kind: 'ConfigMap', apiVersion: 'v1', metadata: { name: 'a', resourceVersion: '3' }, data: { x: 'ü' } };

describe('encoding', () => {
  it('stores without a version and puts it back by splicing', () => {
    const stored = encodeForStorage(object);
    expect(stored.toString()).toBe('{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a"},"data":{"x":"ü"}}');
    expect(JSON.parse(spliceVersion(stored, 12).toString())).toEqual({ ...object, metadata: { name: 'a', resourceVersion: '12' } });
  });

  it.each([
    ['{"metadata":{"name":"a","resourceVersion":"1"},"apiVersion":"v1","kind":"ConfigMap"}'],
    ['{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}'],
    ['{"kind":"ConfigMap","apiVersion":"v1","metadata":{}}'],
    ['{ "kind": "ConfigMap", "apiVersion": "v1", "metadata": { "name": "a" } }'],
  ])('takes what others wrote: %s', (text) => {
    expect(JSON.parse(spliceVersion(Buffer.from(text), 7).toString()).metadata.resourceVersion).toBe('7');
    expect(entryFromStored('ns/a', { revision: 7, value: Buffer.from(text) }).object.metadata.resourceVersion).toBe('7');
  });
});

describe('ring', () => {
  it('keeps the latest changes and says how far back it goes', () => {
    const ring = new ChangeRing(3, 10);
    for (const revision of [11, 13, 14, 17]) ring.push(new Change(revision, 'k', {}));
    expect(ring.oldest).toBe(11);
    const after = (revision: number): number[] => [...ring.after(revision)].map((change) => change.revision);
    expect([after(11), after(13), after(15), after(17)]).toEqual([[13, 14, 17], [14, 17], [17], []]);
  });
});

describe('own writes', () => {
  const value = encodeForStorage(object);

  it.each(['event first', 'answer first'])('give the writer and the watch one entry: %s', (order) => {
    const writes = new OwnWrites();
    const write = writes.begin('/r/a', 'a', { object, value });
    const [first, second] = order === 'event first' ? [writes.entryFor('/r/a', Buffer.from(value), 5), write.committed(5)] : [write.committed(5), writes.entryFor('/r/a', Buffer.from(value), 5)];
    expect(first).toBe(second);
    expect(writes.entryFor('/r/a', value, 6)).toBeUndefined();
  });

  it('do not take the same value of somebody else for their own once they failed', () => {
    const writes = new OwnWrites();
    writes.begin('/r/a', 'a', { object, value }).failed();
    expect(writes.entryFor('/r/a', value, 5)).toBeUndefined();
  });
});
