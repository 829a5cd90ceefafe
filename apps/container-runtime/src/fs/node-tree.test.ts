import { expect, test } from 'vitest';
import { buildLayer } from './image-layer.ts';
import { NodeTree } from './node-tree.ts';

test('only what differs from the image counts as written', () => {
  const image = buildLayer({ '/etc/big': 'x'.repeat(10_000), '/etc/small': 'y', '/var/log/old': 'z' });
  const [tree, other] = [new NodeTree({ root: image, now: () => 0 }), new NodeTree({ root: image, now: () => 0 })];
  expect(tree.written()).toEqual({ bytes: 4096, inodes: 1 });
  tree.open(['etc', 'small'], { write: true }).append(new Uint8Array(99));
  tree.open(['new'], { create: { mode: 0o644, uid: 0, gid: 0 }, write: true }).write(new Uint8Array(500));
  // The root, /etc, the copied file, the new one.
  expect(tree.written()).toEqual({ bytes: 2 * 4096 + 100 + 500, inodes: 4 });
  tree.remove(['new']);
  expect(tree.written()).toEqual({ bytes: 2 * 4096 + 100, inodes: 3 });
  expect(other.written()).toEqual({ bytes: 4096, inodes: 1 });
});
