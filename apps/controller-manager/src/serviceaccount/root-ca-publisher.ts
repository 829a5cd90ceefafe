import { ConfigMaps, Namespaces } from '@orrery/api';
import type { ConfigMap, Namespace } from '@orrery/api/types';
import { type AnyController, defineController, watch } from '@orrery/controller';
import { isAlreadyExists } from '@orrery/errors';
import { isNamespaceTerminating } from '../pods/pod-control.ts';
import { observedSync } from '../publisher-metrics.ts';

const name = 'kube-root-ca.crt';
const description =
  'Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.';

const told = { name: 'root_ca_cert_publisher', total: 'Number of namespace syncs happened in root ca cert publisher.', seconds: 'Duration of namespace syncs happened in root ca cert publisher.' };

/** The ConfigMap to write, if the namespace lacks it or holds another one. */
export function plan(observed: { namespace: Namespace | undefined; existing: ConfigMap | undefined; rootCaPem: string }): ConfigMap | undefined {
  const { namespace, existing, rootCaPem } = observed;
  if (!namespace || namespace.metadata?.deletionTimestamp || namespace.status?.phase === 'Terminating') return undefined;
  const annotations = { ...existing?.metadata?.annotations, 'kubernetes.io/description': description };
  const data = { 'ca.crt': rootCaPem };
  if (!existing) return { metadata: { name, namespace: namespace.metadata?.name ?? '', annotations }, data };
  const same = Object.keys(existing.data ?? {}).length === 1 && existing.data?.['ca.crt'] === rootCaPem && existing.metadata?.annotations?.['kubernetes.io/description'];
  return same ? undefined : { ...existing, metadata: { ...existing.metadata, annotations }, data };
}

/** Keeps `kube-root-ca.crt`, the certificate that pods verify the API server with, in every namespace. */
export function rootCaPublisher(rootCaPem: string): AnyController {
  return defineController<Namespace>({
    name: 'root-ca-certificate-publisher-controller',
    queue: 'root_ca_cert_publisher',
    account: 'root-ca-cert-publisher',
    for: Namespaces,
    watches: [watch(ConfigMaps, ({ object }) => (object.metadata?.name === name ? [object.metadata.namespace ?? ''] : []))],
    async reconcile(key, { api, env, store }) {
      const existing = store(ConfigMaps).get(`${key}/${name}`);
      const wanted = plan({ namespace: store(Namespaces).get(key), existing, rootCaPem });
      if (!wanted) return;
      try {
        await observedSync(env, told, () => (existing ? api.update(ConfigMaps, wanted) : api.create(ConfigMaps, wanted)));
      } catch (error) {
        if (!isAlreadyExists(error) && !isNamespaceTerminating(error)) throw error;
      }
    },
  });
}
