import { upgradeProtocol } from '@orrery/http';
import { serveHttp } from '@orrery/node-io';
import type { ByteSink, HttpHandler, HttpHeaders, HttpRequest, HttpResponse, RawSocket } from '@orrery/node-io/http-server';
import { toOpenApiV3 } from '../swagger.ts';
import { group, groupDiscovery, resourceList, root, swagger, version } from './sample-documents.ts';

export interface SampleOptions {
  readonly host?: string;
  readonly port?: number;
  readonly cert: string;
  readonly key: string;
  /** PEM: who may say in headers who asks (`requestheader-client-ca-file`). */
  readonly requestHeaderCa: string;
  readonly allowedNames: readonly string[];
}

/** What a request said of its sender, as the server understood it. */
export interface Sender {
  readonly user: string;
  readonly uid: string;
  readonly groups: readonly string[];
  readonly extra: Readonly<Record<string, readonly string[]>>;
  readonly headers: HttpHeaders;
  readonly url: string;
}

interface Flunder {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace: string; resourceVersion: string; uid: string; creationTimestamp: string };
  [other: string]: unknown;
}

const all = (headers: HttpHeaders, name: string): string[] => [headers[name] ?? []].flat() as string[];

function senderOf(request: HttpRequest): Sender {
  const { headers, url } = request;
  const prefix = 'x-remote-extra-';
  const extra = Object.fromEntries(Object.keys(headers).filter((name) => name.startsWith(prefix)).map((name) => [decodeURIComponent(name.slice(prefix.length)), all(headers, name)]));
  return { user: all(headers, 'x-remote-user')[0] ?? '', uid: all(headers, 'x-remote-uid')[0] ?? '', groups: all(headers, 'x-remote-group'), extra, headers, url };
}

const status = (code: number, reason: string, message: string): object => ({ kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', reason, message, code });

/**
 * An extension API server in miniature: flunders of wardle.example.com/v1alpha1 in memory, in plain JSON, watched as lines; who asks is
 * taken from request headers over mutual TLS alone.
 */
export class SampleServer {
  readonly senders: Sender[] = [];
  port = 0;
  /** Answered to everything while set. */
  outage: number | undefined;
  /** Has neither aggregated discovery nor OpenAPI v3. */
  isOld = false;
  private readonly options: SampleOptions;
  private readonly flunders = new Map<string, Flunder>();
  private readonly watches = new Set<{ namespace: string; sink: ByteSink }>();
  private revision = 0;
  private server: { close(): Promise<void>; port: number } | undefined;

  constructor(options: SampleOptions) {
    this.options = options;
  }

  async start(): Promise<void> {
    const { host = '127.0.0.1', port = 0, cert, key, requestHeaderCa } = this.options;
    const handler: HttpHandler = { request: (request, response) => this.serve(request, response), upgrade: (request, socket) => this.echo(request, socket) };
    this.server = await serveHttp({ host, port, handler, tls: { cert, key, clientCa: requestHeaderCa } });
    this.port = this.server.port;
  }

  async stop(): Promise<void> {
    await this.server?.close();
  }

  /** Requests of clients, without the aggregator's own. */
  get clients(): Sender[] {
    return this.senders.filter(({ user }) => user !== 'system:kube-aggregator');
  }

  private isTrusted(request: HttpRequest): boolean {
    return request.certificate !== undefined && this.options.allowedNames.includes(request.certificate.commonName);
  }

  private async serve(request: HttpRequest, response: HttpResponse): Promise<void> {
    const reply = (code: number, body: object, headers: HttpHeaders = {}): void => response.send(code, { 'content-type': 'application/json', ...headers }, JSON.stringify(body));
    if (this.outage !== undefined) return reply(this.outage, status(this.outage, 'InternalError', 'out of order'));
    if (!this.isTrusted(request)) return reply(401, status(401, 'Unauthorized', 'Unauthorized'));
    this.senders.push(senderOf(request));
    const [path = '', query = ''] = request.url.split('?');
    const document = this.documentOf(path, request);
    if (document) return reply(200, document.body, document.headers);
    if (path === `${root}/elsewhere`) return response.send(302, { location: 'https://example.com/', 'access-control-allow-origin': '*' });
    if (!path.startsWith(`${root}/`)) return reply(404, status(404, 'NotFound', 'the server could not find the requested resource'));
    await this.resource(request, response, { path: path.slice(root.length + 1), query: new URLSearchParams(query), reply });
  }

  private documentOf(path: string, request: HttpRequest): { body: object; headers?: HttpHeaders } | undefined {
    const { isOld } = this;
    const gv = { groupVersion: `${group}/${version}`, version };
    const legacy = { kind: 'APIGroup', apiVersion: 'v1', name: group, versions: [gv], preferredVersion: gv };
    if (path === '/apis') {
      const type = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
      if (!isOld && String(request.headers['accept']).includes('as=APIGroupDiscoveryList')) return { body: groupDiscovery('v2'), headers: { 'content-type': type, etag: '"one"' } };
      return { body: { kind: 'APIGroupList', apiVersion: 'v1', groups: [legacy] } };
    }
    if (path === `/apis/${group}`) return { body: legacy };
    if (path === root) return { body: resourceList };
    if (path === '/openapi/v2') return { body: swagger };
    if (!isOld && path === '/openapi/v3') return { body: { paths: { [root.slice(1)]: { serverRelativeURL: `/openapi/v3${root}?hash=1` } } } };
    if (!isOld && path === `/openapi/v3${root}`) return { body: toOpenApiV3(swagger as never) };
    return undefined;
  }

  private async resource(request: HttpRequest, response: HttpResponse, on: { path: string; query: URLSearchParams; reply: (code: number, body: object, headers?: HttpHeaders) => void }): Promise<void> {
    const { path, query, reply } = on;
    const parts = path.split('/');
    const [namespace = '', resource, name = ''] = parts[0] === 'namespaces' ? parts.slice(1) : ['', parts[0], parts[1]];
    if (resource !== 'flunders') return reply(404, status(404, 'NotFound', 'the server could not find the requested resource'));
    if (name) return this.one(request, { key: `${namespace}/${name}`, name, reply });
    if (request.method === 'POST') {
      const flunder = JSON.parse((await request.body(1e6)).toString()) as Flunder;
      const made: Flunder = { ...flunder, metadata: { ...flunder.metadata, namespace, uid: crypto.randomUUID(), resourceVersion: String(++this.revision), creationTimestamp: new Date().toISOString().replace(/\.\d+/, '') } };
      this.flunders.set(`${namespace}/${made.metadata.name}`, made);
      this.tell('ADDED', made);
      return reply(201, made, { warning: ['299 - "flunders are shy"', '299 - "and few"'], 'access-control-allow-origin': '*' });
    }
    const items = [...this.flunders.values()].filter((one) => namespace === '' || one.metadata.namespace === namespace);
    if (!query.get('watch')) return reply(200, { kind: 'FlunderList', apiVersion: `${group}/${version}`, metadata: { resourceVersion: String(this.revision) }, items });
    const sink = response.stream(200, { 'content-type': 'application/json' });
    const watch = { namespace, sink };
    this.watches.add(watch);
    request.signal.addEventListener('abort', () => this.watches.delete(watch), { once: true });
    if (!query.get('resourceVersion')) for (const item of items) sink.write(Buffer.from(`${JSON.stringify({ type: 'ADDED', object: item })}\n`));
  }

  private async one(request: HttpRequest, on: { key: string; name: string; reply: (code: number, body: object) => void }): Promise<void> {
    const { key, name, reply } = on;
    const flunder = this.flunders.get(key);
    if (!flunder) return reply(404, { ...status(404, 'NotFound', `flunders.${group} "${name}" not found`), details: { name, group, kind: 'flunders' } });
    if (request.method === 'DELETE') {
      this.flunders.delete(key);
      this.tell('DELETED', flunder);
      return reply(200, { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details: { name, group, kind: 'flunders', uid: flunder.metadata.uid } });
    }
    if (request.method === 'GET') return reply(200, flunder);
    const body = JSON.parse((await request.body(1e6)).toString()) as Partial<Flunder>;
    const changed = { ...flunder, ...body, metadata: { ...flunder.metadata, ...body.metadata, resourceVersion: String(++this.revision) } } as Flunder;
    this.flunders.set(key, changed);
    this.tell('MODIFIED', changed);
    reply(200, changed);
  }

  private tell(type: string, object: Flunder): void {
    const line = Buffer.from(`${JSON.stringify({ type, object })}\n`);
    for (const { namespace, sink } of this.watches) if (namespace === '' || namespace === object.metadata.namespace) sink.write(line);
  }

  /** Says back, in capitals, what comes over an upgraded connection. */
  private async echo(request: HttpRequest, socket: RawSocket): Promise<void> {
    if (request.url.endsWith('/elsewhere')) {
      socket.write(Buffer.from('HTTP/1.1 302 Found\r\nlocation: https://example.com/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n'));
      return socket.end();
    }
    if (!this.isTrusted(request) || upgradeProtocol(request) !== 'websocket') {
      socket.write(Buffer.from('HTTP/1.1 403 Forbidden\r\ncontent-type: text/plain\r\ncontent-length: 3\r\nconnection: close\r\n\r\nno\n'));
      return socket.end();
    }
    this.senders.push(senderOf(request));
    socket.write(Buffer.from('HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\r\n'));
    for await (const bytes of socket.readable) socket.write(Buffer.from(Buffer.from(bytes).toString('utf8').toUpperCase()));
    socket.end();
  }
}
