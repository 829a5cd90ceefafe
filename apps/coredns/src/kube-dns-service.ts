import { EndpointSlices, Services } from '@orrery/api';
import type { EndpointSlice, Service } from '@orrery/api/types';
import type { ApiClient } from '@orrery/client';
import { isAlreadyExists, isNotFound } from '@orrery/errors';

const namespace = 'kube-system';
const labels = { 'k8s-app': 'kube-dns', 'kubernetes.io/cluster-service': 'true', 'kubernetes.io/name': 'CoreDNS' };

function service(clusterIP: string): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'kube-dns', namespace, labels, annotations: { 'prometheus.io/port': '9153', 'prometheus.io/scrape': 'true' } },
    spec: {
      clusterIP,
      ports: [
        { name: 'dns', port: 53, protocol: 'UDP', targetPort: 53 },
        { name: 'dns-tcp', port: 53, protocol: 'TCP', targetPort: 53 },
        { name: 'metrics', port: 9153, protocol: 'TCP', targetPort: 9153 },
      ],
    },
  };
}

function slice(name: string, address: string): EndpointSlice {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name, namespace, labels: { 'kubernetes.io/service-name': 'kube-dns', 'endpointslice.kubernetes.io/managed-by': 'coredns.orrery.dev' } },
    addressType: 'IPv4',
    endpoints: [{ addresses: [address], conditions: { ready: true, serving: true, terminating: false } }],
    ports: [
      { name: 'dns', port: 53, protocol: 'UDP' },
      { name: 'dns-tcp', port: 53, protocol: 'TCP' },
      { name: 'metrics', port: 9153, protocol: 'TCP' },
    ],
  };
}

/** Looks first: creating it again would fail for its address, which is allocated, before its name is found to exist. */
async function ensureService(api: ApiClient, serviceIp: string): Promise<void> {
  try {
    await api.get(Services, { namespace, name: 'kube-dns' });
  } catch (error) {
    if (!isNotFound(error)) throw error;
    await api.create(Services, service(serviceIp)).catch((conflict: unknown) => {
      if (!isAlreadyExists(conflict)) throw conflict;
    });
  }
}

/**
 * Makes the `kube-dns` service and this replica's own slice of it. The service has no selector: the server is not a pod,
 * so it answers for its endpoint itself.
 */
export async function publishKubeDns(api: ApiClient, options: { serviceIp: string; address: string; replica: string }): Promise<void> {
  await ensureService(api, options.serviceIp);
  const wanted = slice(`kube-dns-${options.replica}`, options.address);
  const key = { namespace, name: wanted.metadata?.name ?? '' };
  try {
    const found = await api.get(EndpointSlices, key);
    if (JSON.stringify(found.endpoints?.[0]?.addresses) !== JSON.stringify(wanted.endpoints?.[0]?.addresses)) {
      await api.update(EndpointSlices, { ...wanted, metadata: { ...wanted.metadata, resourceVersion: found.metadata?.resourceVersion ?? '' } });
    }
  } catch (error) {
    if (!isNotFound(error)) throw error;
    await api.create(EndpointSlices, wanted);
  }
}

/** Takes this replica out of the service, so that clients stop asking it. */
export async function withdrawKubeDns(api: ApiClient, replica: string): Promise<void> {
  await api.delete(EndpointSlices, { namespace, name: `kube-dns-${replica}` }).catch((error: unknown) => {
    if (!isNotFound(error)) throw error;
  });
}
