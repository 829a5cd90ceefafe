import { expect, it } from 'vitest';
import { addressesPatch } from './node-status.ts';

const ip = (address: string) => ({ type: 'InternalIP', address });
const name = { type: 'Hostname', address: 'node-1' };
const replace = { $patch: 'replace' };

it.each([
  ['one of a type', undefined, [ip('10.0.0.1'), name], [ip('10.0.0.1'), name]],
  ['two of a type', undefined, [ip('10.0.0.1'), ip('fd00::1'), name], [ip('10.0.0.1'), ip('fd00::1'), name, replace]],
  ['one of what were two', [ip('10.0.0.1'), ip('fd00::1'), name], [ip('10.0.0.1'), name], [ip('10.0.0.1'), name, replace]],
])('says %s', (_what, old, wanted, patch) => expect(addressesPatch(old, wanted)).toEqual(patch));
