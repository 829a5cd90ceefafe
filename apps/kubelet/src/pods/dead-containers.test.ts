import { expect, it, test } from 'vitest';
import { container, fixture } from '../testing.ts';
import { type DeadInstance, surplus } from './dead-containers.ts';

const dead = (text: string): DeadInstance[] => text.split(' ').map((word) => {
  const [, unit = '', age = '', needed] = /^(\w)(\d+)(!?)$/.exec(word) ?? [];
  return { unit, instance: { createdMs: Number(age) }, needed: needed === '!' };
});

it.each<[string, number, string]>([
  ['a1 a2 b3', -1, ''],
  ['a1 a2 b3', 3, ''],
  ['a1 a2 a3 b4', 3, 'a1 a2'],
  ['a1 a2 a3 b4 b5', 2, 'a1 a2 b4'],
  ['a1 b2 c3', 2, 'a1'],
  ['a1! b2 c3', 1, 'b2 c3'],
  ['a1 a2! b3!', 0, 'a1'],
])('of %s at most %i: %s', (all, most, gone) => {
  expect(surplus(dead(all), most).map(({ unit, instance }) => `${unit}${instance.createdMs}`).join(' ')).toBe(gone);
});

test('once a minute the node is rid of what is too much', async () => {
  const f = fixture({ config: { maximumDeadContainers: 1, maximumDeadContainersPerContainer: -1 }, script: () => ({ exitCode: 0, exitAfterMs: 10 }) });
  await f.kubelet.start();
  for (const name of ['a', 'b', 'c']) {
    await f.create(name, { restartPolicy: 'Never', containers: [container('app')] });
    await f.clock.advance(1_000);
  }
  expect(f.cri.containers.size).toBe(3);
  await f.clock.advance(60_000);
  expect([...f.cri.containers.values()].map(({ config }) => config.labels?.['io.kubernetes.pod.name'])).toEqual(['c']);
  expect(['a', 'b', 'c'].map((name) => f.pod(name).status?.phase)).toEqual(['Succeeded', 'Succeeded', 'Succeeded']);
  await f.kubelet.stop();
});
