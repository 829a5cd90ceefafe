/**
 * The component that a container of infra/compose.yaml is, by its service and its number (from 1) among those of the service, named as in the other layouts:
 * `store1` is store-1, `node2-kubelet` kubelet-node2, the second `csi-disk` csi-disk-2, the first `scheduler-standby` scheduler-2, `real1` (containerd and kubelet in
 * one container) kubelet-real1. Undefined of what holds a network for others, and of the certificates' maker.
 */
export function componentOf(service: string, number = 1): string | undefined {
  if (service === 'pki' || service === 'entrance' || /^node\d+$/.test(service)) return undefined;
  if (/^real\d+$/.test(service)) return `kubelet-${service}`;
  const [, node, part] = /^((?:node|real)\d+)-(.+)$/.exec(service) ?? [];
  if (node && part) return `${part === 'runtime' ? 'container-runtime' : part}-${node}`;
  const [, base, replica] = /^(store|apiserver|coredns)(\d+)$/.exec(service) ?? [];
  if (base && replica) return `${base}-${replica}`;
  const standby = /^(.+)-standby$/.exec(service)?.[1];
  if (standby) return `${standby}-${number + 1}`;
  // An upgrade leaves the balancer with another number.
  return number > 1 && service !== 'balancer' ? `${service}-${number}` : service;
}

/** What runs on a node. */
export function componentsOfNode(node: string): string[] {
  return [`container-runtime-${node}`, `kubelet-${node}`, `csi-disk-${node}`, `kube-proxy-${node}`];
}

/** Programs that are told what is wrong with them: all but NATS and what passes connections on. */
export function isTold(component: string): boolean {
  return component !== 'nats' && component !== 'balancer';
}
