import { expect, test } from 'vitest';
import { FrameBuilder, forEachRecord, readFrame } from './frame.ts';

test('a frame gives back what was sealed in it, and one that is damaged anywhere is none', () => {
  const builder = new FrameBuilder();
  builder.add(1, Buffer.from('one'));
  builder.add(2, Buffer.from('two'));
  const file = Buffer.from(builder.seal({ firstIndex: 7, term: 3 }));
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
