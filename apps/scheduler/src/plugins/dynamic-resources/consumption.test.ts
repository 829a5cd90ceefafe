import type { CapacityRequestPolicy } from '@orrery/api/types';
import { expect, test } from 'vitest';
import { consumptionOf, printed } from './consumption.ts';

const range = { validRange: { min: '2Gi', max: '6Gi', step: '2Gi' }, default: '4Gi' };
const values = { validValues: ['1', '4', '8'], default: '1' };

test.each<[string, string, CapacityRequestPolicy | undefined, string | undefined, string | undefined]>([
  ['nothing asked, no policy: all', '10Gi', undefined, undefined, '10Gi'],
  ['nothing asked: the default', '10Gi', range, undefined, '4Gi'],
  ['no policy: what is asked', '10Gi', undefined, '3Gi', '3Gi'],
  ['more than there is', '10Gi', undefined, '11Gi', undefined],
  ['less than the least', '10Gi', range, '1Gi', '2Gi'],
  ['between two steps', '10Gi', range, '3Gi', '4Gi'],
  ['on a step', '10Gi', range, '6Gi', '6Gi'],
  ['over the most', '10Gi', range, '6500Mi', undefined],
  ['without steps', '10Gi', { validRange: { min: '1Gi' } }, '1500Mi', '1500Mi'],
  ['between two values', '8', values, '2', '4'],
  ['over all values', '10', values, '9', undefined],
])('%s', (_what, value, requestPolicy, asked, expected) => {
  const device = { name: 'd', allowMultipleAllocations: true, capacity: { memory: { value, ...(requestPolicy ? { requestPolicy } : {}) } } };
  const found = consumptionOf(device, asked === undefined ? {} : { memory: asked });
  expect(found && printed(found)).toEqual(expected && { memory: expected });
});

test('a capacity that the device does not have is not to be had', () => expect(consumptionOf({ name: 'd', allowMultipleAllocations: true }, { memory: '1' })).toBeUndefined());
