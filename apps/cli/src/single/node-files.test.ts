import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { VirtualClock, createMetrics, seededRandom, silentLogger } from '@orrery/runtime';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { isOnDisk, nodeFiles } from './node-files.ts';

const env = { clock: new VirtualClock(), random: seededRandom(1), log: silentLogger, metrics: createMetrics() };
const text = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString();
let root: string;
beforeEach(() => void (root = mkdtempSync(join(tmpdir(), 'orrery-node-'))));
afterEach(() => rmSync(root, { recursive: true, force: true }));

it.each([
  ['/', false],
  ['/var', false],
  ['/var/lib', false],
  ['/var/lib/kubelet', false],
  ['/var/lib/kubelet/pods/uid/etc-hosts', false],
  ['/var/lib/orrery/volumes', true],
  ['/var/lib/kubelets', true],
  ['/data', true],
  ['/var/log', true],
])('%s on disk: %s', (path, expected) => expect(isOnDisk(path)).toBe(expected));

it('keeps volumes on disk, seen by kubelet and containers alike, and the directories of pods in memory', async () => {
  const files = nodeFiles(env, { root, hostname: 'n', ip: '10.0.0.1' });
  const tree = files.mounts.open('/data/v');
  tree.open(['f'], { create: { mode: 0o644, uid: 0, gid: 0 }, write: true }).write(Buffer.from('kept'));
  expect([text(await files.volumes.readFile('/data/v/f')), readFileSync(join(root, 'data/v/f'), 'utf8')]).toEqual(['kept', 'kept']);
  expect(text(nodeFiles(env, { root, hostname: 'n', ip: '10.0.0.1' }).mounts.open('/data/v').open(['f'], {}).read())).toBe('kept');
  await files.volumes.writeFile('/var/lib/kubelet/pods/u/hosts', { bytes: Buffer.from('h'), mode: 0o644 });
  expect(text(files.mounts.open('/var/lib/kubelet/pods/u/hosts').open([], {}).read())).toBe('h');
  expect([existsSync(join(root, 'var/lib/kubelet')), statSync(join(root, 'tmp')).mode & 0o7777, readFileSync(join(root, 'etc/hosts'), 'utf8')]).toEqual([false, 0o1777, expect.stringMatching(/\n10\.0\.0\.1\tn\n$/)]);
  await files.volumes.remove('/data/v');
  expect([await files.volumes.kind('/data/v'), existsSync(join(root, 'data/v'))]).toEqual([undefined, false]);
});

it('makes nothing on disk for a look at what pods have left there', async () => {
  const { volumes } = nodeFiles(env, { root, hostname: 'n', ip: '10.0.0.1' });
  expect([await volumes.list('/var/log/pods'), existsSync(join(root, 'var'))]).toEqual([[], false]);
  expect((await volumes.list('/etc')).sort()).toEqual(['hostname', 'hosts', 'os-release', 'resolv.conf']);
  await volumes.makeDir('/var/log/pods/a', 0o755);
  expect(await volumes.list('/var/log/pods')).toEqual(['a']);
  expect(await nodeFiles(env, { root, hostname: 'n', ip: '10.0.0.1' }).volumes.list('/var/log/pods')).toEqual(['a']);
});
