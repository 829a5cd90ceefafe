import type { EndpointSlice, IngressBackend, Secret, Service } from '@orrery/api/types';
import type { Endpoint } from '@orrery/vnet';

/** What a table looks up. */
export interface Backends {
  service(namespace: string, name: string): Service | undefined;
  slices(namespace: string, service: string): readonly EndpointSlice[];
  secret(namespace: string, name: string): Secret | undefined;
  configMap(namespace: string, name: string): Readonly<Record<string, string>> | undefined;
}

/** A port of a Service that requests are sent to. */
export interface Backend {
  readonly namespace: string;
  readonly service: string;
  /** Name or number. */
  readonly port: string;
}

export function backendOf(namespace: string, { service }: IngressBackend): Backend {
  return { namespace, service: service?.name ?? '', port: service?.port?.name ?? String(service?.port?.number ?? '') };
}

/** ingress-nginx's name of it. */
export function upstreamName({ namespace, service, port }: Backend): string {
  return `${namespace}-${service}-${port}`;
}

const forward = (endpoint: NonNullable<EndpointSlice['endpoints']>[number]): boolean => endpoint.conditions?.ready !== false;

/** Where requests may go now, without order. An ExternalName Service is no address of the cluster and has none here. */
export function endpointsOf(backends: Backends, { namespace, service: name, port }: Backend, serviceUpstream: boolean): Endpoint[] {
  const service = backends.service(namespace, name);
  const servicePort = service?.spec?.ports?.find((p) => p.name === port || String(p.port) === port);
  if (!service || !servicePort) return [];
  const ip = service.spec?.clusterIP;
  if (serviceUpstream && ip && ip !== 'None') return [{ ip, port: servicePort.port }];
  return backends.slices(namespace, name).flatMap((slice) => {
    const target = slice.ports?.find((p) => (p.name ?? '') === (servicePort.name ?? ''))?.port;
    if (target === undefined) return [];
    return (slice.endpoints ?? []).filter(forward).map((e) => ({ ip: e.addresses[0] ?? '', port: target }));
  });
}
