import { expect, it } from 'vitest';
import { upgradeOrder } from './upgrade-order.ts';

it('goes from stores to nodes, and leaves what Pods and connections live in', () => {
  const names = ['nats', 'kube-proxy-node-1', 'container-runtime-node-1', 'kubelet-node-10', 'kubelet-node-2', 'balancer', 'cloud-controller-manager-2', 'cloud-controller-manager', 'cloud', 'controller-manager', 'controller-manager-2', 'scheduler', 'apiserver-2', 'apiserver', 'store-2', 'store-1', 'coredns'];
  expect(upgradeOrder(names)).toEqual(['store-1', 'store-2', 'apiserver', 'apiserver-2', 'scheduler', 'controller-manager', 'controller-manager-2', 'cloud-controller-manager', 'cloud-controller-manager-2', 'cloud', 'coredns', 'kubelet-node-2', 'kubelet-node-10', 'kube-proxy-node-1']);
});
