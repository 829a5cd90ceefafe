import { Leases } from '@orrery/api';
import { serviceUnavailable } from '@orrery/errors';
import { VirtualClock, createMetrics, seededRandom, silentLogger } from '@orrery/runtime';
import { expect, test } from 'vitest';
import { createLeaderElection } from './leader-election.ts';
import { createFakeApi } from './testing/index.ts';

function setup() {
  const clock = new VirtualClock();
  const env = { clock, random: seededRandom(1), log: silentLogger, metrics: createMetrics() };
  const api = createFakeApi(env);
  const down = new Set<string>();
  const log: string[] = [];
  const candidate = (identity: string, takeOver = false) => {
    const cut = new Proxy(api, {
      get: (target, name: keyof typeof api) => (down.has(identity) && name !== 'watch' ? () => Promise.reject(serviceUnavailable('cut off')) : target[name]),
    });
    return createLeaderElection(env, {
      api: cut,
      name: 'kube-x',
      identity,
      takeOver,
      onStartedLeading: () => log.push(`${identity} leads`),
      onStoppedLeading: () => log.push(`${identity} stops`),
    });
  };
  return { clock, api, down, log, candidate };
}

test('one leads; cut off it stops after 10 s and another takes over after 15 s', async () => {
  const { clock, api, down, log, candidate } = setup();
  const [a, b] = [candidate('a'), candidate('b')];
  a.start();
  await clock.advance(100);
  b.start();
  await clock.advance(30_000);
  expect([a.isLeader(), b.isLeader(), b.leader(), log]).toEqual([true, false, 'a', ['a leads']]);
  down.add('a');
  await clock.advance(10_100);
  expect(log).toEqual(['a leads', 'a stops']);
  await clock.advance(10_000);
  expect(log).toEqual(['a leads', 'a stops', 'b leads']);
  expect(api.find(Leases, 'kube-x', 'kube-system')?.spec).toMatchObject({ holderIdentity: 'b', leaseTransitions: 1, leaseDurationSeconds: 15 });
});

test('a leader that stops hands over at once', async () => {
  const { clock, log, candidate } = setup();
  const [a, b] = [candidate('a'), candidate('b')];
  a.start();
  await clock.advance(100);
  b.start();
  await clock.advance(5_000);
  await a.stop();
  await clock.advance(6_000);
  expect(log).toEqual(['a leads', 'a stops', 'b leads']);
});

test('one that takes over leads at once, and who led stops with its next renewal; it does so at its start only', async () => {
  const { clock, log, candidate } = setup();
  const [a, b] = [candidate('a'), candidate('b', true)];
  a.start();
  await clock.advance(5_000);
  b.start();
  await clock.advance(2_100);
  expect(log).toEqual(['a leads', 'b leads', 'a stops']);
  const c = candidate('c', true);
  c.start();
  await clock.advance(60_000);
  expect(log).toEqual(['a leads', 'b leads', 'a stops', 'c leads', 'b stops']);
});
