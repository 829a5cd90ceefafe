import { expect, test } from 'vitest';
import { container, fixture } from '../testing.ts';
import { PullGate, parallelPulls } from './pull-gate.ts';

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
