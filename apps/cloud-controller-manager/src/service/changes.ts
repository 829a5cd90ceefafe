import type { Service } from '@orrery/api/types';
import { wantsBalancer } from './plan.ts';

/** An event about what has changed in a Service, as upstream words it. */
export interface ChangeEvent {
  readonly reason: string;
  readonly message: string;
}

/** As Go prints a list of strings. */
const goList = (list: readonly string[] = []): string => `[${list.join(' ')}]`;

/** What of a Service concerns its balancer: a change of it makes it ensured anew, and told so. */
export function balancerFacts({ metadata, spec = {} }: Service, ignored: readonly string[]): string {
  const annotations = Object.entries(metadata?.annotations ?? {}).filter(([name]) => !ignored.includes(name)).sort(([a], [b]) => (a < b ? -1 : 1));
  const ports = (spec.ports ?? []).map(({ name, protocol, port, nodePort, targetPort }) => [name, protocol, port, nodePort, targetPort]);
  return JSON.stringify([metadata?.uid, spec.type, spec.loadBalancerSourceRanges, ports, spec.sessionAffinity, spec.sessionAffinityConfig, spec.loadBalancerIP, spec.externalIPs, spec.externalTrafficPolicy, spec.healthCheckNodePort, annotations]);
}

/** The first change that upstream tells about, if there is one. */
export function changeEvent(old: Service, now: Service): ChangeEvent | undefined {
  const [before, after] = [old.spec ?? {}, now.spec ?? {}];
  if (now.metadata?.deletionTimestamp || (!wantsBalancer(old) && !wantsBalancer(now))) return undefined;
  if (wantsBalancer(old) !== wantsBalancer(now)) return { reason: 'Type', message: `${before.type ?? ''} -> ${after.type ?? ''}` };
  const [oldRanges, ranges] = [goList(before.loadBalancerSourceRanges), goList(after.loadBalancerSourceRanges)];
  if (oldRanges !== ranges) return { reason: 'LoadBalancerSourceRanges', message: `${oldRanges} -> ${ranges}` };
  if ((before.loadBalancerIP ?? '') !== (after.loadBalancerIP ?? '')) return { reason: 'LoadbalancerIP', message: `${before.loadBalancerIP ?? ''} -> ${after.loadBalancerIP ?? ''}` };
  const [oldIps, ips] = [before.externalIPs ?? [], after.externalIPs ?? []];
  if (oldIps.length !== ips.length) return { reason: 'ExternalIP', message: `Count: ${oldIps.length} -> ${ips.length}` };
  const added = ips.find((ip, i) => ip !== oldIps[i]);
  if (added) return { reason: 'ExternalIP', message: `Added: ${added}` };
  if (old.metadata?.uid !== now.metadata?.uid) return { reason: 'UID', message: `${old.metadata?.uid ?? ''} -> ${now.metadata?.uid ?? ''}` };
  if (before.externalTrafficPolicy !== after.externalTrafficPolicy) return { reason: 'ExternalTrafficPolicy', message: `${before.externalTrafficPolicy ?? ''} -> ${after.externalTrafficPolicy ?? ''}` };
  const [oldPort, port] = [before.healthCheckNodePort ?? 0, after.healthCheckNodePort ?? 0];
  return oldPort !== port ? { reason: 'HealthCheckNodePort', message: `${oldPort} -> ${port}` } : undefined;
}
