import { expect, it } from 'vitest';
import { tellsProgressInOrder } from './progress.ts';

it.each([
  ['3.4.23', false],
  ['3.4.25', true],
  ['3.5.7', false],
  ['3.5.8', true],
  ['3.5.21', true],
  ['3.6.0', true],
  ['3.3.27', false],
  ['', false],
])('etcd %s tells progress in order: %s', (version, inOrder) => {
  expect(tellsProgressInOrder(version)).toBe(inOrder);
});
