import type { Node } from '@orrery/api/types';
import { expect, it } from 'vitest';
import { podRouteLines } from './pod-routes.ts';

const node = (name: string, addresses: readonly string[], podCIDRs?: readonly string[]): Node => ({
  metadata: { name },
  spec: podCIDRs ? { podCIDRs: [...podCIDRs] } : {},
  status: { addresses: [{ type: 'Hostname', address: name }, ...addresses.map((address) => ({ type: 'InternalIP', address }))] },
});

it('pods of the node itself are local and the node is their asker; those of others are behind their nodes, family by family', () => {
  const nodes = [
    node('a', ['10.240.0.11', 'fd00::11'], ['10.244.0.0/24', 'fd01::/64']),
    node('b', ['10.240.0.12', 'fd00::12'], ['10.244.1.0/24', 'fd01:0:0:1::/64']),
    node('without-address', [], ['10.244.2.0/24']),
    node('without-range', ['10.240.0.14']),
  ];
  expect(podRouteLines(nodes, 'a')).toEqual([
    'route replace local 10.244.0.0/24 dev lo src 10.240.0.11',
    'route replace local fd01::/64 dev lo src fd00::11',
    'route replace 10.244.1.0/24 via 10.240.0.12',
    'route replace fd01:0:0:1::/64 via fd00::12',
  ]);
});

it('knows no route of its own before it has a range, and still those to others', () => {
  expect(podRouteLines([node('a', ['10.240.0.11']), node('b', ['10.240.0.12'], ['10.244.1.0/24'])], 'a')).toEqual(['route replace 10.244.1.0/24 via 10.240.0.12']);
  expect(podRouteLines([node('a', ['10.240.0.11'], ['10.244.0.0/24']), node('b', ['10.240.0.12'], ['10.244.1.0/24'])], 'a', { localPods: false })).toEqual(['route replace 10.244.1.0/24 via 10.240.0.12']);
  expect(podRouteLines([], 'a')).toEqual([]);
});
