import type { ApiClient } from '@orrery/client';
import { type AltNames, type CertificateStore, type ClusterAccess, createCsr, generateKey } from '@orrery/node-io';
import type { Env } from '@orrery/runtime';
import { CertificateManager } from './certificate-manager.ts';
import { type SwitchingApi, switchingApi } from './switching-api.ts';

const organizations = ['system:nodes'];

function draft(nodeName: string, altNames?: AltNames): { key: string; request: string } {
  const { key } = generateKey();
  return { key, request: createCsr({ subject: { commonName: `system:node:${nodeName}`, organizations }, key, ...(altNames ? { altNames } : {}) }) };
}

export interface ClientIdentityOptions {
  readonly nodeName: string;
  readonly store: CertificateStore;
  /** By the bootstrap kubeconfig: who may ask for a node's certificate, but is none. */
  readonly bootstrap: () => ApiClient;
  /** By a certificate of the node itself. */
  readonly connect: (identity: Pick<ClusterAccess, 'cert' | 'key'>) => ApiClient;
  /** Renew the certificate in time. */
  readonly rotate: boolean;
  readonly signal?: AbortSignal;
}

/** The node's own client of the API server, with a certificate that it asks for when it has none and renews while it lives. */
export async function joinCluster(env: Env, options: ClientIdentityOptions): Promise<{ api: ApiClient; stop: () => void }> {
  const { nodeName, store, connect } = options;
  let asking: ApiClient | undefined;
  const own: { api?: SwitchingApi } = {};
  const certificates = new CertificateManager(env, {
    api: () => own.api ?? (asking ??= options.bootstrap()),
    store,
    signerName: 'kubernetes.io/kube-apiserver-client-kubelet',
    usages: ['digital signature', 'client auth'],
    draft: () => draft(nodeName),
    changed: (renewed) => void own.api?.replace(connect(renewed)),
  });
  const first = await certificates.obtain(options.signal);
  await asking?.close();
  const api = switchingApi(connect(first));
  own.api = api;
  if (options.rotate) certificates.start();
  return { api, stop: () => certificates.stop() };
}

export interface ServingIdentityOptions {
  readonly nodeName: string;
  readonly altNames: AltNames;
  readonly store: CertificateStore;
  readonly api: ApiClient;
  readonly changed: (pair: { cert: string; key: string }) => void;
}

/** The kubelet's serving certificate: asked for, and renewed in time. Somebody has to approve such requests. */
export function servingCertificates(env: Env, { nodeName, altNames, store, api, changed }: ServingIdentityOptions): CertificateManager {
  return new CertificateManager(env, { api: () => api, store, signerName: 'kubernetes.io/kubelet-serving', usages: ['digital signature', 'server auth'], draft: () => draft(nodeName, altNames), changed });
}
