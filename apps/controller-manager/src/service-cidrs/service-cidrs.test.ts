import { IPAddresses, ServiceCIDRs } from '@orrery/api';
import type { IPAddress, ServiceCIDR } from '@orrery/api/types';
import { describe, expect, it, test } from 'vitest';
import { startManager } from '../testing/manager-harness.ts';
import { plan } from './plan.ts';

const finalizer = 'networking.k8s.io/service-cidr-finalizer';
const range = (name: string, ...cidrs: string[]): ServiceCIDR => ({ metadata: { name, finalizers: [finalizer] }, spec: { cidrs } });
const going = (name: string, ...cidrs: string[]): ServiceCIDR => ({ ...range(name, ...cidrs), metadata: { name, finalizers: [finalizer], deletionTimestamp: '1970-01-01T00:00:00Z' } });
const address = (name: string, labels: Record<string, string> = { 'ipaddress.kubernetes.io/managed-by': 'ipallocator.k8s.io' }): IPAddress => ({ metadata: { name, labels }, spec: { parentRef: { resource: 'services', namespace: 'a', name: 's' } } });

describe('plan', () => {
  const later = 20_000;
  const gone = { finalizers: [] };
  const blocked = { ready: { type: 'Ready', status: 'False', reason: 'Terminating', message: 'There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR' } };
  const of = (all: ServiceCIDR[], addresses: IPAddress[], nowMs = later) => plan({ range: all[0] as ServiceCIDR, all, addresses }, nowMs);

  it.each([
    ['nothing in it', [going('x', '10.1.0.0/24')], [], gone],
    ['an address in it', [going('x', '10.1.0.0/24')], [address('10.1.0.7')], blocked],
    ['an address of another range', [going('x', '10.1.0.0/24')], [address('10.1.1.7')], gone],
    ['an address that nobody gave away', [going('x', '10.1.0.0/24')], [address('10.1.0.7', {})], gone],
    ['a range around it', [going('x', '10.1.0.0/24'), range('y', '10.1.0.0/16')], [address('10.1.0.7')], gone],
    ['the same range twice', [going('x', '10.1.0.0/24'), range('y', '10.1.0.0/24')], [address('10.1.0.7')], gone],
    ['a range within it that holds the address', [going('x', '10.1.0.0/24'), range('y', '10.1.0.0/28')], [address('10.1.0.7')], gone],
    ['a range within it that does not', [going('x', '10.1.0.0/24'), range('y', '10.1.0.0/28')], [address('10.1.0.77')], blocked],
    ['one family covered, the other in use', [going('x', '10.1.0.0/24', 'fd00::/112'), range('y', '10.1.0.0/16')], [address('fd00::7')], blocked],
    ['one family covered, the other not in use', [going('x', '10.1.0.0/24', 'fd00::/112'), range('y', '10.1.0.0/16')], [address('10.1.0.7')], gone],
  ])('of one that is to go, with %s', (_what, all, addresses, expected) => expect(of(all, addresses)).toEqual(expected));

  it('waits until allocators know', () => {
    expect(of([going('x', '10.1.0.0/24')], [], 4_000)).toEqual({ waitMs: 6_000 });
  });

  it('says nothing twice', () => {
    const ready = { type: 'Ready', status: 'True', reason: '', message: 'Kubernetes Service CIDR is ready' };
    expect(of([range('x', '10.1.0.0/24')], [])).toEqual({ ready });
    expect(of([{ ...range('x', '10.1.0.0/24'), status: { conditions: [{ ...ready, lastTransitionTime: '1970-01-01T00:00:00Z' }] } }], [])).toEqual({});
  });
});

test('a range is protected and ready, and goes ten seconds after its last address', async () => {
  const { api, clock } = await startManager();
  await api.create(ServiceCIDRs, { metadata: { name: 'more' }, spec: { cidrs: ['10.1.0.0/24'] } });
  await api.create(IPAddresses, address('10.1.0.7'));
  await clock.advance(100);
  const find = (): ServiceCIDR | undefined => api.find(ServiceCIDRs, 'more');
  expect(find()?.metadata?.finalizers).toEqual([finalizer]);
  expect(find()?.status?.conditions).toMatchObject([{ type: 'Ready', status: 'True', message: 'Kubernetes Service CIDR is ready' }]);
  await api.delete(ServiceCIDRs, { name: 'more' });
  await clock.advance(60_000);
  expect(find()?.status?.conditions).toMatchObject([{ type: 'Ready', status: 'False', reason: 'Terminating' }]);
  await api.delete(IPAddresses, { name: '10.1.0.7' });
  await clock.advance(1_000);
  expect(find()).toBeUndefined();
});

test('a range that comes lets another go', async () => {
  const { api, clock } = await startManager();
  await api.create(ServiceCIDRs, { metadata: { name: 'small' }, spec: { cidrs: ['10.1.0.0/24'] } });
  await api.create(IPAddresses, address('10.1.0.7'));
  await clock.advance(100);
  await api.delete(ServiceCIDRs, { name: 'small' });
  await clock.advance(5_000);
  expect(api.find(ServiceCIDRs, 'small')).toBeDefined();
  await api.create(ServiceCIDRs, { metadata: { name: 'big' }, spec: { cidrs: ['10.1.0.0/16'] } });
  await clock.advance(4_000);
  expect(api.find(ServiceCIDRs, 'small')).toBeDefined();
  await clock.advance(5_000);
  expect(api.find(ServiceCIDRs, 'small')).toBeUndefined();
});
