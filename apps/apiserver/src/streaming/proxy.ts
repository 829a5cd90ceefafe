import { EndpointSlices } from '@orrery/api';
import type { Node, Pod, Service } from '@orrery/api/types';
import { badRequest, serviceUnavailable } from '@orrery/errors';
import { type ExchangeReply, headerMap } from '@orrery/http';
import type { Random } from '@orrery/runtime';
import type { ConnectHandler, ConnectRequest, ObjectReader } from '../pipeline/index.ts';
import { type ProxyName, parseProxyName } from '../pipeline/proxy-name.ts';
import { type Backend, type Backends, proxyFailed } from './backend.ts';
import { codings, collect } from './codings.ts';
import { kubeletEndpoint } from './kubelet-endpoint.ts';
import { ask, passOnUpgrade, relay } from './pass-on.ts';
import { type PageSource, rewriteHtml, rewriteUrl } from './rewrite-links.ts';

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
const hopHeaders = new Set(['connection', 'keep-alive', 'proxy-authenticate', 'te', 'trailer', 'transfer-encoding', 'upgrade']);

/** What follows `/proxy` in the URL, byte by byte as it was sent. */
function targetOf(request: ConnectRequest): string {
  const rest = request.http.url.slice(prefixOf(request).length);
  return rest.startsWith('/') ? rest : `/${rest}`;
}

/** The URL path up to and including `/proxy`, to which redirects of the backend are brought back. */
function prefixOf(request: ConnectRequest): string {
  const [path = ''] = request.http.url.split('?');
  const end = path.indexOf('/proxy', path.indexOf(`/${request.info.name}`));
  return path.slice(0, end + '/proxy'.length);
}

const corsHeaders = ['access-control-allow-credentials', 'access-control-allow-headers', 'access-control-allow-methods', 'access-control-allow-origin'];

function replyHeaders(headers: Readonly<Record<string, string>>, source: PageSource): Record<string, string> {
  const out = Object.fromEntries(Object.entries(headers).filter(([name]) => !hopHeaders.has(name) && !corsHeaders.includes(name)));
  const { location } = out;
  return location === undefined ? out : { ...out, location: rewriteUrl(location, source) };
}

/** The links of a page lead through the proxy; other replies, and encodings nobody knows, stay as they are. */
async function relayPage(request: ConnectRequest, reply: ExchangeReply, source: PageSource): Promise<void> {
  const headers = replyHeaders(headerMap(reply.headers), source);
  const type = (headers['content-type'] ?? '').split(';')[0]?.trim();
  const coding = codings[headers['content-encoding'] ?? ''];
  if (type !== 'text/html' || 'location' in headers || !coding) return relay(request, reply, headers);
  const page = async function* (): AsyncGenerator<Uint8Array> {
    const html = Buffer.from(await coding.decode(await collect(reply.body))).toString();
    yield await coding.encode(Buffer.from(rewriteHtml(html, (url) => rewriteUrl(url, source))));
  };
  const { 'content-length': _length, ...others } = headers;
  await relay(request, { ...reply, body: page() }, others);
}

/** A proxied page without a path: where it is. Upgrades and requests that change something are passed on. */
function withoutPath(request: ConnectRequest): string | undefined {
  const [path = '', query] = request.http.url.split(/\?(.*)/s);
  if (request.socket || !['GET', 'HEAD'].includes(request.http.method) || path !== prefixOf(request)) return undefined;
  return `${path}/${query ? `?${query}` : ''}`;
}

async function passOn(request: ConnectRequest, open: () => Promise<Backend>): Promise<void> {
  const there = withoutPath(request);
  if (there !== undefined) return request.response?.send(301, { location: there }, '');
  const backend = await open();
  const target = targetOf(request);
  if (request.socket) return passOnUpgrade(request, backend, target);
  const source = { prefix: prefixOf(request), backend: backend.host, asked: String(request.http.headers['host'] ?? '') };
  const extra: [string, string][] = [
    ['X-Forwarded-For', request.http.remoteAddress],
    ['X-Forwarded-Uri', `${source.prefix}${target.split('?')[0] ?? ''}`],
  ];
  const reply = await ask(request, backend, { target, extra, failed: proxyFailed });
  await relayPage(request, reply, source);
}

function nameOf(request: ConnectRequest): ProxyName {
  const parsed = parseProxyName(request.info.name);
  if (!parsed) throw badRequest(`invalid ${request.info.resource} request ${JSON.stringify(request.info.name)}`);
  return parsed;
}

function podTarget(pod: Pod, { port, name }: ProxyName): { ip: string; port: number } {
  const ip = pod.status?.podIP;
  if (!ip) throw badRequest(`address not allowed: pod ${name} has no address`);
  const ports = (pod.spec?.containers ?? []).flatMap((container) => container.ports ?? []);
  const number = port === '' ? (ports[0]?.containerPort ?? 80) : Number(port) || ports.find((one) => one.name === port)?.containerPort;
  if (!number) throw badRequest(`no port named ${JSON.stringify(port)} on pod ${name}`);
  return { ip, port: number };
}

/** One ready endpoint of a service, by the port's name or number. */
function serviceTarget(service: Service, options: { asked: ProxyName; read: ObjectReader; random: Random }): { ip: string; port: number } {
  const { asked, read, random } = options;
  const { name = '', namespace = '' } = service.metadata ?? {};
  const ports = service.spec?.ports ?? [];
  const port = asked.port === '' ? ports[0] : ports.find((one) => one.name === asked.port || String(one.port) === asked.port);
  if (!port || (asked.port === '' && ports.length > 1)) throw serviceUnavailable(`no service port ${JSON.stringify(asked.port)} found for service ${JSON.stringify(name)}`);
  const slices = read.list(EndpointSlices, namespace).filter((slice) => slice.metadata?.labels?.['kubernetes.io/service-name'] === name);
  const found = slices.flatMap((slice) => {
    const number = slice.ports?.find((one) => (one.name ?? '') === (port.name ?? ''))?.port;
    return (slice.endpoints ?? []).flatMap((endpoint) => (number && endpoint.conditions?.ready !== false && endpoint.addresses?.[0] ? [{ ip: endpoint.addresses[0], port: number }] : []));
  });
  if (!found.length) throw serviceUnavailable(`no endpoints available for service ${JSON.stringify(asked.name)}`);
  return found[random.int(found.length)] as { ip: string; port: number };
}

const kubeletPort = 10_250;

/** A port of a node that is not its kubelet's (which may be said to be the usual one although it listens elsewhere); undefined for the kubelet. */
function nodeTarget(node: Node, { port }: ProxyName): { ip: string; port: number } | undefined {
  const number = Number(port);
  if (port === '' || [kubeletPort, node.status?.daemonEndpoints?.kubeletEndpoint?.Port, kubeletEndpoint(node).port].includes(number)) return undefined;
  const ip = node.status?.addresses?.find(({ type }) => type === 'InternalIP')?.address;
  if (!ip || !Number.isInteger(number) || number < 1 || number > 65_535) throw badRequest(`invalid node request: no port ${JSON.stringify(port)}`);
  return { ip, port: number };
}

/** nodes/proxy (the node's kubelet, or another port of the node), pods/proxy and services/proxy. */
export function proxies(options: { backends: Backends; read: ObjectReader; random: Random }): ConnectHandler[] {
  const { backends } = options;
  const handler = (resource: string, open: (request: ConnectRequest, asked: ProxyName) => Promise<Backend>): ConnectHandler => ({
    group: '',
    resource,
    subresource: 'proxy',
    methods,
    connect: async (request) => passOn(request, () => open(request, nameOf(request))),
  });
  return [
    handler('nodes', (request, asked) => {
      const node = request.object as Node;
      const target = nodeTarget(node, asked);
      return target ? backends.pod({ ...target, tls: asked.scheme === 'https' }) : backends.kubelet(node.metadata?.name ?? '', proxyFailed);
    }),
    handler('pods', async (request, asked) => backends.pod({ ...podTarget(request.object as Pod, asked), tls: asked.scheme === 'https' })),
    handler('services', async (request, asked) => backends.pod({ ...serviceTarget(request.object as Service, { ...options, asked }), tls: asked.scheme === 'https' })),
  ];
}
