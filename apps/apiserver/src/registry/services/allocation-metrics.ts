import type { Service } from '@orrery/api/types';
import type { Metrics } from '@orrery/runtime';
import { held } from './held.ts';
import { type IpRange, contains, lastOffset } from './ip-range.ts';

/** What is allocated, as far as the caches know; read at every scrape. */
export interface Allocated {
  ranges(): readonly IpRange[];
  addresses(): Iterable<string>;
  services(): Iterable<Service>;
  readonly ports: { readonly from: number; readonly to: number };
}

/** Upstream's gauges of cluster IPs and node ports. */
export function allocationMetrics({ collect }: Pick<Metrics, 'collect'>, allocated: Allocated): void {
  const perRange = (name: string, help: string, value: (range: IpRange, used: number) => number): void =>
    collect(name, { type: 'gauge', help }, () => {
      const addresses = [...allocated.addresses()];
      return allocated.ranges().map((range) => ({ labels: { cidr: range.cidr }, value: value(range, addresses.filter((ip) => contains(range, ip)).length) }));
    });
  perRange('kube_apiserver_clusterip_allocator_allocated_ips', 'Gauge measuring the number of allocated IPs for Services', (_range, used) => used);
  perRange('kube_apiserver_clusterip_allocator_available_ips', 'Gauge measuring the number of available IPs for Services', (range, used) => Number(lastOffset(range)) - used);
  const { from, to } = allocated.ports;
  const perPorts = (name: string, help: string, value: (used: number) => number): void =>
    collect(name, { type: 'gauge', help }, () => {
      const used = new Set<number>();
      for (const service of allocated.services()) for (const port of held(service).ports) used.add(port);
      return [{ value: value(used.size) }];
    });
  perPorts('kube_apiserver_nodeport_allocator_allocated_ports', 'Gauge measuring the number of allocated NodePorts for Services', (used) => used);
  perPorts('kube_apiserver_nodeport_allocator_available_ports', 'Gauge measuring the number of available NodePorts for Services', (used) => to - from + 1 - used);
}
