import { stringify } from 'yaml';

export interface KubeconfigOptions {
  /** `https://127.0.0.1:6443` */
  readonly server: string;
  readonly caCert: string;
  /** Names the cluster and context. */
  readonly cluster?: string;
  readonly user: string;
  readonly namespace?: string;
  /** PEM client certificate and key, or a bearer token. */
  readonly credentials: { readonly cert: string; readonly key: string } | { readonly token: string };
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');

/** The text of a kubeconfig with one cluster, one user, one context, all embedded. */
export function kubeconfigText(options: KubeconfigOptions): string {
  const { server, caCert, cluster = 'orrery', user, namespace, credentials } = options;
  const context = `${user}@${cluster}`;
  const auth = 'token' in credentials ? { token: credentials.token } : { 'client-certificate-data': base64(credentials.cert), 'client-key-data': base64(credentials.key) };
  return stringify(
    {
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': context,
      clusters: [{ name: cluster, cluster: { 'certificate-authority-data': base64(caCert), server } }],
      contexts: [{ name: context, context: { cluster, user, ...(namespace ? { namespace } : {}) } }],
      users: [{ name: user, user: auth }],
    },
    { lineWidth: 0 },
  );
}
