import { mkdtemp, open, readFile, readdir, readlink, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { containerLogName, containerLogsDir } from '../container-log-name.ts';
import { MemoryVolumeHost } from '../memory-volume-host.ts';
import type { VolumeHost } from '../volume-host.ts';
import { DirectoryTree } from './directory-tree.ts';
import { directoryVolumeHost } from './directory-volume-host.ts';
import { fileLogSink } from './file-log-sink.ts';
import { fileLogSource } from './file-log-source.ts';
import { logsInNodeRoot, volumesInNodeRoot } from './node-root.ts';
import { tmpfsAt } from './tmpfs-marker.ts';

let root = '';
let stamps = 0;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'orrery-volumes-'));
});
afterAll(async () => {
  await rm(root, { recursive: true, force: true });
});

const file = (text: string, mode = 0o644) => ({ bytes: Buffer.from(text), mode });

function contract(name: string, make: () => VolumeHost): void {
  test(`${name}: volumes hold exactly what was written last, files are replaced, trees removed`, async () => {
    const host = make();
    const dir = join(root, name, 'vol');
    await host.writeVolume(dir, new Map([['a', file('1')], ['sub/b', file('2', 0o400)]]));
    expect([Buffer.from((await host.readFile(`${dir}/a`)) ?? []).toString(), Buffer.from((await host.readFile(`${dir}/sub/b`)) ?? []).toString()]).toEqual(['1', '2']);
    await host.writeVolume(dir, new Map([['a', file('3')], ['c', file('4')]]));
    expect(Buffer.from((await host.readFile(`${dir}/a`)) ?? []).toString()).toBe('3');
    expect([await host.kind(`${dir}/sub`), await host.kind(`${dir}/c`), await host.kind(dir)]).toEqual([undefined, 'file', 'directory']);
    await host.writeFile(join(root, name, 'etc-hosts'), file('hello world'));
    expect(Buffer.from((await host.readFile(join(root, name, 'etc-hosts'), 5)) ?? []).toString()).toBe('world');
    await host.makeDir(join(root, name, 'deep/er'), 0o777);
    expect(await host.kind(join(root, name, 'deep/er'))).toBe('directory');
    await host.remove(join(root, name));
    expect(await host.kind(dir)).toBeUndefined();
    await expect(host.writeVolume(`${dir}/../x`, new Map())).rejects.toThrow('must not contain');
  });
}

function ownership(name: string, make: () => VolumeHost, modeOf: (host: VolumeHost, path: string) => Promise<number>): void {
  test(`${name}: a tree is given to a group, or left where its root is the group's`, async () => {
    const host = make();
    const dir = join(root, name, 'given');
    const gid = process.getgid?.() ?? 0;
    await host.makeDir(dir, 0o750);
    await host.writeFile(`${dir}/sub/a`, file('1', 0o600));
    await host.giveToGroup(dir, { gid, readOnly: false, onlyOnMismatch: true });
    expect([await modeOf(host, dir), await modeOf(host, `${dir}/sub/a`)]).toEqual([0o2770, 0o660]);
    await host.writeFile(`${dir}/sub/b`, file('2', 0o600));
    await host.giveToGroup(dir, { gid, readOnly: false, onlyOnMismatch: true });
    expect(await modeOf(host, `${dir}/sub/b`)).toBe(0o600);
    await host.giveToGroup(dir, { gid, readOnly: true, onlyOnMismatch: false });
    expect(await modeOf(host, `${dir}/sub/b`)).toBe(0o640);
    await host.giveToGroup(`${dir}/none`, { gid, readOnly: false, onlyOnMismatch: false });
  });
}

const resolvedMode = async (host: VolumeHost, path: string): Promise<number> => (await host.resolve(path))?.mode ?? 0;
ownership('directories', () => directoryVolumeHost({ stamp: () => `v${stamps++}` }), resolvedMode);
ownership('memory', () => new MemoryVolumeHost(() => 0), resolvedMode);

contract('directories', () => directoryVolumeHost({ stamp: () => `v${stamps++}` }));
contract('memory', () => new MemoryVolumeHost(() => 0));

test('real volumes change by one rename and keep what did not change', async () => {
  const host = directoryVolumeHost({ stamp: () => `v${stamps++}` });
  const dir = join(root, 'atomic');
  await host.writeVolume(dir, new Map([['a', file('1', 0o600)]]));
  const data = await readlink(join(dir, '..data'));
  await host.writeVolume(dir, new Map([['a', file('1', 0o600)]]));
  expect(await readlink(join(dir, '..data'))).toBe(data);
  await host.writeVolume(dir, new Map([['a', file('2', 0o600)]]));
  expect(await readlink(join(dir, '..data'))).not.toBe(data);
  expect((await readdir(dir)).filter((name) => name.startsWith('..')).length).toBe(2);
  expect([await readFile(join(dir, 'a'), 'utf8'), (await stat(join(dir, 'a'))).mode & 0o777]).toEqual(['2', 0o600]);
});

test('file logs: extent, reads past the end, missing files', async () => {
  const host = directoryVolumeHost({ stamp: () => `v${stamps++}` });
  const path = join(root, 'logs', 'c', '0.log');
  expect(await fileLogSource.extent(path)).toBeUndefined();
  await host.writeFile(path, file('0123456789'));
  expect(await fileLogSource.extent(path)).toMatchObject({ start: 0, end: 10 });
  expect(Buffer.from(await fileLogSource.read(path, 7, 100)).toString()).toBe('789');
  expect((await fileLogSource.read(path, 10, 5)).length).toBe(0);
  await fileLogSource.remove(join(root, 'logs'));
  expect((await fileLogSource.read(path, 0, 5)).length).toBe(0);
});

test('memory volumes have the layout of real ones, and inherit groups', async () => {
  let now = Date.UTC(2026, 0, 2, 3, 4, 5);
  const host = new MemoryVolumeHost(() => now);
  await host.writeVolume('/v', new Map(Object.entries({ a: { ...file('1'), gid: 7 }, 'sub/b': file('2') })), { mode: 0o3777, gid: 7, tmpfs: {} });
  const names = () => [...(host.lookup('/v') as { entries: Map<string, unknown> }).entries.keys()];
  expect(names()).toEqual(['..2026_01_02_03_04_05.1', '..data', 'a', 'sub']);
  expect(host.lookup('/v/a')).toMatchObject({ kind: 'symlink', target: '..data/a' });
  expect(host.find('/v/sub/b')).toMatchObject({ path: '/v/..2026_01_02_03_04_05.1/sub/b', node: { kind: 'file', mode: 0o644 }, tmpfs: {} });
  expect(host.find('/v/a')?.node).toMatchObject({ gid: 7 });
  expect(host.find('/v/..data')?.node).toMatchObject({ mode: 0o2755, gid: 7 });
  const kept = host.find('/v/a')?.node;
  now += 1000;
  await host.writeVolume('/v', new Map(Object.entries({ a: { ...file('1'), gid: 7 }, 'sub/b': file('2') })));
  expect(names()[0]).toBe('..2026_01_02_03_04_05.1');
  await host.writeVolume('/v', new Map([['a', { ...file('1'), gid: 7 }]]));
  expect(names()).toEqual(['..2026_01_02_03_04_06.2', '..data', 'a']);
  expect(host.find('/v/a')?.node).toBe(kept);
  expect([await host.resolve('/v/a'), await host.resolve('/v/none')]).toEqual([{ path: '/v/..2026_01_02_03_04_06.2/a', mode: 0o644 }, undefined]);
});

test('real directories are noted as file systems in memory', async () => {
  const host = directoryVolumeHost({ stamp: () => `v${stamps++}` });
  await host.makeDir(join(root, 'pods/u/volumes/mem'), { mode: 0o777, tmpfs: { sizeBytes: 1024 } });
  await host.makeDir(join(root, 'pods/u/volumes/mem/sub'), 0o755);
  await host.makeDir(join(root, 'pods/u/volumes/disk'), 0o777);
  expect([tmpfsAt(root, join(root, 'pods/u/volumes/mem/sub')), tmpfsAt(root, join(root, 'pods/u/volumes/disk')), tmpfsAt(root, join(root, 'none/at/all'))]).toEqual([{ sizeBytes: 1024 }, undefined, undefined]);
  const tree = new DirectoryTree(join(root, 'pods/u/volumes/mem'), { sizeBytes: 1024 });
  expect([tree.type, tree.source, tree.sizeBytes, new DirectoryTree(root).type]).toEqual(['tmpfs', 'tmpfs', 1024, 'ext4']);
});

test('file logs are rotated: so many are kept, the older ones compressed, and a sink goes on in a new one', async () => {
  const path = join(root, 'rotated', 'c', '0.log');
  const sink = fileLogSink();
  const { rotate, unrotate, rotated, extent, remove } = fileLogSource;
  for (let i = 1; i <= 4; i++) {
    sink.append(path, `round ${i}\n`);
    const before = await extent(path);
    await rotate?.(path, { maxFiles: 3, stamp: `2026010${i}-000000.000` });
    expect(await extent(path)).toBeUndefined();
    sink.reopen(path);
    expect((await extent(path))?.file).not.toBe(before?.file);
  }
  expect((await readdir(join(root, 'rotated', 'c'))).sort()).toEqual(['0.log', '0.log.20260103-000000.000.gz', '0.log.20260104-000000.000']);
  expect(gunzipSync(await readFile(`${path}.20260103-000000.000.gz`)).toString()).toBe('round 3\n');
  expect(await rotated?.(path)).toBe(`${path}.20260104-000000.000`);
  await rm(path);
  await unrotate?.(path, '20260104-000000.000');
  expect(await readFile(path, 'utf8')).toBe('round 4\n');
  sink.close();
  await remove(path);
  expect(await readdir(join(root, 'rotated', 'c'))).toEqual([]);
});

test('a checkpoint takes the place of the one before as a whole: what was torn lies beside it', async () => {
  const node = join(root, 'checkpointed');
  const host = volumesInNodeRoot(directoryVolumeHost({ stamp: () => String(stamps++) }), node);
  const path = '/var/lib/kubelet/dra_manager_state';
  const text = async () => Buffer.from((await host.readFile(path)) ?? []).toString();
  await host.writeCheckpoint(path, '{"claims":[1]}');
  expect((await stat(join(node, path))).mode & 0o777).toBe(0o600);
  // Who reads it meanwhile, and a kubelet that begins after a crash.
  const reader = await open(join(node, path));
  await host.writeCheckpoint(path, '{"claims":[]}');
  expect([await reader.readFile('utf8'), await text()]).toEqual(['{"claims":[1]}', '{"claims":[]}']);
  await reader.close();
  await host.writeFile(`${path}.new`, file('{"cla', 0o600));
  expect(await text()).toBe('{"claims":[]}');
  await host.writeCheckpoint(path, '{"claims":[2]}');
  expect(await text()).toBe('{"claims":[2]}');
  expect(await readdir(join(node, '/var/lib/kubelet'))).toEqual(['dra_manager_state']);
});

test('logs have links where collectors look for them, as the node names them', async () => {
  const node = join(root, 'linked');
  const source = logsInNodeRoot(fileLogSource, node);
  const log = '/var/log/pods/default_web_u1/app/0.log';
  const name = containerLogName(log, 'abc') ?? '';
  expect([name, containerLogName('/var/log/other.log', 'abc')]).toEqual(['web_default_app-abc.log', undefined]);
  for (const id of ['abc', 'abc']) await source.link?.(`${containerLogsDir}/${containerLogName(log, id)}`, log);
  await source.link?.(`${containerLogsDir}/other.log`, '/var/log/pods/default_web_u10/app/0.log');
  expect(await readlink(join(node, containerLogsDir, name))).toBe(log);
  await source.unlink?.(containerLogsDir, '/var/log/pods/default_web_u1');
  expect(await readdir(join(node, containerLogsDir))).toEqual(['other.log']);
});
