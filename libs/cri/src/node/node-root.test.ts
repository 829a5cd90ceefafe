import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { directoryVolumeHost } from './directory-volume-host.ts';
import { fileLogSink } from './file-log-sink.ts';
import { fileLogSource } from './file-log-source.ts';
import { fileMounts, mountedTree } from './node-mounts.ts';
import { inNodeRoot, logsInNodeRoot, volumesInNodeRoot } from './node-root.ts';

const base = mkdtempSync(join(tmpdir(), 'orrery-node-root-'));
const root = join(base, 'root');
mkdirSync(join(root, 'etc'), { recursive: true });
mkdirSync(join(base, 'outside'));
writeFileSync(join(base, 'outside/secret'), 'machine');
symlinkSync('/etc', join(root, 'absolute'));
symlinkSync('../../../../outside', join(root, 'upwards'));
symlinkSync(join(base, 'outside'), join(root, 'real'));
symlinkSync('loop-b', join(root, 'loop-a'));
symlinkSync('loop-a', join(root, 'loop-b'));
afterAll(() => rmSync(base, { recursive: true, force: true }));

it.each([
  ['/etc/hosts', 'etc/hosts'],
  ['/absolute/hosts', 'etc/hosts'],
  ['/upwards/secret', 'outside/secret'],
  ['/etc/../../../outside/secret', 'outside/secret'],
  ['/not/there/yet', 'not/there/yet'],
])('%s lies below the root', (path, expected) => {
  expect(inNodeRoot(root, path)).toBe(join(root, expected));
});

it('takes what looks like a path of the machine for one of the node', () => {
  expect(inNodeRoot(root, '/real/secret')).toBe(join(root, base, 'outside/secret'));
});

it('refuses endless links', () => {
  expect(() => inNodeRoot(root, '/loop-a/x')).toThrow('too many symbolic links');
});

it('keeps volumes inside, and removes a link instead of what it names', async () => {
  const volumes = volumesInNodeRoot(directoryVolumeHost({ stamp: () => 'v1' }), root);
  await volumes.writeFile('/upwards/file', { bytes: Buffer.from('node'), mode: 0o600 });
  expect(readFileSync(join(root, 'outside/file'), 'utf8')).toBe('node');
  await volumes.remove('/var/none');
  symlinkSync('/etc', join(root, 'outside/link'));
  await volumes.remove('/outside/link');
  expect([await volumes.kind('/outside/link'), await volumes.kind('/etc')]).toEqual([undefined, 'directory']);
  expect(readFileSync(join(base, 'outside/secret'), 'utf8')).toBe('machine');
});

it('writes and reads logs of the node, after rotation too', async () => {
  const sink = fileLogSink((path) => inNodeRoot(root, path));
  const source = logsInNodeRoot(fileLogSource, root);
  const path = '/var/log/pods/a/0.log';
  sink.create(path);
  expect(await source.extent(path)).toMatchObject({ start: 0, end: 0 });
  sink.append(path, 'one\n');
  await source.remove(path);
  sink.append(path, 'lost\n');
  expect(await source.extent(path)).toBeUndefined();
  sink.reopen(path);
  sink.append(path, Buffer.from('two\n'));
  expect(Buffer.from(await source.read(path, 0, 100)).toString()).toBe('two\n');
  sink.close();
});

it('reaches what is mounted on the node, and nothing else of the machine', async () => {
  const disk = join(base, 'disk');
  mkdirSync(join(disk, 'sub'), { recursive: true });
  symlinkSync('/etc', join(disk, 'link'));
  const mounts = fileMounts(root);
  mounts.mount('/var/mnt', { source: disk, device: '/dev/vdb', sizeBytes: 1 });
  expect(inNodeRoot(root, '/var/mnt/sub/file')).toBe(join(disk, 'sub/file'));
  expect(inNodeRoot(root, '/var/mnt/link/hosts')).toBe(join(root, 'etc/hosts'));
  expect(inNodeRoot(root, '/var/mnt/../x')).toBe(join(root, 'var/x'));
  const volumes = volumesInNodeRoot(directoryVolumeHost({ stamp: () => '1' }), root);
  expect((await volumes.resolve('/var/mnt/sub'))?.path).toBe('/var/mnt/sub');
  // Whoever removes the directory of the mount does not remove what is on the disk.
  await volumes.remove('/var/mnt');
  expect(existsSync(join(disk, 'sub'))).toBe(true);
  expect(mountedTree(mounts, { path: '/var/mnt', real: disk })?.sizeBytes).toBe(1);
  mounts.unmount('/var/mnt');
  expect(inNodeRoot(root, '/var/mnt/sub/file')).toBe(join(root, 'var/mnt/sub/file'));
});
