import { EndpointSlices, Services } from '@orrery/api';
import { notFound, serviceUnavailable } from '@orrery/errors';
import type { PluginContext } from './pipeline/index.ts';

/** Where to connect. */
export interface ServiceEndpoint {
  readonly host: string;
  readonly port: number;
  /** In the cluster's network; false: a name outside, which this machine resolves and reaches. */
  readonly inCluster: boolean;
}

/**
 * A ready endpoint of the service, as whatever forwards the service's address would choose. Throws 404 without the service, 503
 * without the port or an endpoint, in upstream's words.
 */
export function readyEndpoint(ref: { readonly namespace: string; readonly name: string; readonly port: number }, { read, env }: Pick<PluginContext, 'read' | 'env'>): ServiceEndpoint {
  const { namespace, name } = ref;
  const service = read.get(Services, { namespace, name });
  if (!service) throw notFound({ group: '', resource: 'service', name });
  if (service.spec?.type === 'ExternalName') return { host: service.spec.externalName ?? '', port: ref.port, inCluster: false };
  const port = service.spec?.ports?.find((one) => one.port === ref.port);
  if (!port) throw serviceUnavailable(`no service port ${ref.port} found for service ${JSON.stringify(name)}`);
  const slices = read.list(EndpointSlices, namespace).filter((slice) => slice.metadata?.labels?.['kubernetes.io/service-name'] === name);
  const ready = slices.flatMap((slice) => {
    const number = slice.ports?.find((one) => (one.name ?? '') === (port.name ?? ''))?.port;
    return (slice.endpoints ?? []).flatMap(({ conditions, addresses }) => (number && conditions?.ready !== false && addresses?.[0] ? [{ host: addresses[0], port: number }] : []));
  });
  if (!ready.length) throw serviceUnavailable(`no endpoints available for service ${JSON.stringify(name)}`);
  return { ...(ready[env.random.int(ready.length)] as { host: string; port: number }), inCluster: true };
}
