import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { forget, readMemory, rememberChange, stampOf, writeMemory } from './memory.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'orrery-serve-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

it('keeps what a start leaves, and what has changed since', () => {
  const [path, one, other] = [join(dir, 'cache/memory.json'), join(dir, 'one.ts'), join(dir, 'other.ts')];
  writeFileSync(one, 'export const one: number = 1;\n');
  writeFileSync(other, 'export const broken: = 1;\n');
  writeMemory(path, { resolved: { './one.ts\nfile:///main.ts': { url: 'file:///one.ts' } }, sources: { [one]: { stamp: 'before', source: '' } }, files: { [one]: 'before' } });
  rememberChange(path, one);
  // To be told by the next start.
  rememberChange(path, other);
  rememberChange(path, join(dir, 'gone.ts'));
  const { resolved, sources, files } = readMemory(path);
  expect(Object.keys(resolved)).toHaveLength(1);
  expect(files).toEqual({ [one]: 'before' });
  // Every column is where it was.
  expect(sources).toEqual({ [one]: { stamp: stampOf(one), source: 'export const one         = 1;\n' } });
  utimesSync(one, 1, 1);
  expect(stampOf(one)).not.toBe(sources[one]?.stamp);
  forget(path);
  expect(readMemory(path)).toEqual({ resolved: {}, sources: {}, files: {} });
});
