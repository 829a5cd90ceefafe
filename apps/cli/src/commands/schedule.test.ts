import { expect, it } from 'vitest';
import { explanationText } from './schedule.ts';

const score = (plugin: string, weight: number, value: number) => ({ plugin, weight, score: value });

it('prints weighted scores of the nodes that fit, and what refuses the others', () => {
  const text = explanationText({
    pod: 'default/web',
    schedulerName: 'default-scheduler',
    boundTo: 'a',
    nodes: [
      { node: 'a', fits: true, refusals: [], scores: [score('TaintToleration', 3, 100), score('ImageLocality', 1, 7)], total: 307 },
      { node: 'bb', fits: true, refusals: [], scores: [score('TaintToleration', 3, 100), score('ImageLocality', 1, 7)], total: 307 },
      { node: 'c', fits: false, refusals: [{ plugin: 'NodeName', reasons: ['x'], resolvable: false }, { plugin: 'NodePorts', reasons: ['y', 'z'], resolvable: true }], scores: [], total: 0 },
    ],
    chosen: ['a', 'bb'],
  });
  expect(text).toBe(`Pod default/web (default-scheduler) is on a; without it: 2 of 3 nodes fit.

NODE   TOTAL   TaintToleration×3   ImageLocality
a      307     300                 7
bb     307     300                 7

NODE   REFUSED BY
c      NodeName: x; NodePorts: y, z

Chosen: one of a, bb (equal scores)
`);
});

it('says why there is no node', () => {
  const text = explanationText({ pod: 'd/p', schedulerName: 's', nodes: [], chosen: [], message: '0/0 nodes are available.' });
  expect(text).toBe('Pod d/p (s) waits: 0 of 0 nodes fit.\n\nNone: 0/0 nodes are available.\n');
});
