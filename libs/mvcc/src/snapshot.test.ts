import { describe, expect, it } from 'vitest';
import { MvccState, crc32c, decodeSnapshot, encodeSnapshot, put } from './index.ts';

const chunkHeader = 8;
const chunks = (): Buffer[] => {
  const state = new MvccState();
  put(state, { key: Buffer.from('a'), value: Buffer.from('1') });
  return [...encodeSnapshot(state, { mine: 1 })].map((chunk) => Buffer.from(chunk));
};

/** As they were written before: another magic word, checksums of another polynomial. */
function inOldForm(written: readonly Buffer[]): Buffer {
  return Buffer.concat(
    written.map((chunk) => {
      const content = Buffer.from(chunk.subarray(chunkHeader).toString('latin1').replace('orrery-mvcc-2', 'orrery-mvcc-1'), 'latin1');
      const out = Buffer.concat([Buffer.alloc(chunkHeader), content]);
      out.writeUInt32LE(content.length, 0);
      out.writeUInt32LE(crc32c(content), 4);
      return out;
    }),
  );
}

describe('snapshots', () => {
  it('of the form before are read', () => {
    const fresh = new MvccState();
    expect(decodeSnapshot(fresh, inOldForm(chunks()))).toEqual({ mine: 1 });
    expect(fresh.revision).toBeGreaterThan(1);
  });

  it.each(['orrery-mvcc-2', 'orrery-mvcc-1'])('that are damaged are refused: %s', (form) => {
    const whole = form === 'orrery-mvcc-1' ? inOldForm(chunks()) : Buffer.concat(chunks());
    for (let at = 0; at < whole.length; at++) {
      const damaged = Buffer.from(whole);
      damaged[at] = (damaged[at] as number) ^ 0x10;
      expect(() => decodeSnapshot(new MvccState(), damaged), `byte ${at}`).toThrow(/at offset|not a snapshot/);
    }
  });
});
