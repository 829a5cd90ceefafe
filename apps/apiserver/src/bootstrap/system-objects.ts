import { ConfigMaps, FlowSchemas, Namespaces, PriorityClasses, PriorityLevelConfigurations, ServiceCIDRs, Services } from '@orrery/api';
import { type Wanted, wanted } from './ensure.ts';
import { flowSchemas, priorityLevels } from './flow-control.ts';

const namespaces = ['kube-system', 'kube-public', 'kube-node-lease', 'default'];

export function namespaceObjects(): Wanted[] {
  return namespaces.map((name) => wanted(Namespaces, { metadata: { name, labels: { 'kubernetes.io/metadata.name': name } } }));
}

export function priorityClassObjects(): Wanted[] {
  const systemClass = (name: string, value: number, description: string): Wanted =>
    wanted(PriorityClasses, { metadata: { name }, value, description, preemptionPolicy: 'PreemptLowerPriority' });
  return [
    systemClass('system-node-critical', 2_000_001_000, 'Used for system critical pods that must not be moved from their current node.'),
    systemClass('system-cluster-critical', 2_000_000_000, 'Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.'),
  ];
}

export function flowControlObjects(): Wanted[] {
  const annotations = { 'apf.kubernetes.io/autoupdate-spec': 'true' };
  return [
    ...priorityLevels.map(({ name, spec }) => wanted(PriorityLevelConfigurations, { metadata: { name, annotations }, spec })),
    ...flowSchemas.map(({ name, spec }) => wanted(FlowSchemas, { metadata: { name, annotations }, spec })),
  ];
}

export function configMapObjects(options: { nowMs: number }): Wanted[] {
  const since = new Date(options.nowMs).toISOString().slice(0, 10);
  return [
    wanted(ConfigMaps, { metadata: { name: 'kube-apiserver-legacy-service-account-token-tracking', namespace: 'kube-system' }, data: { since } }),
  ];
}

/** The first address of the (first) range, which the `kubernetes` service has. */
export function firstServiceIp(cidr: string): string {
  const [address = ''] = cidr.trim().split('/');
  if (address.includes(':')) return `${address.replace(/::$/, '')}::1`;
  const parts = address.split('.').map(Number);
  return [...parts.slice(0, 3), (parts[3] ?? 0) + 1].join('.');
}

/** ServiceCIDR `kubernetes` and the Service `default/kubernetes`; where it leads is kept by `../endpoints`. */
export function kubernetesServiceObjects(options: { serviceCidr: string; port: number }): Wanted[] {
  const { port, serviceCidr } = options;
  const labels = { component: 'apiserver', provider: 'kubernetes' };
  return [
    wanted(ServiceCIDRs, { metadata: { name: 'kubernetes' }, spec: { cidrs: serviceCidr.split(',').map((cidr) => cidr.trim()) } }),
    wanted(Services, {
      metadata: { name: 'kubernetes', namespace: 'default', labels },
      spec: { type: 'ClusterIP', clusterIP: firstServiceIp(serviceCidr), sessionAffinity: 'None', ports: [{ name: 'https', port: 443, targetPort: port, protocol: 'TCP' }] },
    }),
  ];
}
