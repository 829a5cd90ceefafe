import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { decodeSnapshot, encodeSnapshot, MvccState, deleteRange, put } from '@orrery/mvcc';
import { PutRequest } from '@orrery/proto/etcd';
import { describe, expect, it } from 'vitest';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
const count = 100_000;
const value = Buffer.alloc(256, 'v');
const key = (i: number): Buffer => Buffer.from(`/registry/pods/default/pod-${String(i).padStart(8, '0')}`);

/** Bytes that are really in use. */
function live(): number {
  collect();
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

function filled(): MvccState {
  const state = new MvccState();
  // As they come in: decoded from bytes that something else made.
  for (let i = 0; i < count; i++) put(state, PutRequest.decode(PutRequest.encode({ key: key(i), value }).finish()));
  return state;
}

describe('memory', () => {
  it('is 350 bytes a key beside the key and its value at most, loaded from a snapshot too, and comes back', () => {
    const before = live();
    let state: MvccState | undefined = filled();
    const perKey = (live() - before) / count - key(0).length - value.length;
    expect(perKey).toBeGreaterThan(50);
    expect(perKey).toBeLessThan(350);

    let file: Buffer | undefined = Buffer.concat([...encodeSnapshot(state, {})]);
    state = undefined;
    const loaded = new MvccState();
    decodeSnapshot(loaded, file);
    file = undefined;
    expect((live() - before) / count - key(0).length - value.length).toBeLessThan(350);

    deleteRange(loaded, { key: Buffer.from('/'), rangeEnd: Buffer.from('0') });
    put(loaded, { key: key(0), value });
    loaded.compact(loaded.revision);
    while (!loaded.scrub(10_000));
    expect((live() - before) / count).toBeLessThan(50);
    expect(loaded.sizeBytes).toBeLessThan(1000);
  }, 60_000);
});
