import { expect, it } from 'vitest';
import { MvccState, decodeSnapshot, encodeSnapshot, put, range } from './index.ts';

it('a snapshot gives back what was there, and one that is damaged anywhere is refused', () => {
  const state = new MvccState();
  put(state, { key: Buffer.from('a'), value: Buffer.from('1') });
  const whole = Buffer.concat([...encodeSnapshot(state, { mine: 1 })]);
  const fresh = new MvccState();
  expect(decodeSnapshot(fresh, whole)).toEqual({ mine: 1 });
  expect(range(fresh, { key: Buffer.from('a') }).kvs?.map(({ value }) => Buffer.from(value ?? []).toString())).toEqual(['1']);
  for (let at = 0; at < whole.length; at++) {
    const damaged = Buffer.from(whole);
    damaged[at] = (damaged[at] as number) ^ 0x10;
    expect(() => decodeSnapshot(new MvccState(), damaged), `byte ${at}`).toThrow(/at offset|not a snapshot/);
  }
});
