import type { Channel } from '@orrery/rpc';
import { expect, test } from 'vitest';
import { simulatedWorld } from './testing/simulated-world.ts';

const first = Number(process.env['ORRERY_SEED']) || 1;
const seeds = Number(process.env['ORRERY_SEEDS'] ?? 20);

test('cloud controllers converge whatever befalls them', { timeout: 600_000 }, async () => {
  for (let seed = first; seed < first + seeds; seed++) expect(await (await simulatedWorld(seed)).run(), `seed ${seed}`).toEqual([]);
});

/** A cloud that takes a kind of call for done. */
const ignoring = (name: RegExp) => (channel: Channel): Channel => ({ ...channel, call: (definition, method, input, options) => (name.test(`${definition.name}/${method.name}`) ? Promise.resolve({}) : channel.call(definition, method, input, options)) });

test.each([
  ['leaves load balancers behind', ignoring(/LoadBalancers\/Delete/), /listeners for/],
  ['leaves routes behind', ignoring(/Routes\/Delete/), /^routes /],
])('is caught: a manager that %s', { timeout: 600_000 }, async (_name, sabotage, expected) => {
  const found: string[] = [];
  for (let seed = 1; seed <= 12 && !found.some((text) => expected.test(text)); seed++) found.push(...(await (await simulatedWorld(seed, sabotage)).run()));
  expect(found.filter((text) => expected.test(text))).not.toEqual([]);
});
