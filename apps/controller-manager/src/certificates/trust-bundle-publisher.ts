import { ClusterTrustBundles } from '@orrery/api';
import type { CertificatesV1beta1ClusterTrustBundle as ClusterTrustBundle } from '@orrery/api/types';
import { type AnyController, type ControllerContext, defineController, watch } from '@orrery/controller';
import { isNotFound } from '@orrery/errors';
import { observedSync } from '../publisher-metrics.ts';

const signerName = 'kubernetes.io/kube-apiserver-serving';
const hashBytes = 12;
const theKey = 'bundle';
const told = { name: 'clustertrustbundle_publisher', total: 'Number of syncs that occurred in cluster trust bundle publisher.', seconds: 'The time it took to sync a cluster trust bundle.' };

/** A bundle is named after its signer and its content, so that another one is another object. */
async function nameOf(trustBundle: string): Promise<string> {
  const hash = Buffer.from(await crypto.subtle.digest('SHA-256', Buffer.from(trustBundle)));
  return `${signerName.replaceAll('/', ':')}:${hash.toString('hex', 0, hashBytes)}`;
}

interface Plan {
  /** To be created or, with a resourceVersion, to be updated. */
  readonly write?: ClusterTrustBundle;
  /** Names of bundles that were the signer's once. */
  readonly remove: readonly string[];
}

/** What it takes that `trustBundle` is the only bundle of the signer. */
export function planBundles(bundles: Iterable<ClusterTrustBundle>, { name, trustBundle }: { readonly name: string; readonly trustBundle: string }): Plan {
  const own = [...bundles].filter(({ spec }) => spec?.signerName === signerName);
  const found = own.find(({ metadata }) => metadata?.name === name);
  const remove = own.flatMap(({ metadata }) => (metadata?.name && metadata.name !== name ? [metadata.name] : []));
  if (found?.spec?.trustBundle === trustBundle) return { remove };
  return { write: { ...(found ?? { metadata: { name } }), spec: { signerName, trustBundle } }, remove };
}

async function carryOut({ write, remove }: Plan, { api }: ControllerContext): Promise<void> {
  if (write) await (write.metadata?.resourceVersion ? api.update(ClusterTrustBundles, write) : api.create(ClusterTrustBundles, write));
  for (const name of remove) {
    await api.delete(ClusterTrustBundles, { name }).catch((error: unknown) => {
      if (!isNotFound(error)) throw error;
    });
  }
}

/** Publishes the CA of the API server's certificate as a ClusterTrustBundle. */
export function trustBundlePublisher(trustBundle: string): AnyController {
  return defineController({
    name: 'kube-apiserver-serving-clustertrustbundle-publisher-controller',
    queue: 'ca_cert_publisher_cluster_trust_bundles',
    account: 'kube-apiserver-serving-clustertrustbundle-publisher',
    initialKeys: [theKey],
    needs: ClusterTrustBundles,
    watches: [watch<ClusterTrustBundle>(ClusterTrustBundles, ({ object }) => (object.spec?.signerName === signerName ? [theKey] : []))],
    async reconcile(_key, context) {
      const name = await nameOf(trustBundle);
      await observedSync(context.env, told, () => carryOut(planBundles(context.store(ClusterTrustBundles).list(), { name, trustBundle }), context));
    },
  });
}
