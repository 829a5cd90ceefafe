import { expect, it } from 'vitest';
import { encodeForStorage } from './encoding.ts';
import { OwnWrites } from './own-writes.ts';

const object = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a', namespace: 'ns' } };

it.each(['the event first', 'the answer first'])('once the store has shown a write, its bytes are kept and not the writer\'s: %s', (order) => {
  const writes = new OwnWrites();
  const value = encodeForStorage(object);
  const shown = Buffer.from(value);
  const write = writes.begin('/registry/pods/ns/a', 'ns/a', { object, value });
  const early = order === 'the answer first' ? write.committed(5) : undefined;
  const entry = writes.entryFor('/registry/pods/ns/a', shown, 5);
  expect(early ?? write.committed(5)).toBe(entry);
  value.fill(0);
  expect(JSON.parse(entry?.bytes.toString() ?? '')).toEqual({ ...object, metadata: { ...object.metadata, resourceVersion: '5' } });
});
