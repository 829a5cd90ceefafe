import type { LoadBalancerIngress, Service } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { ageColumn, formatLabels, nameColumn, text, wideText } from '../../printing/columns.ts';
import { alignNewClusterIps, defaultService, prepareServiceUpdate } from './service/strategy.ts';
import { validateService, validateServiceStatus, validateServiceUpdate } from './service/validation.ts';
import { serviceWarnings } from './service/warnings.ts';

/** Addresses of a load balancer, sorted and without doubles. */
export function formatLoadBalancer(ingress: readonly LoadBalancerIngress[] | undefined): string {
  const addresses = (ingress ?? []).map(({ ip, hostname }) => ip || hostname || '').filter((address) => address !== '');
  return [...new Set(addresses)].sort().join(',');
}

function externalIp({ spec, status }: Service): string {
  const external = spec?.externalIPs ?? [];
  switch (spec?.type) {
    case 'ClusterIP':
    case 'NodePort':
      return external.length > 0 ? external.join(',') : '<none>';
    case 'LoadBalancer': {
      const balancer = formatLoadBalancer(status?.loadBalancer?.ingress);
      const all = [...(balancer ? [balancer] : []), ...external];
      return all.length > 0 ? all.join(',') : '<pending>';
    }
    case 'ExternalName':
      return spec.externalName ?? '';
    default:
      return '<unknown>';
  }
}

function ports({ spec }: Service): string {
  const list = (spec?.ports ?? []).map(({ port, nodePort, protocol }) => `${port}${nodePort ? `:${nodePort}` : ''}/${protocol}`);
  return list.length > 0 ? list.join(',') : '<none>';
}

export const serviceKind = defineKind<Service>({
  group: '',
  version: 'v1',
  kind: 'Service',
  resource: 'services',
  namespaced: true,
  shortNames: ['svc'],
  categories: ['all'],
  storagePrefix: 'services/specs',
  hasStatus: true,
  emptyStatus: { loadBalancer: {} },
  subresources: [{ name: 'proxy', kind: 'ServiceProxyOptions', verbs: ['create', 'delete', 'get', 'patch', 'update'] }],
  // Since 1.36 a digit may come first.
  nameRule: 'dns1123Label',
  defaults: defaultService,
  onCreate: ({ spec }) => {
    if (spec) alignNewClusterIps(spec);
  },
  onUpdate: prepareServiceUpdate,
  validate: validateService,
  validateUpdate: validateServiceUpdate,
  validateStatusUpdate: validateServiceStatus,
  warnings: serviceWarnings,
  selectableFields: ['spec.clusterIP', 'spec.type'],
  selectable: ({ spec }) => ({ 'spec.clusterIP': spec?.clusterIP ?? '', 'spec.type': spec?.type ?? '' }),
  columns: [
    nameColumn,
    text('Type', ({ spec }) => spec?.type ?? ''),
    text('Cluster-IP', ({ spec }) => spec?.clusterIPs?.[0] || spec?.clusterIP || '<none>'),
    text('External-IP', externalIp),
    text('Port(s)', ports),
    ageColumn,
    wideText('Selector', ({ spec }) => formatLabels(spec?.selector)),
  ],
});
