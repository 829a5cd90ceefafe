import { expect, it } from 'vitest';
import { loadBalancerRange } from './load-balancer-range.ts';
import { addressProblem, nodeAddress, nodeAddresses, nodeCacheHome, podRange } from './single/addresses.ts';

it('gives ten thousand nodes an address each, none of them taken by something else', () => {
  const addresses = new Set(Array.from({ length: 10_000 }, (_, i) => nodeAddress(i)));
  expect(addresses.size).toBe(10_000);
  for (const taken of ['10.240.0.1', '10.240.0.2', '10.240.0.53', '10.240.0.80', '10.240.0.90']) expect(addresses.has(taken)).toBe(false);
  for (const address of addresses) expect(address.split('.').every((part) => Number(part) < 256)).toBe(true);
});

it('gives nodes of a dual-stack cluster a second address, each another', () => {
  expect(nodeAddresses('10.240.0.11', false)).toEqual(['10.240.0.11']);
  expect(nodeAddresses('10.240.1.0', true)).toEqual(['10.240.1.0', 'fd00:10:240::100']);
  expect(new Set(Array.from({ length: 10_000 }, (_, i) => nodeAddresses(nodeAddress(i), true)[1])).size).toBe(10_000);
});

it('gives the DNS caches of nodes and of instances addresses that nothing else has', () => {
  const homes = ['10.240.0.11', '10.240.1.0', '10.241.0.11', '10.241.1.0'].map(nodeCacheHome);
  expect(homes).toEqual(['10.242.0.11', '10.242.1.0', '10.243.0.11', '10.243.1.0']);
  for (const home of homes) expect(addressProblem(home, {})).toContain("is one of the cluster's own");
});

it.each([
  ['10.240.0.81', undefined],
  ['10.240.0.255', undefined],
  ['192.168.7.1', undefined],
  ['fd00:1::80', undefined],
  ['ingress', 'is no IP address'],
  ['', 'is no IP address'],
  ['10.240.0.81,10.240.0.82', 'is no IP address'],
  ['127.0.0.1', 'is no address of its own'],
  ['0.0.0.0', 'is no address of its own'],
  ['::', 'is no address of its own'],
  ['10.240.0.1', "is one of the cluster's own"],
  ['10.240.0.54', "is one of the cluster's own"],
  ['10.240.0.90', "is one of the cluster's own"],
  ['10.240.1.7', "is one of the cluster's own"],
  ['10.241.0.11', "is one of the cluster's own"],
  ['fd00:10:240:0::b', "is one of the cluster's own"],
  ['10.244.1.1', 'is in the range of pods'],
  ['fd00:244::9', 'is in the range of pods'],
  ['10.96.0.10', 'is in the range of Services'],
])('a component at %j: %s', (address, problem) => {
  const found = addressProblem(address, { pods: '10.244.0.0/16, fd00:244::/48', Services: '10.96.0.0/16' });
  if (problem === undefined) expect(found).toBeUndefined();
  else expect(found).toContain(problem);
});

it('has pod ranges for every node', () => {
  expect(podRange(3)).toBe('10.244.0.0/16');
  expect(podRange(10_000)).toBe('10.128.0.0/10');
});

it('gives data directories loopback ranges of their own', () => {
  expect(loadBalancerRange('/a')).toMatch(/^127\.\d+\.\d+\.0\/24$/);
  expect(loadBalancerRange('/a')).not.toBe(loadBalancerRange('/b'));
});
