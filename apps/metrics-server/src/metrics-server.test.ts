import { APIServices, ConfigMaps, Nodes, Pods, Services } from '@orrery/api';
import type { SubjectAccessReview } from '@orrery/api/types';
import type { KubeObject } from '@orrery/apimachinery';
import type { ApiClient } from '@orrery/client';
import { createFakeApi } from '@orrery/client/testing';
import type { HttpHandler, HttpHeaders, HttpRequest, PeerCertificate } from '@orrery/node-io/http-server';
import { VirtualClock, createLogger, createMetrics, resolveConfig, seededRandom } from '@orrery/runtime';
import { expect, it } from 'vitest';
import { type MetricsServer, createMetricsServer, metricsServerSchema } from './component.ts';
import { frontProxy } from './testing/front-proxy.ts';

/** The API server's proxy, and the one that comes after it. */
const proxies = [frontProxy(), frontProxy()] as const;
const published = { namespace: 'kube-system', name: 'extension-apiserver-authentication' };
const root = '/apis/metrics.k8s.io/v1beta1';

/** A metrics server over an API in memory, kubelets that use half a core a pod, and the API server's proxy. */
class World {
  readonly clock = new VirtualClock();
  readonly complaints: string[] = [];
  readonly env = { clock: this.clock, random: seededRandom(1), metrics: createMetrics(), log: createLogger({ now: () => this.clock.now(), level: 'warn', write: ({ message }) => void this.complaints.push(message) }) };
  readonly api = createFakeApi(this.env);
  readonly reviews: SubjectAccessReview[] = [];
  readonly scrapes: string[] = [];
  readonly server: MetricsServer;
  handler: HttpHandler | undefined;
  clientCa: string | undefined;
  down = false;

  constructor(config: Record<string, unknown> = {}) {
    const deps = {
      api: { ...this.api, create: this.create },
      serveHttp: ({ handler, tls }: { handler: HttpHandler; tls?: { clientCa?: string } }) => {
        this.handler = handler;
        this.clientCa = tls?.clientCa;
        return Promise.resolve({ port: 4443, setTls: (next: { clientCa?: string }) => void (this.clientCa = next.clientCa), drain: () => Promise.resolve(), close: () => Promise.resolve() });
      },
      connectKubelet: ({ host, port }: { host: string; port: number }) => ({
        request: ({ path, headers }: { path: string; headers: Readonly<Record<string, string>> }) => {
          this.scrapes.push(`${host}:${port}${path} ${headers['x-orrery-node'] ?? ''}`);
          if (this.down) return Promise.reject(new Error('connection refused'));
          return Promise.resolve({ status: 200, headers: {}, text: () => Promise.resolve(this.said()), chunks: () => [] as unknown as AsyncIterable<Uint8Array> });
        },
        close: () => undefined,
      }),
      tls: { cert: 'c', key: 'k', ca: 'the CA' },
    };
    this.server = createMetricsServer(this.env, deps, resolveConfig(metricsServerSchema, [config]));
    this.api.seed(Nodes, { metadata: { name: 'n1', annotations: { 'orrery.dev/kubelet-endpoint': '127.0.0.1:9' } } } as KubeObject);
    for (const name of ['a', 'b']) this.api.seed(Pods, { metadata: { name, namespace: 'ns', labels: { app: name } }, status: { phase: 'Running' } } as KubeObject);
    this.api.seed(ConfigMaps, { metadata: published, data: proxies[0].data });
  }

  async start(): Promise<this> {
    const started = this.server.start();
    await this.clock.advance(50);
    await started;
    return this;
  }

  async ask(path: string, options: { method?: string; headers?: HttpHeaders; proxy?: PeerCertificate | undefined } = {}): Promise<{ code: number; body: any }> {
    const { method = 'GET', headers = { 'x-remote-user': 'me', 'x-remote-group': ['g'] }, proxy = proxies[0].certificate } = options;
    let out: { code: number; body: any } | undefined;
    const request = { method, url: path, headers, certificate: proxy } as unknown as HttpRequest;
    const response = { send: (code: number, _: unknown, body: unknown) => void (out = { code, body: String(body).startsWith('{') ? JSON.parse(String(body)) : body }), stream: () => { throw new Error('no'); }, gzip: () => Promise.reject(new Error('no')) };
    const done = Promise.resolve(this.handler?.request(request, response));
    for (let i = 0; i < 20; i++) await this.clock.advance(i % 10 === 9 ? 600 : 0);
    await done;
    return out ?? { code: 0, body: '' };
  }

  private said(): string {
    const seconds = this.clock.now() / 1000;
    const at = this.clock.now();
    const rows = ['a', 'b'].flatMap((pod) => [
      `container_cpu_usage_seconds_total{container="c",namespace="ns",pod="${pod}"} ${seconds / 2} ${at}`,
      `container_memory_working_set_bytes{container="c",namespace="ns",pod="${pod}"} 1048576 ${at}`,
      `container_start_time_seconds{container="c",namespace="ns",pod="${pod}"} 1`,
    ]);
    return [...rows, `node_cpu_usage_seconds_total ${seconds} ${at}`, `node_memory_working_set_bytes 2097152 ${at}`].join('\n');
  }

  private readonly create: ApiClient['create'] = (ref, object, options) => {
    if (ref.resource !== 'subjectaccessreviews') return this.api.create(ref, object, options);
    const review = object as SubjectAccessReview;
    this.reviews.push(review);
    return Promise.resolve({ ...object, status: { allowed: review.spec?.user === 'me' } });
  };
}

it('tells the API server where it is, and scrapes nobody before somebody asks', async () => {
  const world = await new World().start();
  expect(world.server.ready()).toBe(true);
  expect(world.api.find(APIServices, 'v1beta1.metrics.k8s.io')?.spec).toEqual({
    group: 'metrics.k8s.io', version: 'v1beta1', groupPriorityMinimum: 100, versionPriority: 100,
    service: { namespace: 'kube-system', name: 'metrics-server', port: 4443 }, caBundle: Buffer.from('the CA').toString('base64'), insecureSkipTLSVerify: false,
  });
  expect(world.api.find(Services, 'metrics-server', 'kube-system')?.spec).toMatchObject({ type: 'ExternalName', externalName: '127.0.0.1' });
  await world.clock.advance(600_000);
  expect((await world.ask(root)).body).toMatchObject({ kind: 'APIResourceList', resources: [{ name: 'nodes', kind: 'NodeMetrics', namespaced: false }, { name: 'pods', kind: 'PodMetrics', namespaced: true }] });
  expect(world.scrapes).toEqual([]);
  const { body } = await world.ask(`${root}/namespaces/ns/pods?labelSelector=app%3Da`);
  expect(world.scrapes).toEqual(['127.0.0.1:9/metrics/resource n1', '127.0.0.1:9/metrics/resource n1']);
  expect(body).toMatchObject({ kind: 'PodMetricsList', apiVersion: 'metrics.k8s.io/v1beta1', items: [{ metadata: { name: 'a', namespace: 'ns', labels: { app: 'a' } }, window: '1s', containers: [{ name: 'c', usage: { cpu: '500m', memory: '1Mi' } }] }] });
  await world.clock.advance(60_000);
  expect(world.scrapes).toHaveLength(6);
  await world.clock.advance(600_000);
  const rested = world.scrapes.length;
  await world.clock.advance(600_000);
  expect(world.scrapes).toHaveLength(rested);
  expect((await world.ask(`${root}/nodes/n1`)).body).toMatchObject({ kind: 'NodeMetrics', window: '1s', usage: { cpu: '1', memory: '2Mi' } });
  expect(world.complaints).toEqual([]);
  await world.server.stop();
});

it('answers get, list and tables, and says what is not there', async () => {
  const world = await new World().start();
  expect((await world.ask(`${root}/namespaces/ns/pods/b`)).body).toMatchObject({ kind: 'PodMetrics', metadata: { name: 'b' } });
  expect((await world.ask(`${root}/pods`)).body.items).toHaveLength(2);
  expect((await world.ask(`${root}/pods?fieldSelector=metadata.name%3Db`)).body.items).toHaveLength(1);
  const table = await world.ask(`${root}/namespaces/ns/pods`, { headers: { 'x-remote-user': 'me', accept: 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json' } });
  expect(table.body).toMatchObject({ kind: 'Table', columnDefinitions: [{ name: 'Name' }, { name: 'cpu' }, { name: 'memory' }, { name: 'Window' }], rows: [{ cells: ['a', '500m', '1Mi', '1s'], object: { kind: 'PartialObjectMetadata' } }, {}] });
  for (const [path, code, message] of [
    [`${root}/namespaces/ns/pods/gone`, 404, 'podmetrics.metrics.k8s.io "ns/gone" not found'],
    [`${root}/nodes/gone`, 404, 'nodemetrics.metrics.k8s.io "gone" not found'],
    [`${root}/pods?labelSelector=a+b+c`, 400, expect.stringContaining('unable to parse requirement')],
    [`${root}/pods?fieldSelector=spec.x%3Db`, 400, 'unable to parse requirement: field label not supported: spec.x'],
    [`${root}/pods?watch=true`, 405, expect.stringContaining('watch')],
  ] as const) expect(await world.ask(path)).toMatchObject({ code, body: { kind: 'Status', message } });
  expect(await world.ask(`${root}/things`)).toEqual({ code: 404, body: '404 page not found' });
  expect((await world.ask(`${root}/nodes`, { method: 'POST' })).code).toBe(405);
  expect((await world.ask(`${root}/nodes`, { headers: { 'x-remote-user': 'me', accept: 'application/yaml' } })).code).toBe(406);
  world.down = true;
  await world.clock.advance(15_000);
  expect((await world.ask(`${root}/nodes`)).body.items).toEqual([]);
  expect(world.complaints).toContain('a node was not scraped');
  await world.server.stop();
});

it('answers whom the proxy names and RBAC allows, and learns of a new proxy', async () => {
  const world = await new World().start();
  const [{ certificate }, next] = proxies;
  const stranger = next.certificate;
  expect((await world.ask('/livez', { proxy: stranger })).code).toBe(200);
  for (const [what, proxy] of Object.entries({ 'of another authority': stranger, 'of another name': { ...certificate, commonName: 'somebody' } })) expect([what, (await world.ask(`${root}/nodes`, { proxy })).code]).toEqual([what, 401]);
  expect((await world.ask(`${root}/nodes`, { headers: { authorization: 'Bearer t', 'x-remote-group': ['system:masters'] } })).code).toBe(401);
  expect(await world.ask(`${root}/nodes`, { headers: { 'x-remote-user': 'other' } })).toMatchObject({ code: 403, body: { reason: 'Forbidden', message: expect.stringContaining('User "other" cannot list resource "nodes" in API group "metrics.k8s.io"') } });
  expect(world.reviews.at(-1)?.spec).toMatchObject({ user: 'other', groups: ['system:authenticated'], resourceAttributes: { verb: 'list', group: 'metrics.k8s.io', resource: 'nodes' } });
  expect((await world.ask(`${root}/nodes`, { headers: { 'x-remote-user': 'system:anonymous', 'x-remote-group': ['system:unauthenticated'] } })).code).toBe(403);
  expect(world.reviews.at(-1)?.spec).toMatchObject({ user: 'system:anonymous', groups: ['system:unauthenticated'] });
  expect(world.clientCa).toBe(proxies[0].data['requestheader-client-ca-file']);
  const { resourceVersion = '' } = (await world.api.get(ConfigMaps, published)).metadata ?? {};
  await world.api.update(ConfigMaps, { metadata: { ...published, resourceVersion }, data: next.data });
  await world.clock.advance(60_000);
  await world.ask(`${root}/nodes`, { proxy: next.certificate });
  expect(world.clientCa).toBe(next.data['requestheader-client-ca-file']);
  expect((await world.ask(`${root}/nodes`, { proxy: next.certificate })).code).toBe(200);
  await world.server.stop();
});
