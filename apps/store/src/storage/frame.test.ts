import { crc32c } from '@orrery/mvcc';
import { expect, test } from 'vitest';
import { FrameBuilder, forEachRecord, readFrame } from './frame.ts';

function sealed(): Buffer {
  const frame = new FrameBuilder();
  frame.add(1, Buffer.from('one'));
  frame.add(2, Buffer.from('two'));
  return Buffer.from(frame.seal({ firstIndex: 7, term: 3 }));
}

/** As they were written before: another format, a checksum of another polynomial. */
function inOldForm(frame: Buffer): Buffer {
  const out = Buffer.from(frame);
  out.writeUInt32LE(1, 28);
  out.writeUInt32LE(crc32c(out, { start: 8 }), 4);
  return out;
}

test.each([
  ['this', sealed()],
  ['the earlier', inOldForm(sealed())],
])('frames of %s form are read, and damaged ones are none', (_, file) => {
  const frame = readFrame(file, 0);
  expect(frame).toEqual({ firstIndex: 7, count: 2, term: 3, end: file.length });
  const records: string[] = [];
  if (frame) forEachRecord(file, 0, frame, ({ index, kind, bytes }) => records.push(`${index} ${kind} ${Buffer.from(bytes).toString()}`));
  expect(records).toEqual(['7 1 one', '8 2 two']);
  for (let at = 0; at < file.length; at++) {
    const damaged = Buffer.from(file);
    damaged[at] = (damaged[at] as number) ^ 0x10;
    expect(readFrame(damaged, 0), `byte ${at}`).toBeUndefined();
  }
});
