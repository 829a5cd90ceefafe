import { EndpointSlices, Services } from '@orrery/api';
import type { EndpointSlice, Service } from '@orrery/api/types';
import type { InformerFactory } from '@orrery/client';
import type { Logger } from '@orrery/runtime';
import type { Endpoint, ServiceRule } from '@orrery/vnet';

const namespace = 'kube-system';
/** The Service of the cluster's DNS, and that of NodeLocal DNSCache for where it takes the address of the first. */
const names = ['kube-dns', 'kube-dns-upstream'];

function backends(slices: readonly EndpointSlice[], port: string | undefined): Endpoint[] {
  return slices.flatMap(({ endpoints = [], ports = [] }) => {
    const number = ports.find(({ name = '' }) => name === (port ?? ''))?.port;
    if (!number) return [];
    return endpoints.filter(({ conditions }) => conditions?.ready !== false).flatMap(({ addresses }) => addresses.map((ip) => ({ ip, port: number })));
  });
}

/** What a switch has to know to reach the cluster's DNS by its Services; pure. */
export function dnsServiceRules(services: readonly Service[], slices: readonly EndpointSlice[]): ServiceRule[] {
  return services.flatMap(({ metadata, spec }) => {
    const own = slices.filter((slice) => slice.metadata?.labels?.['kubernetes.io/service-name'] === metadata?.name);
    const addresses = (spec?.clusterIPs ?? (spec?.clusterIP ? [spec.clusterIP] : [])).filter((ip) => ip !== 'None');
    return addresses.flatMap((ip) =>
      (spec?.ports ?? []).flatMap(({ name, port, protocol = 'TCP' }): ServiceRule[] => {
        if (protocol !== 'TCP' && protocol !== 'UDP') return [];
        const family = ip.includes(':') ? 'IPv6' : 'IPv4';
        return [{ match: { ip, port, protocol }, service: `${namespace}/${metadata?.name ?? ''}:${name ?? ''}`, backends: backends(own.filter(({ addressType }) => addressType === family), name), whenEmpty: 'refuse' }];
      }));
  });
}

/** Keeps a switch of its own, to which no kube-proxy comes, up with the Services of the cluster's DNS. */
export function followDnsServices({ informers, log, program }: { readonly informers: InformerFactory; readonly log: Logger; program(rules: readonly ServiceRule[]): Promise<void> }): void {
  const services = informers.informer(Services, { namespace, labelSelector: 'k8s-app=kube-dns' });
  const slices = informers.informer(EndpointSlices, { namespace, labelSelector: `kubernetes.io/service-name in (${names.join(',')})` });
  const changed = (): void => {
    const known = [...services.list()].filter(({ metadata }) => names.includes(metadata?.name ?? ''));
    program(dnsServiceRules(known, [...slices.list()])).catch((error: unknown) => log.error('the way to the DNS servers is not known', { error }));
  };
  for (const informer of [services, slices]) informer.addHandlers({ add: changed, update: changed, delete: changed });
}
