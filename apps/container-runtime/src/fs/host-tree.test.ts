import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DirectoryTree } from '@orrery/cri';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { FsError } from './fs-error.ts';
import { hostTree } from './host-tree.ts';
import type { Tree } from './tree.ts';

const root0 = { mode: 0o644, uid: 0, gid: 0 };
let dir: string;
let tree: Tree;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'orrery-tree-'));
  tree = hostTree(new DirectoryTree(dir));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function code(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof FsError) return error.code;
    throw error;
  }
  return '';
}

it('creates, reads, appends, truncates', () => {
  const file = tree.open(['a'], { create: root0, write: true });
  file.write(Buffer.from('hello'));
  file.append(Buffer.from(' world'));
  expect([Buffer.from(file.read()).toString(), file.size(), readFileSync(join(dir, 'a'), 'utf8')]).toEqual(['hello world', 11, 'hello world']);
  tree.open(['a'], { write: true, truncate: true });
  expect(tree.stat(['a'])).toMatchObject({ kind: 'file', size: 0, mode: 0o644, uid: 0, gid: 0, nlink: 1 });
});

it('follows an open file through a rename', () => {
  const file = tree.open(['a'], { create: root0, write: true });
  tree.rename(['a'], ['b']);
  file.write(Buffer.from('x'));
  file.close?.();
  expect([tree.list([]), readFileSync(join(dir, 'b'), 'utf8')]).toEqual([['b'], 'x']);
});

it('remembers owners, which the machine would not let it set', () => {
  tree.mkdir(['d'], { mode: 0o700, uid: 999, gid: 998 });
  tree.open(['d', 'f'], { create: { mode: 0o600, uid: 999, gid: 998 }, write: true });
  tree.setAttributes(['d', 'f'], { gid: 5, mode: 0o640, mtimeMs: 5_000 });
  expect(tree.stat(['d'])).toMatchObject({ kind: 'directory', mode: 0o700, uid: 999, gid: 998 });
  expect(tree.stat(['d', 'f'])).toMatchObject({ mode: 0o640, uid: 999, gid: 5, mtimeMs: 5_000 });
  tree.remove(['d', 'f']);
  tree.remove(['d']);
  expect(tree.stat(['d'])).toBeUndefined();
});

it('never follows a link to the machine', () => {
  writeFileSync(join(dir, 'target'), 'machine');
  symlinkSync(join(dir, 'target'), join(dir, 'link'));
  expect([tree.stat(['link'])?.kind, tree.readlink(['link'])]).toEqual(['symlink', join(dir, 'target')]);
  expect(code(() => tree.open(['link'], { write: true }))).toBe('ELOOP');
});

it.each<[string, (t: Tree) => unknown]>([
  ['ENOENT', (t) => t.open(['none'], {})],
  ['ENOENT', (t) => t.remove(['none'])],
  ['ENOTDIR', (t) => t.list(['file'])],
  ['EEXIST', (t) => t.mkdir(['file'], root0)],
  ['ENOTEMPTY', (t) => t.remove(['full'])],
  ['EISDIR', (t) => t.open(['full'], { write: true })],
])('fails with %s', (expected, work) => {
  tree.open(['file'], { create: root0, write: true });
  tree.mkdir(['full'], { ...root0, mode: 0o755 });
  tree.symlink(['full', 'x'], 'y');
  expect(code(() => work(tree))).toBe(expected);
});

it('mounts a single file', () => {
  writeFileSync(join(dir, 'hosts'), '127.0.0.1 localhost\n');
  const file = hostTree(new DirectoryTree(join(dir, 'hosts')));
  expect([file.stat([])?.kind, Buffer.from(file.open([], {}).read()).toString()]).toEqual(['file', '127.0.0.1 localhost\n']);
});
