import { EndpointSlices, MutatingWebhookConfigurations, Namespaces, Pods, Services, ValidatingWebhookConfigurations } from '@orrery/api';
import { type HttpServer, ensurePki, serveHttp } from '@orrery/node-io';
import { dial } from '@orrery/node-io/dial';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createCaller } from '../src/admission/webhooks/caller.ts';
import { mutatingWebhooks, validatingWebhooks } from '../src/admission/webhooks/index.ts';
import { type TestServer, eventually, startTestServer } from './test-server.ts';

let pki: ReturnType<typeof ensurePki>;
let hooks: HttpServer;
let test: TestServer;
const urls: string[] = [];

const review = (name: string, clientConfig: object): any => ({
  name, clientConfig, sideEffects: 'None', admissionReviewVersions: ['v1'],
  rules: [{ operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['pods'] }],
});
const pod = (name: string): any => ({ metadata: { name, namespace: 'hooked' }, spec: { containers: [{ name: 'c', image: 'i' }] } });

beforeAll(async () => {
  pki = ensurePki(undefined);
  const { cert, key } = pki.servingCert('hook', { subject: { commonName: 'hook' }, altNames: { dnsNames: ['hook.hooked.svc'], ipAddresses: ['127.0.0.1'] } });
  hooks = await serveHttp({
    host: '127.0.0.1', port: 0, tls: { cert, key },
    handler: {
      async request(request, response) {
        urls.push(request.url);
        const { request: asked } = JSON.parse((await request.body(1e6)).toString()) as any;
        const patch = Buffer.from(JSON.stringify([{ op: 'add', path: '/metadata/labels', value: { hooked: asked.userInfo.username } }])).toString('base64');
        const verdict = request.url.startsWith('/mutate') ? { allowed: true, patchType: 'JSONPatch', patch } : { allowed: asked.object.metadata.name !== 'bad', status: { message: `saw ${asked.object.metadata.labels.hooked}`, code: 403 } };
        response.send(200, { 'content-type': 'application/json' }, JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response: { uid: asked.uid, ...verdict } }));
      },
    },
  });
  test = await startTestServer({}, {
    plugins: [(context) => ({ admission: [mutatingWebhooks(context, createCaller(context)), validatingWebhooks(context, createCaller(context))] })],
    // The cluster's network leads to the one server there is.
    clusterNet: { dial: ({ ip, port }) => (ip === '10.244.0.9' && port === 8443 ? dial({ host: '127.0.0.1', port: hooks.port }) : Promise.reject(new Error(`no route to ${ip}`))) },
  });
  await test.api.create(Namespaces, { metadata: { name: 'hooked' } });
});

afterAll(async () => {
  await test.stop();
  await hooks.close();
});

describe('admission webhooks over HTTPS', () => {
  it('calls a URL and a service with a certificate of the bundle', async () => {
    const caBundle = Buffer.from(pki.caCert).toString('base64');
    await test.api.create(Services, { metadata: { name: 'hook', namespace: 'hooked' }, spec: { ports: [{ port: 443 }] } });
    await test.api.create(EndpointSlices, {
      metadata: { name: 'hook-1', namespace: 'hooked', labels: { 'kubernetes.io/service-name': 'hook' } },
      addressType: 'IPv4', ports: [{ name: '', port: 8443 }], endpoints: [{ addresses: ['10.244.0.9'], conditions: { ready: true } }],
    });
    await test.api.create(MutatingWebhookConfigurations, { metadata: { name: 'm' }, webhooks: [review('m.example.com', { url: `https://127.0.0.1:${hooks.port}/mutate`, caBundle })] });
    await test.api.create(ValidatingWebhookConfigurations, { metadata: { name: 'v' }, webhooks: [review('v.example.com', { service: { namespace: 'hooked', name: 'hook', path: '/validate' }, caBundle })] });
    const made = await eventuallyCreated('good');
    expect(made.metadata?.labels).toEqual({ hooked: 'admin' });
    expect(urls.slice(-2)).toEqual(['/mutate?timeout=10s', '/validate?timeout=10s']);
    await expect(test.api.create(Pods, pod('bad'))).rejects.toMatchObject({ code: 403, message: 'admission webhook "v.example.com" denied the request: saw admin' });
  });

  it('fails closed when the certificate is not of the bundle', async () => {
    const other = Buffer.from(ensurePki(undefined).caCert).toString('base64');
    await test.api.create(ValidatingWebhookConfigurations, { metadata: { name: 'w' }, webhooks: [review('w.example.com', { url: `https://127.0.0.1:${hooks.port}/validate`, caBundle: other })] });
    await eventually(() => test.api.create(Pods, { ...pod('x'), metadata: { generateName: 'x-', namespace: 'hooked' } }).then(() => false, () => true));
    await expect(test.api.create(Pods, pod('closed'))).rejects.toMatchObject({ code: 500, message: expect.stringContaining(`Internal error occurred: failed calling webhook "w.example.com": failed to call webhook: Post "https://127.0.0.1:${hooks.port}/validate?timeout=10s": tls: failed to verify certificate: x509: certificate signed by unknown authority`) });
  });
});

describe('a webhook that nobody serves', () => {
  it('fails closed, and the server goes on', async () => {
    const gone = await serveHttp({ host: '127.0.0.1', port: 0, handler: { request: () => undefined } });
    await gone.close();
    const hook = { ...review('gone.example.com', { url: `https://127.0.0.1:${gone.port}/` }), rules: [{ operations: ['*'], apiGroups: [''], apiVersions: ['v1'], resources: ['namespaces'] }] };
    await test.api.create(MutatingWebhookConfigurations, { metadata: { name: 'gone' }, webhooks: [hook] });
    await eventually(() => test.api.create(Namespaces, { metadata: { generateName: 'x-' } }).then(() => false, () => true));
    const message = `Internal error occurred: failed calling webhook "gone.example.com": failed to call webhook: Post "https://127.0.0.1:${gone.port}/?timeout=10s": dial tcp 127.0.0.1:${gone.port}: connect: connection refused`;
    await expect(test.api.create(Namespaces, { metadata: { name: 'y' } })).rejects.toMatchObject({ code: 500, message });
  });
});

/** The configuration arrives with the cache. */
async function eventuallyCreated(name: string): Promise<any> {
  let i = 0;
  let made: any;
  await eventually(async () => {
    made = await test.api.create(Pods, pod(`${name}-${i++}`));
    return made.metadata?.labels !== undefined && (urls.at(-1) ?? '').startsWith('/validate');
  });
  return made;
}
