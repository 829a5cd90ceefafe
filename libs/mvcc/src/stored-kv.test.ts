import { describe, expect, it } from 'vitest';
import { StoredKv } from './stored-kv.ts';

const of = { createRevision: 1, modRevision: 1, version: 1, lease: '0' };
const link = { sub: 0, older: undefined };
const key = Buffer.from('/registry/pods/default/a');

/** `before` and the value, one after the other in memory of their own. */
function behind(before: Uint8Array, value: string): Buffer {
  const whole = Buffer.allocUnsafeSlow(before.length + Buffer.byteLength(value));
  whole.set(before);
  whole.write(value, before.length);
  return whole.subarray(before.length);
}

describe('a stored value', () => {
  const long = 'é'.repeat(3000);

  it('stays where it is when it comes with its key before it', () => {
    const value = behind(key, long);
    const kv = StoredKv.make(of, { key, value }, link);
    expect(kv.value.buffer).toBe(value.buffer);
    expect([kv.key.toString(), kv.value.toString()]).toEqual([key.toString(), long]);
  });

  it.each([
    ['another key before it', behind(Buffer.from('/registry/pods/default/b'), long)],
    ['a longer one', behind(Buffer.from('/registry/pods/default/ab'), long)],
    ['much more behind it', behind(key, `${long}${'more'.repeat(3000)}`).subarray(0, Buffer.byteLength(long))],
    ['nothing', Buffer.from(long)],
  ])('is copied when it has %s', (_what, value) => {
    const kv = StoredKv.make(of, { key, value }, link);
    expect(kv.value.buffer).not.toBe(value.buffer);
    expect([kv.key.toString(), kv.value.toString()]).toEqual([key.toString(), long]);
  });

  it('stays among a few others', () => {
    const value = behind(Buffer.concat([Buffer.from('others'), key]), 'short and more').subarray(0, 5);
    const kv = StoredKv.make(of, { key, value }, link);
    expect(kv.value.buffer).toBe(value.buffer);
    expect([kv.key.toString(), kv.value.toString()]).toEqual([key.toString(), 'short']);
  });
});
