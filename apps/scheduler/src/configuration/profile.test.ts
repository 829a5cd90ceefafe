import { describe, expect, it } from 'vitest';
import type { Plugin } from '../framework/types.ts';
import { profilePlugins } from './profile.ts';
import type { PluginsConfiguration } from './types.ts';

const known = new Map<string, Plugin>(
  Object.entries<Partial<Plugin>>({
    Sort: { less: () => false },
    A: { filter: () => undefined, score: () => 0 },
    B: { filter: () => undefined },
    C: { score: () => 0 },
    D: { filter: () => undefined, score: () => 0 },
    Bind: { bind: async () => undefined },
  }).map(([name, plugin]) => [name, { name, ...plugin }]),
);
const byDefault = [{ name: 'Sort' }, { name: 'A', weight: 2 }, { name: 'B' }, { name: 'C', weight: 3 }, { name: 'Bind' }];

function at(config: PluginsConfiguration): { filter: string[]; score: string[] } {
  const { filter, score } = profilePlugins(byDefault, config, known);
  return { filter: filter.map(({ name }) => name), score: score.map(({ name, weight }) => `${name}*${weight}`) };
}

describe('plugins of a profile', () => {
  const cases: [string, PluginsConfiguration, string[], string[]][] = [
    ['are the default ones where they have something to say', {}, ['A', 'B'], ['A*2', 'C*3']],
    ['may be left out everywhere', { multiPoint: { disabled: [{ name: 'A' }] } }, ['B'], ['C*3']],
    ['may be left out at one point', { filter: { disabled: [{ name: 'A' }] } }, ['B'], ['A*2', 'C*3']],
    ['may be left out all together', { score: { disabled: [{ name: '*' }], enabled: [{ name: 'D' }] } }, ['A', 'B'], ['D*1']],
    ['come after the default ones', { multiPoint: { enabled: [{ name: 'D', weight: 7 }] } }, ['A', 'B', 'D'], ['A*2', 'C*3', 'D*7']],
    ['keep their place with another weight', { multiPoint: { enabled: [{ name: 'A', weight: 9 }] } }, ['A', 'B'], ['A*9', 'C*3']],
    ['go first when they are named at a point too', { score: { enabled: [{ name: 'C', weight: 5 }] } }, ['A', 'B'], ['C*5', 'A*2']],
    ['come last when they are named at one point alone', { filter: { enabled: [{ name: 'D' }] } }, ['A', 'B', 'D'], ['A*2', 'C*3']],
  ];
  it.each(cases)('%s', (_name, config, filter, score) => expect(at(config)).toEqual({ filter, score }));

  it.each<[string, PluginsConfiguration, string]>([
    ['do not exist', { score: { enabled: [{ name: 'X' }] } }, 'ScorePlugin "X" does not exist'],
    ['do not score', { score: { enabled: [{ name: 'B' }] } }, 'plugin "B" does not extend ScorePlugin plugin'],
  ])('are refused when they %s', (_name, config, message) => expect(() => at(config)).toThrow(message));
});
