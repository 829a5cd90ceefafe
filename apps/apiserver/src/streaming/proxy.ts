import { EndpointSlices } from '@orrery/api';
import type { Node, Pod, Service } from '@orrery/api/types';
import { badRequest, serviceUnavailable } from '@orrery/errors';
import { headerMap } from '@orrery/http';
import type { HttpHeaders } from '@orrery/node-io/http-server';
import type { Random } from '@orrery/runtime';
import type { ConnectHandler, ConnectRequest, ObjectReader } from '../pipeline/index.ts';
import { type ProxyName, parseProxyName } from '../pipeline/proxy-name.ts';
import type { Backend, Backends } from './backend.ts';
import { ask, passOnUpgrade, relay } from './pass-on.ts';

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

function replyHeaders(request: ConnectRequest, headers: Readonly<Record<string, string>>, host: string): HttpHeaders {
  const out = Object.fromEntries(Object.entries(headers).filter(([name]) => !hopHeaders.has(name)));
  const location = headers['location'];
  if (location !== undefined) {
    const url = new URL(location, `http://${host}/${request.tail}`);
    if (url.host === host) out['location'] = `${prefixOf(request)}${url.pathname}${url.search}`;
  }
  return out;
}

async function passOn(request: ConnectRequest, backend: Backend): Promise<void> {
  const target = targetOf(request);
  if (request.socket) return passOnUpgrade(request, backend, target);
  const extra: [string, string][] = [
    ['X-Forwarded-For', request.http.remoteAddress],
    ['X-Forwarded-Uri', prefixOf(request)],
  ];
  const reply = await ask(request, backend, { target, extra });
  await relay(request, reply, replyHeaders(request, headerMap(reply.headers), backend.host));
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

/** nodes/proxy (the node's kubelet), pods/proxy and services/proxy. */
export function proxies(options: { backends: Backends; read: ObjectReader; random: Random }): ConnectHandler[] {
  const { backends } = options;
  const handler = (resource: string, open: (request: ConnectRequest, asked: ProxyName) => Promise<Backend>): ConnectHandler => ({
    group: '',
    resource,
    subresource: 'proxy',
    methods,
    connect: async (request) => passOn(request, await open(request, nameOf(request))),
  });
  return [
    handler('nodes', (request) => backends.kubelet((request.object as Node).metadata?.name ?? '')),
    handler('pods', (request, asked) => backends.pod({ ...podTarget(request.object as Pod, asked), tls: asked.scheme === 'https' })),
    handler('services', (request, asked) => backends.pod({ ...serviceTarget(request.object as Service, { ...options, asked }), tls: asked.scheme === 'https' })),
  ];
}
