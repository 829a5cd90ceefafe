import { serveHttp } from '@orrery/node-io';
import type { HttpRequest, HttpResponse } from '@orrery/node-io/http-server';

export interface AdapterOptions {
  readonly cert: string;
  readonly key: string;
  /** PEM: who may say in headers who asks. */
  readonly requestHeaderCa: string;
  /** Names of the pods of a namespace that a selector matches. */
  pods(namespace: string, labelSelector: string): Promise<readonly string[]>;
}

/** One question that came in. */
export interface Asked {
  /** Path and query, decoded. */
  readonly url: string;
  readonly user: string;
}

const custom = 'custom.metrics.k8s.io';
const external = 'external.metrics.k8s.io';

interface Reply {
  readonly code: number;
  readonly body: object;
}

const ok = (body: object): Reply => ({ code: 200, body });
const failed = (code: number, reason: string, message: string): Reply => ({ code, body: { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', reason, message, code } });

/**
 * An adapter of metrics in miniature, as prometheus-adapter is one: custom metrics in both versions and external ones, whose values a
 * test sets. It has neither aggregated discovery nor OpenAPI, as adapters did not for long.
 */
export class MetricsAdapter {
  readonly asked: Asked[] = [];
  /** By `pods/METRIC`, `RESOURCE/NAME/METRIC`, `metrics/METRIC` (of a namespace), and `METRIC` for external ones. */
  readonly values = new Map<string, string>();
  port = 0;
  private readonly options: AdapterOptions;
  private server: { close(): Promise<void>; port: number } | undefined;

  constructor(options: AdapterOptions) {
    this.options = options;
  }

  async start(): Promise<void> {
    const { cert, key, requestHeaderCa } = this.options;
    this.server = await serveHttp({ host: 'localhost', port: 0, handler: { request: (request, response) => this.serve(request, response) }, tls: { cert, key, clientCa: requestHeaderCa } });
    this.port = this.server.port;
  }

  async stop(): Promise<void> {
    await this.server?.close();
  }

  private async serve(request: HttpRequest, response: HttpResponse): Promise<void> {
    const { code, body } = await this.answer(request);
    response.send(code, { 'content-type': 'application/json' }, JSON.stringify(body));
  }

  private async answer({ certificate, headers, url }: HttpRequest): Promise<Reply> {
    if (certificate?.commonName !== 'front-proxy-client') return failed(401, 'Unauthorized', 'Unauthorized');
    const { pathname, searchParams } = new URL(url, 'https://adapter');
    const [apis, group, version, namespaces, namespace = '', ...rest] = decodeURIComponent(pathname).slice(1).split('/');
    if (apis !== 'apis' || (group !== custom && group !== external) || version === undefined) return failed(404, 'NotFound', 'the server could not find the requested resource');
    if (namespaces === undefined) return ok({ kind: 'APIResourceList', apiVersion: 'v1', groupVersion: `${group}/${version}`, resources: this.resources(group) });
    this.asked.push({ url: decodeURIComponent(url), user: String(headers['x-remote-user']) });
    const at = new Date().toISOString();
    if (group === external) {
      const value = this.values.get(rest.join('/'));
      return ok({ kind: 'ExternalMetricValueList', apiVersion: `${group}/${version}`, metadata: {}, items: value === undefined ? [] : [{ metricName: rest[0], metricLabels: {}, timestamp: at, value }] });
    }
    const [resource = '', name = '', metric = name] = rest;
    const value = this.values.get(name === '*' ? `${resource}/${metric}` : rest.join('/'));
    if (value === undefined) return failed(404, 'NotFound', `the server could not find the metric ${metric} for ${resource}`);
    const names = name === '*' ? await this.options.pods(namespace, searchParams.get('labelSelector') ?? '') : [name];
    const named = version === 'v1beta1' ? { metricName: metric, window: 30 } : { metric: { name: metric, selector: null }, windowSeconds: 30 };
    return ok({ kind: 'MetricValueList', apiVersion: `${group}/${version}`, metadata: {}, items: names.map((one) => ({ describedObject: { namespace, name: one }, ...named, timestamp: at, value })) });
  }

  private resources(group: string): object[] {
    const names = [...this.values.keys()].filter((key) => key.includes('/') === (group === custom)).map((key) => {
      const parts = key.split('/');
      return parts.length > 1 ? `${parts[0]}/${parts.at(-1)}` : key;
    });
    return [...new Set(names)].map((name) => ({ name, singularName: '', namespaced: true, kind: group === custom ? 'MetricValueList' : 'ExternalMetricValueList', verbs: ['get'] }));
  }
}
