import { Secrets } from '@orrery/api';
import type { Secret } from '@orrery/api/types';
import { MemoryVolumeHost } from '@orrery/cri';
import { expect, test } from 'vitest';
import { container, fixture } from '../testing.ts';
import { PullGate, parallelPulls } from './pull-gate.ts';
import { PullRecords } from './pull-records.ts';

const running = (f: ReturnType<typeof fixture>, ...names: string[]) => names.filter((name) => f.pod(name).status?.phase === 'Running');

test.each<[string, Record<string, unknown>, number[]]>([
  ['one after another', {}, [1, 2, 3]],
  ['two at a time', { serializeImagePulls: false, maxParallelImagePulls: 2 }, [2, 3, 3]],
  ['all at once', { serializeImagePulls: false }, [3, 3, 3]],
])('images are pulled %s', async (_what, config, expected) => {
  const f = fixture({ config, pull: () => ({ delayMs: 10_000 }) });
  await f.kubelet.start();
  for (const name of ['a', 'b', 'c']) await f.create(name, { containers: [container(name)] });
  const seen: number[] = [];
  await f.clock.advance(1_000);
  for (let i = 0; i < 3; i++) {
    await f.clock.advance(10_000);
    seen.push(running(f, 'a', 'b', 'c').length);
  }
  expect(seen).toEqual(expected);
  if (!config['maxParallelImagePulls'] && config['serializeImagePulls'] === undefined) expect(f.events()).toContainEqual(expect.stringMatching(/^Pulled: Successfully pulled image "b:1" in 10s \(20s including waiting\)\./));
});

test('a pull that fails gives its turn away', async () => {
  const gate = new PullGate(parallelPulls({ serializeImagePulls: true, maxParallelImagePulls: 5 }));
  const order: string[] = [];
  const pull = (name: string) => gate.run(async () => { order.push(name); if (name === 'bad') throw new Error('no'); });
  const outcomes = await Promise.allSettled([pull('a'), pull('bad'), pull('c')]);
  expect([order, outcomes.map(({ status }) => status)]).toEqual([['a', 'bad', 'c'], ['fulfilled', 'rejected', 'fulfilled']]);
});

test('pull secrets that are not there are told of, and the pull is tried all the same', async () => {
  const f = fixture();
  await f.kubelet.start();
  await f.create('p', { imagePullSecrets: [{ name: 'here' }, { name: 'gone' }], containers: [container('app')] });
  await f.clock.advance(1_000);
  expect(f.pod('p').status?.phase).toBe('Running');
  expect(f.events()).toContain('FailedToRetrieveImagePullSecret: Unable to retrieve some image pull secrets (here, gone); attempting to pull the image may not succeed.');
});

const registry = (name: string, password: string): Secret => ({ metadata: { name, namespace: 'default' }, type: 'kubernetes.io/dockerconfigjson', data: { '.dockerconfigjson': Buffer.from(JSON.stringify({ auths: { 'reg.example': { username: 'u', password } } })).toString('base64') } });

test('what was pulled with credentials is for those who have them, also for the next kubelet', async () => {
  let refuses = false;
  const f = fixture({ pull: () => (refuses ? { error: 'denied' } : {}) });
  for (const [name, password] of [['mine', 'a'], ['copy', 'a'], ['other', 'b']] as const) await f.api.create(Secrets, registry(name, password));
  await f.kubelet.start();
  const create = async (name: string, secret?: string, imagePullPolicy = 'IfNotPresent', image = 'reg.example/app:1') => {
    await f.create(name, { ...(secret ? { imagePullSecrets: [{ name: secret }] } : {}), containers: [container('app', { image, imagePullPolicy })] });
    await f.clock.advance(1_000);
    return f.pod(name).status?.containerStatuses?.[0]?.state?.waiting?.reason ?? f.pod(name).status?.phase;
  };
  expect([await create('first', 'mine'), await create('open', undefined, 'IfNotPresent', 'open.example/app:1')]).toEqual(['Running', 'Running']);
  // From here on nobody gets it from the registry.
  refuses = true;
  const outcomes = async (n: number) => [await create(`same${n}`, 'mine'), await create(`copy${n}`, 'copy', 'Never'), await create(`other${n}`, 'other'), await create(`none${n}`), await create(`never${n}`, undefined, 'Never'), await create(`open${n}`, undefined, 'Never', 'open.example/app:1')];
  expect(await outcomes(1)).toEqual(['Running', 'Running', 'ErrImagePull', 'ErrImagePull', 'ErrImageNeverPull', 'Running']);
  expect(f.events()).toContain('ErrImageNeverPull: Container image "reg.example/app:1" is not present with pull policy of Never');
  await f.kubelet.stop();
  f.kubelet = f.again();
  await f.kubelet.start();
  expect(await outcomes(2)).toEqual(['Running', 'Running', 'ErrImagePull', 'ErrImagePull', 'ErrImageNeverPull', 'Running']);
  await f.kubelet.stop();
});

test.each([
  ['NeverVerify', [true, true, true]],
  ['NeverVerifyPreloadedImages', [false, true, true]],
  ['NeverVerifyAllowlistedImages', [false, true, false]],
  ['AlwaysVerify', [false, false, false]],
])('images that were there before: %s', async (policy, expected) => {
  const records = new PullRecords({ host: new MemoryVolumeHost(() => 0), rootDir: '/k', verification: { policy, allowlist: ['reg.example/known/*', 'nginx'] } });
  await records.note('reg.example/pulled:1', 'id-1', { uid: 'u', namespace: 'n', name: 's', credentialHash: 'h' });
  const may = (image: string, id: string) => records.mayUse(image, id, async () => []);
  const asked = await may('reg.example/pulled:1', 'id-1');
  expect([asked, (await may('reg.example/known/x@sha256:ab', 'id-2')) && (await may('docker.io/library/nginx:1', 'id-3')), await may('reg.example/unknown:1', 'id-4')]).toEqual(expected);
  await records.removed('id-1');
  expect(await may('reg.example/pulled:1', 'id-1'), 'another has brought it').toBe(expected[2]);
});

test('a record has one writer at a time; what a killed kubelet left of a write is no record', async () => {
  const host = new MemoryVolumeHost(() => 0);
  const { writeCheckpoint } = host;
  let writers = 0;
  host.writeCheckpoint = async (path, text) => {
    expect(++writers).toBe(1);
    await Promise.resolve();
    await writeCheckpoint.call(host, path, text);
    writers--;
  };
  const make = () => new PullRecords({ host, rootDir: '/k', verification: { policy: 'NeverVerifyPreloadedImages', allowlist: [] } });
  const note = (uid: string) => before.note('reg.example/pulled:1', 'id-1', { uid, namespace: 'n', name: uid, credentialHash: uid });
  const before = make();
  await Promise.all([note('a'), note('b')]);
  const [name = ''] = await host.list('/k/image_manager/pulled');
  await host.writeFile(`/k/image_manager/pulled/${name}.new`, { bytes: '{"kind":"Imag', mode: 0o600 });
  const after = make();
  await after.load();
  const source = { uid: 'b', namespace: 'n', name: 'b', credentialHash: 'new' };
  expect([after.isOpen('id-1'), await after.mayUse('reg.example/pulled:1', 'id-1', async () => [{ source } as never])]).toEqual([false, true]);
});
