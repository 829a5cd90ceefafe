import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DirectoryTree, MemoryMounts, diskContent, mountedTree } from '@orrery/cri';
import { VirtualClock } from '@orrery/runtime';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { diskNode } from '../fs/disk.ts';
import { hostTree } from '../fs/host-tree.ts';
import { type TestNode, testNode } from '../testing/test-node.ts';

let node: TestNode;
beforeEach(async () => void (node = await testNode({ clock: new VirtualClock() })));
afterEach(() => node.component.stop());

const idle = { image: 'busybox', command: ['sleep', '1000'] };
const device = (hostPath: string, permissions = 'mrw') => ({ devices: [{ hostPath, containerPath: '/mnt/volume1', permissions }] });

test('a disk of the node is a block device, and keeps what is written', async () => {
  await node.volumes.writeFile('/disks/a', { bytes: new Uint8Array(4096), mode: 0o600 });
  const pod = await node.runPod({ name: 'p', ...idle, linux: { resources: undefined, securityContext: { readonlyRootfs: true } as never }, ...device('/disks/a') });
  expect(await pod.sh('test -b /mnt/volume1 && ls -l /mnt/volume1 | cut -c1-10; stat -L -c %F /mnt/volume1; blockdev --getsize64 /mnt/volume1; mount | grep -c volume1')).toMatchObject({ stdout: 'brw-rw----\nblock special file\n4096\n0\n' });
  expect(await pod.sh('echo hello | dd of=/mnt/volume1 bs=512 seek=1 2>/dev/null; dd if=/mnt/volume1 bs=512 skip=1 count=1 2>/dev/null | head -c 5; dd if=/mnt/volume1 2>/dev/null | wc -c')).toMatchObject({ code: 0, stdout: 'hello4096\n' });
  const full = await pod.sh('dd if=/dev/zero of=/mnt/volume1 bs=1k');
  expect([full.code, full.stderr]).toEqual([1, expect.stringContaining('No space left on device')]);
  await pod.sh('echo kept > /mnt/volume1');
  const other = await node.runPod({ name: 'q', ...idle, ...device('/disks/a', 'r') });
  expect(await other.sh('head -c 5 /mnt/volume1; echo x > /mnt/volume1')).toMatchObject({ code: 1, stdout: 'kept\n', stderr: expect.stringContaining('Operation not permitted') as string });
  expect((await node.volumes.readFile('/disks/a'))?.length).toBe(4096);
});

test('what the node does not have is refused, as containerd does', async () => {
  await expect(node.runPod({ name: 'p', ...idle, ...device('/dev/none') })).rejects.toThrow('failed to generate container spec: lstat /dev/none: no such file or directory');
  node.volumes.ensureDirectory('/disks');
  await expect(node.runPod({ name: 'o', ...idle, ...device('/disks') })).rejects.toThrow('not a device node');
  const pod = await node.runPod({ name: 'r', ...idle, ...device('/dev/null') });
  expect(await pod.sh('test -c /mnt/volume1 && echo x > /mnt/volume1')).toMatchObject({ code: 0 });
});

test('a disk of the cloud is as long as it is said to be, and its file as long as what was written', () => {
  const folder = mkdtempSync(join(tmpdir(), 'orrery-disk-'));
  try {
    const mounts = new MemoryMounts();
    const source = diskContent(folder);
    mounts.mount('/d', { source, device: '/dev/vdb', sizeBytes: 2 ** 30, isDevice: true });
    const open = (write: boolean) => diskNode(hostTree(mountedTree(mounts, { path: '/d', real: source }) as DirectoryTree), { readOnly: false, nowMs: 0 }).open(write);
    const disk = open(true);
    disk.writeAt?.(10, Buffer.from('abc'));
    expect([disk.size(), statSync(source).size, Buffer.from(disk.readAt?.(8, 7) ?? []).toString('latin1')]).toEqual([2 ** 30, 13, '\0\0abc\0\0']);
    mounts.mount('/d', { source, device: '/dev/vdb', sizeBytes: 2 ** 31, isDevice: true });
    expect([disk.size(), diskContent(folder), statSync(source).size, disk.readAt?.(2 ** 31, 5).length]).toEqual([2 ** 31, source, 13, 0]);
    disk.close?.();
    writeFileSync(join(folder, 'plain'), 'text');
    expect(new DirectoryTree(join(folder, 'plain')).diskBytes).toBeUndefined();
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('dd and truncate keep and cut as they are told', async () => {
  const pod = await node.runPod({ name: 'p', ...idle });
  expect(await pod.sh('cd /tmp; printf abcdef > f; printf X | dd of=f bs=1 seek=2 conv=notrunc 2>/dev/null; cat f; echo; printf Y | dd of=f bs=1 seek=1 2>/dev/null; cat f; echo; truncate -s 1K g; wc -c < g; truncate -s -1023 g; wc -c < g; truncate -s +1 f; wc -c < f; truncate -s x f')).toMatchObject({ stdout: 'abXdef\naY\n1024\n1\n3\n', stderr: expect.stringContaining("invalid number 'x'") as string });
});
