import { expect, test } from 'vitest';
import { graftedTree, subTree } from './composed-tree.ts';
import { NodeTree } from './node-tree.ts';
import type { Tree } from './tree.ts';
import { Vfs } from './vfs.ts';

const empty = (source: string): NodeTree => new NodeTree({ root: { kind: 'directory', entries: new Map(), mode: 0o755, mtimeMs: 0 }, now: () => 0, source, type: 'ext4' });
const at = (tree: Tree): Vfs => new Vfs([{ at: '/', tree, readOnly: false }]);

test('a tree within another is seen at its place, and files are moved between them', () => {
  const [disk, memory] = [empty('disk'), empty('memory')];
  at(disk).mkdir('/var');
  at(disk).mkdir('/var/lib');
  at(disk).writeFile('/var/lib/own', 'on disk');
  at(memory).writeFile('/pod', 'in memory');
  const files = at(graftedTree(disk, ['var', 'lib', 'kubelet'], memory));
  expect(files.list('/var/lib').sort()).toEqual(['kubelet', 'own']);
  expect(files.readText('/var/lib/kubelet/pod')).toBe('in memory');
  files.rename('/var/lib/own', '/var/lib/kubelet/own');
  expect([at(disk).list('/var/lib'), at(memory).readText('/own')]).toEqual([[], 'on disk']);
  expect(() => files.rmdir('/var/lib/kubelet')).toThrow('Device or resource busy');
  files.writeFile('/etc', 'a file');
  expect(at(disk).readText('/etc')).toBe('a file');
  expect(at(subTree(disk, ['var'])).list('/')).toEqual(['lib']);
});

test('who has a directory for his root sees nothing above it, and what is mounted below', () => {
  const [own, machine, disk] = [empty('own'), empty('machine'), empty('disk')];
  for (const dir of ['/dev', '/rootfs', '/home', '/home/user']) at(own).mkdir(dir);
  at(own).writeFile('/dev/null', '');
  for (const dir of ['/etc', '/mnt']) at(machine).mkdir(dir);
  at(machine).writeFile('/etc/hostname', 'node-1');
  at(machine).symlink('/etc/hostname', '/name');
  at(disk).writeFile('/data', 'here');
  const all = new Vfs([{ at: '/', tree: own, readOnly: false }, { at: '/rootfs', tree: machine, readOnly: true }, { at: '/rootfs/mnt', tree: disk, readOnly: false }]);
  const below = all.below('/rootfs');
  expect([below.readText('/name'), below.readText('/mnt/data'), below.readText('/../etc/hostname'), below.exists('/dev/null')]).toEqual(['node-1', 'here', 'node-1', true]);
  expect(() => below.writeFile('/etc/new', '')).toThrow('Read-only file system');
  const home = all.below('/home');
  expect([home.list('/'), home.exists('/dev')]).toEqual([['user'], false]);
  expect(() => all.below('/dev/null')).toThrow('Not a directory');
  expect(() => all.below('/none')).toThrow('No such file or directory');
});
