import { expect, it } from 'vitest';
import { nodeAddresses } from './node-plan.ts';

const annotated = (ips: string): object => ({ metadata: { name: 'vm', annotations: { 'alpha.kubernetes.io/provided-node-ip': ips } } });
const both = { name: 'vm', privateIp: '10.241.0.1', privateIpv6: 'fd00:10:241::1' };
const four = 'InternalIP 10.241.0.1';
const six = 'InternalIP fd00:10:241::1';
const name = 'Hostname vm';

it.each([
  { of: 'an instance of one address', node: {}, instance: { name: 'vm', privateIp: '10.241.0.1' }, addresses: [four, name] },
  { of: 'an instance of two, to a kubelet that was told none', node: {}, instance: both, addresses: [four, six, name] },
  { of: 'two, told IPv4 first', node: annotated('10.241.0.1,fd00:10:241::1'), instance: both, addresses: [four, six, name] },
  { of: 'two, told IPv6 first', node: annotated('fd00:10:241::1,10.241.0.1'), instance: both, addresses: [six, four, name] },
  { of: 'two, told one: the other comes after it', node: annotated('fd00:10:241:0:0::1'), instance: both, addresses: [six, four, name] },
  { of: 'three', node: annotated('fd00:10:241::1,10.241.0.1'), instance: { ...both, publicIp: '198.51.100.7' }, addresses: [six, four, 'ExternalIP 198.51.100.7', name] },
])('the addresses of a node: $of', ({ node, instance, addresses }) => {
  expect(nodeAddresses(node, instance).map(({ type, address }) => `${type} ${address}`)).toEqual(addresses);
});

it('an address that the cloud does not know is an error', () => {
  expect(() => nodeAddresses(annotated('10.241.0.1,fd00::9'), both)).toThrow('failed to get node address from cloud provider that matches ip: fd00::9');
});
