/** In this order; of each kind one process at a time. */
const kinds = ['store', 'apiserver', 'scheduler', 'controller-manager', 'cloud-controller-manager', 'cloud', 'csi-disk', 'coredns', 'node-local-dns', 'metrics-server', 'ingress', 'kubelet', 'kube-proxy'];

function kindOf(name: string): number {
  // `controller-manager-2` is one, `cloud-controller-manager` is none; `kubelet-node-1` is a kubelet.
  return kinds.findIndex((kind) => name === kind || (name.startsWith(`${kind}-`) && !kinds.includes(name) && !kinds.some((other) => other.length > kind.length && name.startsWith(`${other}-`))));
}

/**
 * The processes of a cluster in the order in which they are restarted for a newer build: stores, API servers, the rest of the control
 * plane, then the nodes. What the running Pods and all connections live in stays: container runtimes (their containers are part of the process; a node whose
 * runtime is to be replaced is drained first), the load balancer and NATS.
 */
export function upgradeOrder(names: readonly string[]): string[] {
  return names.filter((name) => kindOf(name) >= 0).sort((a, b) => kindOf(a) - kindOf(b) || a.localeCompare(b, 'en', { numeric: true }));
}
