import { ensurePki } from '@orrery/node-io';
import { type Kubectl, eventually } from '@orrery/testkit';
import { expect } from 'vitest';
import { apply, pod, ready, tester } from './conformance-pods.ts';

const port = 8444;

/** A server of agnhost behind a service, with a certificate for the service's name. Returns how it is named in configurations. */
async function serve(kubectl: Kubectl, name: string, command: readonly string[]): Promise<(path: string) => object> {
  const pki = ensurePki(undefined);
  const host = `${name}.default.svc`;
  const { cert, key } = pki.servingCert(name, { subject: { commonName: host }, altNames: { dnsNames: [host] } });
  const files = ['--tls-cert-file=/cert/tls.crt', '--tls-private-key-file=/cert/tls.key'];
  await apply(
    kubectl,
    { apiVersion: 'v1', kind: 'Secret', metadata: { name }, type: 'kubernetes.io/tls', stringData: { 'tls.crt': cert, 'tls.key': key } },
    { apiVersion: 'v1', kind: 'Service', metadata: { name }, spec: { selector: { test: name }, ports: [{ port: 443, targetPort: port }] } },
    pod(name, [{ ...tester(...command, `--port=${port}`, ...files), volumeMounts: [{ name: 'cert', mountPath: '/cert' }], readinessProbe: { httpGet: { scheme: 'HTTPS', port, path: '/readyz' }, periodSeconds: 1 } }], { restartPolicy: 'Always', volumes: [{ name: 'cert', secret: { secretName: name } }] }),
  );
  await ready(kubectl, name);
  return (path) => ({ service: { namespace: 'default', name, path, port: 443 }, caBundle: Buffer.from(pki.caCert).toString('base64') });
}

const rule = (resource: string, ...operations: string[]) => ({ operations, apiGroups: [''], apiVersions: ['v1'], resources: [resource] });
const selector = { namespaceSelector: { matchLabels: { hooked: 'yes' } } };

interface Hook {
  readonly name: string;
  readonly clientConfig: object;
  readonly rules: readonly object[];
  readonly timeoutSeconds?: number;
}

const configuration = (kind: string, name: string, hooks: readonly Hook[]): Readonly<Record<string, unknown>> => ({
  apiVersion: 'admissionregistration.k8s.io/v1',
  kind,
  metadata: { name },
  webhooks: hooks.map((hook) => ({ admissionReviewVersions: ['v1', 'v1beta1'], sideEffects: 'None', timeoutSeconds: 10, ...selector, ...hook })),
});

const map = (name: string, data: object) => JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'hooked' }, data });

/** agnhost's webhooks deny, change, hang and are given up on, as the API server's tests want it. */
export async function admission(kubectl: Kubectl): Promise<void> {
  const at = await serve(kubectl, 'e2e-test-webhook', ['webhook']);
  await apply(kubectl, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'hooked', labels: { hooked: 'yes' } } });
  await apply(
    kubectl,
    configuration('ValidatingWebhookConfiguration', 'deny', [
      { name: 'deny-maps.k8s.io', clientConfig: at('/configmaps'), rules: [rule('configmaps', 'CREATE', 'UPDATE', 'DELETE')] },
      { name: 'deny-pods.k8s.io', clientConfig: at('/pods'), rules: [rule('pods', 'CREATE')], timeoutSeconds: 2 },
    ]),
    configuration('MutatingWebhookConfiguration', 'change', [
      { name: 'stage-1.k8s.io', clientConfig: at('/mutating-configmaps'), rules: [rule('configmaps', 'CREATE')] },
      { name: 'stage-2.k8s.io', clientConfig: at('/mutating-configmaps'), rules: [rule('configmaps', 'CREATE')] },
      { name: 'init.k8s.io', clientConfig: at('/mutating-pods'), rules: [rule('pods', 'CREATE')] },
    ]),
  );
  const create = (input: string) => kubectl.run(['create', '-f', '-', '-o', 'json'], { input });
  await eventually(async () => (await create(map('denied', { 'webhook-e2e-test': 'webhook-disallow' }))).stderr.includes('denied the request: the configmap contains unwanted key and value'), { what: 'the webhook denies', withinMs: 60_000, everyMs: 250 });
  expect(JSON.parse((await create(map('changed', { 'mutation-start': 'yes' }))).stdout)).toMatchObject({ data: { 'mutation-start': 'yes', 'mutation-stage-1': 'yes', 'mutation-stage-2': 'yes' } });
  const hooked = (name: string, labels: object) => JSON.stringify({ ...pod(name, [{ image: 'registry.k8s.io/pause:3.10' }]), metadata: { name, namespace: 'hooked', labels } });
  expect((await create(hooked('disallowed-pod', { 'webhook-e2e-test': 'webhook-disallow' }))).stderr).toContain('the pod contains unwanted label');
  expect((await create(hooked('hanging-pod', { 'webhook-e2e-test': 'wait-forever' }))).stderr).toMatch(/context deadline exceeded|timeout/i);
  expect(JSON.parse((await create(hooked('webhook-to-be-mutated', {}))).stdout)).toMatchObject({ spec: { initContainers: [{ name: 'webhook-added-init-container', image: 'webhook-added-image', terminationMessagePolicy: 'File' }] } });
  await kubectl.ok(['delete', 'validatingwebhookconfigurations/deny', 'mutatingwebhookconfigurations/change']);
}

/** A definition with two versions between which agnhost converts. */
export async function conversion(kubectl: Kubectl): Promise<void> {
  const at = await serve(kubectl, 'e2e-test-crd-conversion-webhook', ['crd-conversion-webhook']);
  const text = { type: 'string' };
  const version = (name: string, storage: boolean, properties: object) => ({ name, served: true, storage, schema: { openAPIV3Schema: { type: 'object', properties } } });
  await apply(kubectl, {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'hostports.stable.example.com' },
    spec: {
      group: 'stable.example.com', scope: 'Namespaced', names: { plural: 'hostports', singular: 'hostport', kind: 'HostPort' },
      versions: [version('v1', true, { hostPort: text }), version('v2', false, { host: text, port: text })],
      conversion: { strategy: 'Webhook', webhook: { clientConfig: at('/crdconvert'), conversionReviewVersions: ['v1', 'v1beta1'] } },
    },
  });
  await kubectl.ok(['wait', '--for=condition=Established', '--timeout=60s', 'crd/hostports.stable.example.com']);
  const one = { apiVersion: 'stable.example.com/v1', kind: 'HostPort', metadata: { name: 'one' }, hostPort: 'local:1234' };
  await eventually(async () => (await kubectl.run(['apply', '-f', '-'], { input: JSON.stringify(one) })).code === 0, { what: 'the resource is served', withinMs: 60_000, everyMs: 250 });
  const get = async (v: string) => JSON.parse(await kubectl.ok(['get', '--raw', `/apis/stable.example.com/${v}/namespaces/default/hostports/one`])) as object;
  expect([await get('v2'), await get('v1')]).toMatchObject([{ apiVersion: 'stable.example.com/v2', host: 'local', port: '1234' }, { apiVersion: 'stable.example.com/v1', hostPort: 'local:1234' }]);
}
