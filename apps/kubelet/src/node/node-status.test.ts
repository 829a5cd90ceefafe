import { resolveConfig } from '@orrery/runtime';
import { expect, it } from 'vitest';
import { kubeletSchema } from '../config.ts';
import { addressesPatch, newNode } from './node-status.ts';

const ip = (address: string) => ({ type: 'InternalIP', address });
const name = { type: 'Hostname', address: 'node-1' };
const replace = { $patch: 'replace' };

it.each([
  ['one of a type', undefined, [ip('10.0.0.1'), name], [ip('10.0.0.1'), name]],
  ['two of a type', undefined, [ip('10.0.0.1'), ip('fd00::1'), name], [ip('10.0.0.1'), ip('fd00::1'), name, replace]],
  ['one of what were two', [ip('10.0.0.1'), ip('fd00::1'), name], [ip('10.0.0.1'), name], [ip('10.0.0.1'), name, replace]],
])('says %s', (_what, old, wanted, patch) => expect(addressesPatch(old, wanted)).toEqual(patch));

it.each([
  ['its addresses to a cloud-controller-manager, the primary one first', 'external', ['fd00::1', '10.0.0.1'], 'fd00::1,10.0.0.1'],
  ['nothing of addresses that nobody gave it', 'external', [], undefined],
  ['nothing where no cloud is asked', '', ['10.0.0.1'], undefined],
])('tells %s', (_what, cloudProvider, nodeIps, told) => {
  const config = resolveConfig(kubeletSchema, [{ cloudProvider, nodeIps }]);
  expect(newNode({ config, nodeName: 'node-1' }).metadata?.annotations?.['alpha.kubernetes.io/provided-node-ip']).toBe(told);
});
