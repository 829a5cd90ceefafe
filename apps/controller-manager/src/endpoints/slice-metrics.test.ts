import type { Endpoint, EndpointSlice, Service } from '@orrery/api/types';
import { createMetrics } from '@orrery/runtime';
import { expect, test } from 'vitest';
import { createSliceMetrics, createTrafficMetrics } from './slice-metrics.ts';

const endpoint = (uid: string): Endpoint => ({ addresses: [`10.0.0.${uid}`], targetRef: { uid } });
const slice = (name: string, ...uids: string[]): EndpointSlice => ({ metadata: { name }, addressType: 'IPv4', endpoints: uids.map(endpoint) });
const told = (metrics: ReturnType<typeof createMetrics>): string[] => metrics.expose().split('\n').filter((line) => line.startsWith('endpoint_slice') && !line.includes('_bucket') && !line.includes('_per_sync_sum'));

test('slices, and what they would be at best, follow every sync', () => {
  const metrics = createMetrics();
  const slices = createSliceMetrics(metrics, 'endpoint_slice_controller');
  slices.planned('a/one', { slices: [], plan: { create: [slice('x', '1', '2'), slice('y', '3')], update: [], remove: [] }, most: 2 });
  slices.planned('a/two', { slices: [], plan: { create: [slice('z')], update: [], remove: [] }, most: 2 });
  // One of x goes, one of y is new: two slices of one each, where one would do.
  slices.planned('a/one', { slices: [slice('x', '1', '2'), slice('y', '3')], plan: { create: [], update: [slice('x', '2')], remove: [] }, most: 2 });
  expect(told(metrics)).toEqual([
    'endpoint_slice_controller_changes{operation="create"} 3',
    'endpoint_slice_controller_changes{operation="update"} 1',
    'endpoint_slice_controller_desired_endpoint_slices 2',
    'endpoint_slice_controller_endpoints_added_per_sync_count 3',
    'endpoint_slice_controller_endpoints_desired 2',
    'endpoint_slice_controller_endpoints_removed_per_sync_count 3',
    'endpoint_slice_controller_num_endpoint_slices 3',
  ]);
  expect(metrics.expose()).toMatch(/added_per_sync_sum 3\n[^]*removed_per_sync_sum 1\n/);
  slices.forget('a/one');
  slices.forget('a/one');
  slices.forget('a/two');
  expect(told(metrics).filter((line) => line.endsWith(' 0'))).toHaveLength(3);
});

test('Services are counted by the distribution they ask for', () => {
  const metrics = createMetrics();
  const traffic = createTrafficMetrics(metrics, (service) => service.metadata?.name === 'hinted');
  const service = (name: string, trafficDistribution?: string): Service => ({ metadata: { name }, spec: trafficDistribution ? { trafficDistribution } : {} });
  traffic.synced('a', service('a', 'PreferClose'), 1);
  traffic.synced('b', service('b', 'PreferClose'), 0);
  traffic.synced('c', service('hinted'), 2);
  traffic.forget('b');
  expect(told(metrics)).toEqual([
    'endpoint_slice_controller_endpointslices_changed_per_sync_count{topology="Disabled",traffic_distribution="PreferClose"} 2',
    'endpoint_slice_controller_endpointslices_changed_per_sync_count{topology="Auto",traffic_distribution=""} 1',
    'endpoint_slice_controller_services_count_by_traffic_distribution{traffic_distribution="PreferClose"} 1',
  ]);
});
