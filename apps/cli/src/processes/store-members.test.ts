import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type DataDir, dataDir, prepareDataDir } from '../data-dir.ts';
import { storeMembers } from './store-members.ts';

let dir: DataDir;
beforeEach(() => {
  dir = dataDir(mkdtempSync(join(tmpdir(), 'orrery-stores-')));
  prepareDataDir(dir);
});
afterEach(() => rmSync(dir.root, { recursive: true }));

it('a store alone is no member of anything', async () => {
  expect(await storeMembers(dir, undefined)).toEqual([]);
  expect(await storeMembers(dir, 1)).toEqual([]);
});

it('several keep their names, directories and ports', async () => {
  const first = await storeMembers(dir, 3);
  expect(first.map(({ name, dataDir: path }) => [name, path])).toEqual([1, 2, 3].map((i) => [`store-${i}`, join(dir.store, String(i))]));
  expect(new Set(first.map(({ peerPort }) => peerPort)).size).toBe(3);
  for (const wanted of [3, undefined]) expect(await storeMembers(dir, wanted)).toEqual(first);
});

it('how many there are does not change', async () => {
  await storeMembers(dir, 3);
  await expect(storeMembers(dir, 5)).rejects.toThrow('holds a cluster of 3 stores, which --stores=5 cannot change');
  await expect(storeMembers(dir, 1)).rejects.toThrow('holds a cluster of 3 stores');
});

it('the data of a store alone is not left behind', async () => {
  mkdirSync(dir.store, { recursive: true });
  writeFileSync(join(dir.store, 'member.json'), '{}');
  await expect(storeMembers(dir, 3)).rejects.toThrow('holds a cluster of 1 store,');
});
