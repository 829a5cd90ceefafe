import { type Server, createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { ensurePki } from '@orrery/node-io';
import { eventually } from '@orrery/testkit';
import { expect } from 'vitest';
import type { Transcript } from './transcript.ts';

const version = 'metrics.k8s.io/v1beta1';
const path = `/apis/${version}`;
const window = { timestamp: '2026-01-01T00:00:00Z', window: '10s' };
const resource = (name: string, kind: string, namespaced: boolean) => ({ name, singularName: '', namespaced, kind, verbs: ['get', 'list'] });

/** What a metrics server would say of one node and one pod. */
function answers(namespace: string): Readonly<Record<string, object>> {
  const pod = { metadata: { name: 'busy', namespace }, ...window, containers: [{ name: 'a', usage: { cpu: '120m', memory: '64Mi' } }, { name: 'b', usage: { cpu: '30m', memory: '1Mi' } }] };
  return {
    [path]: { kind: 'APIResourceList', apiVersion: 'v1', groupVersion: version, resources: [resource('nodes', 'NodeMetrics', false), resource('pods', 'PodMetrics', true)] },
    [`${path}/nodes`]: { kind: 'NodeMetricsList', apiVersion: version, metadata: {}, items: [{ metadata: { name: 'node-1' }, ...window, usage: { cpu: '250m', memory: '512Mi' } }] },
    [`${path}/namespaces/${namespace}/pods`]: { kind: 'PodMetricsList', apiVersion: version, metadata: {}, items: [pod] },
    [`${path}/namespaces/${namespace}/pods/busy`]: { kind: 'PodMetrics', apiVersion: version, ...pod },
  };
}

async function serve(namespace: string, pair: { cert: string; key: string }): Promise<Server> {
  const known = answers(namespace);
  const server = createServer(pair, (request, response) => {
    const found = known[(request.url ?? '').split('?')[0] ?? ''];
    response.writeHead(found ? 200 : 404, { 'content-type': 'application/json' });
    response.end(JSON.stringify(found ?? { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', reason: 'NotFound', code: 404 }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

/** `kubectl top` while another server has the metrics API: aggregated, discovered, printed. */
export async function tops({ kubectl, namespace }: Transcript): Promise<void> {
  const pki = ensurePki(undefined);
  const server = await serve(namespace, pki.servingCert('metrics', { subject: { commonName: 'metrics' }, altNames: { dnsNames: [`metrics.${namespace}.svc`] } }));
  const service = { namespace, name: 'metrics', port: (server.address() as AddressInfo).port };
  const objects = [
    { apiVersion: 'v1', kind: 'Service', metadata: { name: 'metrics', namespace }, spec: { type: 'ExternalName', externalName: 'localhost' } },
    { apiVersion: 'apiregistration.k8s.io/v1', kind: 'APIService', metadata: { name: 'v1beta1.metrics.k8s.io' }, spec: { group: 'metrics.k8s.io', version: 'v1beta1', groupPriorityMinimum: 100, versionPriority: 100, caBundle: Buffer.from(pki.caCert).toString('base64'), service } },
  ];
  try {
    await kubectl.ok(['create', '-f', '-'], { input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }) });
    await kubectl.ok(['wait', '--for=condition=Available', 'apiservice/v1beta1.metrics.k8s.io', '--timeout=30s']);
    const top = (...args: string[]): Promise<string> => kubectl.ok(['-n', namespace, 'top', ...args]);
    // Discovery of kubectl is cached for a while: the first may still say that there is no such API.
    expect(await eventually(() => top('pods'), { what: 'metrics of pods' })).toMatch(/^NAME {3}CPU\(cores\) {3}MEMORY\(bytes\) {3}\nbusy {3}150m {9}65Mi {12}\n$/);
    expect(await top('pod', 'busy', '--containers', '--no-headers')).toMatch(/^busy +a +120m +64Mi +\nbusy +b +30m +1Mi +\n$/);
    expect(await top('nodes')).toMatch(/^NAME +CPU\(cores\) +CPU[(%]+\)? +MEMORY\(bytes\) +MEMORY[(%]+\)? +\nnode-1 +250m +\d+% +512Mi +\d+% +\n/);
    expect(await top('pods', '--sort-by=memory', '--sum')).toMatch(/busy +150m +65Mi[\s\S]*\n +_+ +_+ +\n +150m +65Mi +\n$/);
    const none = await kubectl.run(['-n', namespace, 'top', 'pod', 'nope']);
    expect([none.code, none.stderr]).toEqual([1, expect.stringContaining('NotFound')]);
  } finally {
    await kubectl.run(['delete', 'apiservice/v1beta1.metrics.k8s.io', '--ignore-not-found']);
    server.closeAllConnections();
    server.close();
  }
}
