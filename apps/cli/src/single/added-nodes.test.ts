import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { AddedNodes, nodeRequest } from './added-nodes.ts';

const defaults = { cpu: '8', memory: '16Gi', pods: 110 };

test('nodes get the next free place, and are there again after a restart', () => {
  const root = mkdtempSync(join(tmpdir(), 'orrery-nodes-'));
  try {
    const nodes = new AddedNodes(root);
    const first = nodes.plan({}, { first: 3, names: ['node-1', 'node-2', 'node-3'], defaults });
    expect(first).toEqual({ name: 'node-4', index: 3, ...defaults, labels: [], taints: [] });
    nodes.save([first]);
    expect(new AddedNodes(root).list()).toEqual([first]);
    const second = nodes.plan({ name: 'big', cpu: '64', labels: ['a=b'] }, { first: 3, names: ['node-4'], defaults });
    expect(second).toMatchObject({ name: 'big', index: 4, cpu: '64', memory: '16Gi', labels: ['a=b'] });
    expect(() => nodes.plan({ name: 'node-4' }, { first: 3, names: ['node-4'], defaults })).toThrow('there is a node node-4 already');
    expect(() => nodes.plan({ name: 'Node_4' }, { first: 3, names: [], defaults })).toThrow('"Node_4" is no name of a node');
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
});

test.each([[{ action: 'add' }], [{ action: 'remove' }], ['x'], [null]])('%j is no request', (body) => expect(nodeRequest(body)).toBeUndefined());
