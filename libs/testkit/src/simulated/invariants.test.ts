import { expect, it } from 'vitest';
import type { Change } from '../test-world.ts';
import { followedProblems, historyProblems } from './invariants.ts';

const change = (type: Change['type'], uid: string, version: number, nodeName?: string): Change => ({ atMs: 0, type, resource: 'pods', object: { metadata: { name: 'p', namespace: 'd', uid, resourceVersion: String(version) }, spec: { nodeName } } as Change['object'] });

it.each<[string, Change[], string[]]>([
  ['a life', [change('ADDED', 'a', 1), change('MODIFIED', 'a', 2, 'n'), change('MODIFIED', 'a', 4, 'n'), change('DELETED', 'a', 5, 'n'), change('ADDED', 'b', 6)], []],
  ['a version that falls', [change('ADDED', 'a', 2), change('MODIFIED', 'a', 2)], ['pods d/p at 2: comes after 2']],
  ['a Pod that moves', [change('ADDED', 'a', 1, 'n'), change('MODIFIED', 'a', 2, 'm')], ['pods d/p at 2: was bound to n, and is to m']],
  ['a Pod that is bound no more', [change('ADDED', 'a', 1, 'n'), change('MODIFIED', 'a', 2)], ['pods d/p at 2: was bound to n, and is to no node']],
  ['another in its place', [change('ADDED', 'a', 1), change('ADDED', 'b', 2)], ['pods d/p at 2: is another, and the one before was not deleted']],
  ['one that comes back', [change('ADDED', 'a', 1), change('DELETED', 'a', 2), change('ADDED', 'a', 3)], ['pods d/p at 3: is back although it was deleted']],
  ['an end without a beginning', [change('DELETED', 'a', 2)], ['pods d/p at 2: is deleted, and was never told of']],
])('%s', (_, changes, problems) => expect(historyProblems(changes)).toEqual(problems));

it('compares what was followed with what is there', () => {
  const changes = [change('ADDED', 'a', 1), change('ADDED', 'b', 2), change('DELETED', 'b', 3)];
  const item = (uid: string, resourceVersion: string) => ({ metadata: { name: uid, uid, resourceVersion } });
  expect(followedProblems(changes, 'pods', [item('a', '1')])).toEqual([]);
  expect(followedProblems(changes, 'pods', [item('a', '4'), item('c', '5')])).toEqual(['pods: a follower holds a at 1, the server at 4', 'pods: no follower knows of c']);
});
