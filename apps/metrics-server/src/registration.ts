import { APIServices, Services } from '@orrery/api';
import type { APIService, Service } from '@orrery/api/types';
import type { KubeObject, ResourceRef } from '@orrery/apimachinery';
import { type ApiClient, deepEqual } from '@orrery/client';
import { isAlreadyExists, isNotFound } from '@orrery/errors';

const namespace = 'kube-system';
const name = 'metrics-server';
/** What a serving certificate must hold. */
export const serviceDnsName = `${name}.${namespace}.svc`;
const labels = { 'k8s-app': name };

export interface Place {
  readonly host: string;
  readonly port: number;
  /** PEM; empty: the API server takes any certificate, as upstream's manifest has it. */
  readonly ca: string;
}

type Specified = KubeObject & { spec?: unknown };

/** Makes an object, or gives it this spec. */
async function ensure<T extends Specified>(api: ApiClient, resource: ResourceRef<T>, wanted: T): Promise<void> {
  const { name: own = '', namespace: within } = wanted.metadata ?? {};
  const key = { name: own, ...(within ? { namespace: within } : {}) };
  try {
    const found = await api.get(resource, key);
    const spec = { ...(found.spec as object), ...(wanted.spec as object) };
    if (!deepEqual(found.spec, spec)) await api.update(resource, { ...found, spec });
  } catch (error) {
    if (!isNotFound(error)) throw error;
    await api.create(resource, wanted).catch((failure: unknown) => {
      if (!isAlreadyExists(failure)) throw failure;
    });
  }
}

/** Tells the API server where `metrics.k8s.io` is served: a Service that leads out of the cluster, for this server is no Pod. */
export async function register(api: ApiClient, { host, port, ca }: Place): Promise<void> {
  const service: Service = { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace, labels }, spec: { type: 'ExternalName', externalName: host, ports: [{ name: 'https', port, protocol: 'TCP' }] } };
  const trust = ca ? { caBundle: Buffer.from(ca).toString('base64'), insecureSkipTLSVerify: false } : { insecureSkipTLSVerify: true };
  const apiService: APIService = {
    apiVersion: 'apiregistration.k8s.io/v1',
    kind: 'APIService',
    metadata: { name: 'v1beta1.metrics.k8s.io', labels },
    spec: { group: 'metrics.k8s.io', version: 'v1beta1', groupPriorityMinimum: 100, versionPriority: 100, service: { namespace, name, port }, ...trust },
  };
  await ensure(api, Services, service);
  await ensure(api, APIServices, apiService);
}
