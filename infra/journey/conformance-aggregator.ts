import { ensurePki } from '@orrery/node-io';
import type { Kubectl } from '@orrery/testkit';
import { expect } from 'vitest';
import { apply } from './conformance-pods.ts';

const namespace = 'wardle';
const path = '/apis/wardle.example.com/v1alpha1/namespaces/default/flunders';
const certs = '/apiserver.local.config/certificates';

function deployment(): Readonly<Record<string, unknown>> {
  const labels = { app: 'sample-apiserver', apiserver: 'true' };
  const server = {
    name: 'sample-apiserver',
    image: 'registry.k8s.io/e2e-test-images/sample-apiserver:1.33.8',
    args: ['--etcd-servers=http://127.0.0.1:2379', `--tls-cert-file=${certs}/tls.crt`, `--tls-private-key-file=${certs}/tls.key`, '--audit-log-path=-', '--audit-log-maxage=0', '--audit-log-maxbackup=0'],
    volumeMounts: [{ name: 'apiserver-certs', readOnly: true, mountPath: certs }],
    readinessProbe: { httpGet: { scheme: 'HTTPS', port: 443, path: '/readyz' }, periodSeconds: 1 },
  };
  const etcd = { name: 'etcd', image: 'registry.k8s.io/etcd:3.6.6-0', command: ['/usr/local/bin/etcd', '--listen-client-urls', 'http://127.0.0.1:2379', '--advertise-client-urls', 'http://127.0.0.1:2379'] };
  const spec = { terminationGracePeriodSeconds: 0, containers: [server, etcd], volumes: [{ name: 'apiserver-certs', secret: { secretName: 'sample-apiserver-secret' } }] };
  return { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'sample-apiserver', namespace, labels }, spec: { replicas: 1, selector: { matchLabels: labels }, template: { metadata: { labels }, spec } } };
}

const rbac = 'rbac.authorization.k8s.io';
const subjects = [{ kind: 'ServiceAccount', name: 'default', namespace }];
const bindings = [
  { apiVersion: `${rbac}/v1`, kind: 'ClusterRoleBinding', metadata: { name: 'wardler-auth-delegator' }, roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: 'system:auth-delegator' }, subjects },
  { apiVersion: `${rbac}/v1`, kind: 'RoleBinding', metadata: { name: 'wardler-auth-reader', namespace: 'kube-system' }, roleRef: { apiGroup: rbac, kind: 'Role', name: 'extension-apiserver-authentication-reader' }, subjects },
];

/** The sample API server of upstream's suite behind the aggregator: its objects are made, listed, watched and deleted as any others. */
export async function sampleApiserver(kubectl: Kubectl): Promise<void> {
  const pki = ensurePki(undefined);
  const host = `sample-api.${namespace}.svc`;
  const { cert, key } = pki.servingCert('sample-api', { subject: { commonName: host }, altNames: { dnsNames: [host] } });
  const name = 'v1alpha1.wardle.example.com';
  await apply(
    kubectl,
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
    { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'sample-apiserver-secret', namespace }, stringData: { 'tls.crt': cert, 'tls.key': key } },
    ...bindings,
    deployment(),
    { apiVersion: 'v1', kind: 'Service', metadata: { name: 'sample-api', namespace }, spec: { selector: { apiserver: 'true' }, ports: [{ port: 7443, targetPort: 443 }] } },
    { apiVersion: 'apiregistration.k8s.io/v1', kind: 'APIService', metadata: { name }, spec: { group: 'wardle.example.com', version: 'v1alpha1', groupPriorityMinimum: 2000, versionPriority: 200, caBundle: Buffer.from(pki.caCert).toString('base64'), service: { namespace, name: 'sample-api', port: 7443 } } },
  );
  await kubectl.ok(['wait', '--for=condition=Available', '--timeout=90s', `apiservice/${name}`], { timeoutMs: 100_000 });
  const flunder = { apiVersion: 'wardle.example.com/v1alpha1', kind: 'Flunder', metadata: { name: 'rest-flunder', namespace: 'default', labels: { 'sample-label': 'true' } } };
  const made = await kubectl.ok(['create', '--raw', path, '-f', '-'], { input: JSON.stringify(flunder) });
  expect(JSON.parse(made)).toMatchObject({ kind: 'Flunder', metadata: { name: 'rest-flunder', namespace: 'default' } });
  expect(JSON.parse(await kubectl.ok(['get', '--raw', path]))).toMatchObject({ kind: 'FlunderList', items: [{ metadata: { name: 'rest-flunder' } }] });
  await kubectl.ok(['wait', '--for=jsonpath={.metadata.labels.sample-label}=true', '--timeout=60s', 'flunders/rest-flunder']);
  expect(await kubectl.ok(['get', 'flunders'])).toMatch(/^NAME\s+CREATED AT\nrest-flunder\s+20/);
  expect((await kubectl.run(['get', 'flunders', '--as=jane'])).stderr).toContain('flunders.wardle.example.com is forbidden: User "jane" cannot list resource "flunders"');
  await kubectl.ok(['delete', 'flunder', 'rest-flunder']);
  expect(JSON.parse(await kubectl.ok(['get', '--raw', path]))).toMatchObject({ items: [] });
  await kubectl.ok(['delete', 'apiservice', name]);
}
