import { EndpointSlices } from '@orrery/api';
import { type ByteStream, readRequestHead, streamPair } from '@orrery/http';
import type { HttpRequest, RawSocket } from '@orrery/node-io/http-server';
import { describe, expect, it } from 'vitest';
import type { ConnectHandler, ConnectRequest } from '../pipeline/index.ts';
import { FakeCluster, allowAll, allowNothing, kindOf } from '../testing/fake-cluster.ts';
import type { Backends } from './backend.ts';
import { type Coding, codings } from './codings.ts';
import { containerName } from './container-name.ts';
import { kubeletEndpoint } from './kubelet-endpoint.ts';
import { podLog } from './pod-log.ts';
import { podStreams } from './pod-streams.ts';
import { proxies } from './proxy.ts';

const pod = { metadata: { name: 'p', namespace: 'a' }, spec: { nodeName: 'n1', containers: [{ name: 'c', ports: [{ name: 'web', containerPort: 8080 }] }] }, status: { podIP: '10.244.0.5' } };

/** Backends whose other end the test holds; remembers what was dialed. */
function fakeBackends(): { backends: Backends; dialed: string[]; far: () => ByteStream } {
  const dialed: string[] = [];
  let far: ByteStream | undefined;
  const open = async (name: string, host: string): Promise<{ stream: ByteStream; host: string }> => {
    const [near, other] = streamPair();
    far = other;
    dialed.push(name);
    return { stream: near, host };
  };
  return { backends: { kubelet: (node) => open(`kubelet ${node}`, 'kubelet:10250'), pod: ({ ip, port, tls }) => open(`${tls ? 'https' : 'http'} ${ip}:${port}`, `${ip}:${port}`) }, dialed, far: () => far as ByteStream };
}

function rawSocket(stream: ByteStream): RawSocket {
  async function* readable(): AsyncGenerator<Uint8Array> {
    for (let bytes = await stream.read(); bytes; bytes = await stream.read()) yield bytes;
  }
  return { write: (bytes) => (void stream.write(bytes), true), drained: () => Promise.resolve(), flushed: () => Promise.resolve(), end: () => void stream.closeWrite(), closed: false, readable: readable(), destroy: () => stream.close() };
}

interface Ask {
  readonly url: string;
  readonly resource?: string;
  readonly name?: string;
  readonly object?: unknown;
  readonly subresource?: string;
  readonly headers?: Record<string, string>;
  readonly socket?: RawSocket;
}

function ask(options: Ask): { request: ConnectRequest; reply: { status: number; headers: Record<string, unknown>; body: string } } {
  const reply = { status: 0, headers: {}, body: '' };
  const { url, resource = 'pods', name = 'p', subresource = 'exec', headers = {} } = options;
  const http: HttpRequest = { method: 'GET', url, headers, remoteAddress: '192.0.2.1', secure: true, certificate: undefined, signal: new AbortController().signal, body: async () => Buffer.alloc(0), bodyStream: async function* () {} };
  const sink = { write: (bytes: Uint8Array) => ((reply.body += Buffer.from(bytes).toString('latin1')), true), drained: async () => undefined, end: () => undefined, closed: false };
  const response = {
    send: (status: number, sent: object, body: Uint8Array | string = '') => void Object.assign(reply, { status, headers: sent, body: String(body) }),
    stream: (status: number, sent: object) => (Object.assign(reply, { status, headers: sent }), sink),
    gzip: async (body: Uint8Array | string) => Buffer.from(body as string),
  };
  const request = {
    http,
    ...(options.socket ? { socket: options.socket } : { response }),
    info: { isResource: true, path: url, verb: 'get', group: '', version: 'v1', resource, subresource, namespace: 'a', name },
    user: { username: 'jane', groups: [] },
    query: new URL(url, 'http://x').searchParams,
    kind: kindOf(resource),
    object: options.object ?? pod,
    tail: '',
  } as ConnectRequest;
  return { request, reply };
}

const handler = (list: readonly ConnectHandler[], subresource: string, resource = 'pods'): ConnectHandler => list.find((one) => one.subresource === subresource && one.resource === resource) as ConnectHandler;

describe('kubelet endpoints', () => {
  it.each<[object, object]>([
    [{ metadata: { annotations: { 'orrery.dev/kubelet-endpoint': '127.0.0.1:1234' } }, status: { addresses: [{ type: 'InternalIP', address: '10.240.0.2' }] } }, { host: '127.0.0.1', port: 1234 }],
    [{ metadata: { annotations: { 'orrery.dev/kubelet-endpoint': '[::1]:1234' } } }, { host: '::1', port: 1234 }],
    [{ metadata: {}, status: { addresses: [{ type: 'Hostname', address: 'n' }, { type: 'InternalIP', address: '10.0.0.1' }], daemonEndpoints: { kubeletEndpoint: { Port: 99 } } } }, { host: '10.0.0.1', port: 99 }],
    [{ metadata: {}, status: { addresses: [{ type: 'Hostname', address: 'n' }] } }, { host: 'n', port: 10250 }],
  ])('%j', (node, endpoint) => expect(kubeletEndpoint(node)).toEqual(endpoint));
});

describe('containers', () => {
  const two = { metadata: { name: 'p' }, spec: { containers: [{ name: 'a' }, { name: 'b' }], initContainers: [{ name: 'i' }] } };
  it('are the named one or the only one', () => {
    expect(containerName(pod, '')).toBe('c');
    expect(containerName(two, 'i')).toBe('i');
    expect(() => containerName(two, '')).toThrow('a container name must be specified for pod p, choose one of: [i a b]');
    expect(() => containerName(two, 'x')).toThrow('container x is not valid for pod p');
  });
});

describe('exec', () => {
  const upgrade = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-key': 'a2V5a2V5a2V5a2V5a2V5cQ==', 'sec-websocket-version': '13', authorization: 'Bearer secret', 'sec-websocket-protocol': `base64url.bearer.authorization.k8s.io.${Buffer.from('t').toString('base64url')}, v5.channel.k8s.io` };
  it('hands the handshake to the kubelet, without credentials, and joins the connections', async () => {
    const { backends, dialed, far } = fakeBackends();
    const [client, server] = streamPair();
    const { request } = ask({ url: '/api/v1/namespaces/a/pods/p/exec?command=ls&command=-l&stdin=true&stdout=1&tty=false', headers: upgrade, socket: rawSocket(server) });
    const done = handler(podStreams({ backends, authorize: allowAll }), 'exec').connect(request);
    await new Promise((resolve) => setImmediate(resolve));
    const seen = await readRequestHead(far());
    expect(seen?.head.target).toBe('/exec/a/p/c?input=1&output=1&command=ls&command=-l');
    expect(dialed).toEqual(['kubelet n1']);
    expect(Object.fromEntries(seen?.head.headers ?? [])).toMatchObject({ Host: 'kubelet:10250', upgrade: 'websocket', 'sec-websocket-protocol': 'v5.channel.k8s.io' });
    expect(seen?.head.headers.map(([name]) => name)).not.toContain('authorization');
    await far().write(Buffer.from('HTTP/1.1 101 Switching Protocols\r\n\r\nhello'));
    await client.write(Buffer.from('ping'));
    expect(Buffer.from((await far().read()) as Uint8Array).toString()).toBe('ping');
    far().close();
    let got = '';
    for (let bytes = await client.read(); bytes; bytes = await client.read()) got += Buffer.from(bytes).toString();
    client.close();
    expect(got).toMatch(/^HTTP\/1.1 101 Switching Protocols\r\n\r\nhello$/);
    await done;
  });
  it('over a WebSocket takes the permission to create', async () => {
    const { backends } = fakeBackends();
    const { request } = ask({ url: '/x', headers: upgrade, socket: rawSocket(streamPair()[0]) });
    await expect(handler(podStreams({ backends, authorize: allowNothing }), 'exec').connect(request)).rejects.toThrow('User "jane" cannot create resource "pods/exec"');
  });
  it('needs a node and an upgrade', async () => {
    const exec = handler(podStreams({ backends: fakeBackends().backends, authorize: allowAll }), 'exec');
    await expect(exec.connect(ask({ url: '/x' }).request)).rejects.toThrow('Upgrade request required');
    await expect(exec.connect(ask({ url: '/x', object: { ...pod, spec: { containers: [] } } }).request)).rejects.toThrow('pod p does not have a host assigned');
  });
});

describe('logs', () => {
  it.each([['binary.k8s.io', 0x82, 'lines\n'], ['base64.binary.k8s.io', 0x81, 'bGluZXMK']])('come over a WebSocket as %s', async (protocol, opcode, text) => {
    const { backends, far } = fakeBackends();
    const [client, server] = streamPair();
    const headers = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-key': 'a2V5a2V5a2V5a2V5a2V5cQ==', 'sec-websocket-version': '13', 'sec-websocket-protocol': protocol };
    const { request } = ask({ url: '/log', subresource: 'log', headers, socket: rawSocket(server) });
    const done = podLog(backends).connect(request);
    await new Promise((resolve) => setImmediate(resolve));
    await readRequestHead(far());
    await far().write(Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nlines\n'));
    let got = Buffer.alloc(0);
    const closeFrame = Buffer.from([0x88, 2, 0x03, 0xe8]);
    while (!got.includes(closeFrame)) got = Buffer.concat([got, (await client.read()) ?? Buffer.from(closeFrame)]);
    expect(got.toString('latin1')).toMatch(/^HTTP\/1\.1 101 /);
    expect(got.subarray(got.indexOf('\r\n\r\n') + 4)).toEqual(Buffer.concat([Buffer.from([opcode, text.length]), Buffer.from(text), closeFrame]));
    client.close();
    await done;
  });
  const answer = async (query: string, raw: string): Promise<{ target: string | undefined; status: number; body: string }> => {
    const { backends, far } = fakeBackends();
    const { request, reply } = ask({ url: `/log${query}`, subresource: 'log' });
    const done = podLog(backends).connect(request);
    await new Promise((resolve) => setImmediate(resolve));
    const seen = await readRequestHead(far());
    await far().write(Buffer.from(raw));
    await far().closeWrite();
    await done;
    return { target: seen?.head.target, ...reply };
  };
  it('come from the kubelet as they are', async () => {
    expect(await answer('?follow=true&tailLines=5&container=c', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nline\n\r\n0\r\n\r\n')).toMatchObject({ target: '/containerLogs/a/p/c?follow=true&tailLines=5', status: 200, body: 'line\n' });
  });
  it('are refused in the kubelet’s words', async () => {
    const text = 'container "c" in pod "p" is waiting to start: ContainerCreating';
    await expect(answer('', `HTTP/1.1 400 Bad Request\r\nContent-Length: ${text.length}\r\n\r\n${text}`)).rejects.toMatchObject({ code: 400, message: text });
  });
  it('of pods without a node are empty; bad options are errors', async () => {
    const { request, reply } = ask({ url: '/log', subresource: 'log', object: { ...pod, spec: { containers: [{ name: 'c' }] } } });
    await podLog(fakeBackends().backends).connect(request);
    expect(reply).toMatchObject({ status: 200, body: '' });
    await expect(podLog(fakeBackends().backends).connect(ask({ url: '/log?sinceSeconds=0', subresource: 'log' }).request)).rejects.toMatchObject({ code: 422 });
  });
});

describe('proxies', () => {
  const cluster = new FakeCluster();
  const open = async (options: Ask & { readonly answer?: string | Uint8Array }): Promise<{ dialed: string[]; target: string | undefined; headers: Record<string, string>; reply: { status: number; headers: Record<string, unknown>; body: string } }> => {
    const { backends, dialed, far } = fakeBackends();
    const { request, reply } = ask({ subresource: 'proxy', ...options });
    const done = handler(proxies({ backends, read: cluster.read, random: cluster.env.random }), 'proxy', options.resource ?? 'pods').connect(request);
    await Promise.race([done, new Promise((resolve) => setImmediate(resolve))]);
    const seen = await readRequestHead(far());
    await far().write(Buffer.from(options.answer ?? 'HTTP/1.1 302 Found\r\nLocation: /login?x=1\r\nContent-Length: 2\r\n\r\nhi'));
    far().close();
    await done;
    return { dialed, target: seen?.head.target, headers: Object.fromEntries(seen?.head.headers ?? []), reply };
  };
  it('reach pods by port name, pass the path on, bring redirects back', async () => {
    const base = '/api/v1/namespaces/a/pods/https:p:web/proxy';
    expect(await open({ url: `${base}/a%20b/?q=1`, name: 'https:p:web' })).toMatchObject({ dialed: ['https 10.244.0.5:8080'], target: '/a%20b/?q=1', reply: { status: 302, headers: { location: `${base}/login?x=1` }, body: 'hi' } });
  });
  const podBase = '/api/v1/namespaces/a/pods/p/proxy';
  it('send whoever asks for no path to the root, with what else was asked', async () => {
    const { request, reply } = ask({ subresource: 'proxy', url: `${podBase}?method=GET` });
    await handler(proxies({ backends: fakeBackends().backends, read: cluster.read, random: cluster.env.random }), 'proxy').connect(request);
    expect(reply).toMatchObject({ status: 301, headers: { location: `${podBase}/?method=GET` } });
  });
  const page = '<a href="/rewriteme">test</a>';
  it.each(['', 'gzip', 'deflate'])('bring the links of pages back (%s)', async (encoding) => {
    const coding = codings[encoding] as Coding;
    const body = await coding.encode(Buffer.from(page));
    const answer = Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nAccess-Control-Allow-Origin: *\r\n${encoding && `Content-Encoding: ${encoding}\r\n`}Content-Length: ${body.length}\r\n\r\n`), body]);
    const { headers, reply } = await open({ url: `${podBase}/x/?y`, answer });
    expect(headers['X-Forwarded-Uri']).toBe(`${podBase}/x/`);
    expect(Object.keys(reply.headers).sort()).toEqual([...(encoding ? ['content-encoding'] : []), 'content-type']);
    expect(Buffer.from(await coding.decode(Buffer.from(reply.body, 'latin1'))).toString()).toBe(`<a href="${podBase}/rewriteme">test</a>`);
  });
  it('say that a backend cannot be reached, or breaks off', async () => {
    const refused: Backends = { kubelet: (_node, failed) => Promise.reject(failed?.(new Error('refused')) ?? new Error('nobody says what it means')), pod: () => Promise.reject(new Error('not asked')) };
    const node = ask({ subresource: 'proxy', resource: 'nodes', name: 'n1', url: '/api/v1/nodes/n1/proxy/x', object: { metadata: { name: 'n1' } } });
    await expect(handler(proxies({ backends: refused, read: cluster.read, random: cluster.env.random }), 'proxy', 'nodes').connect(node.request)).rejects.toMatchObject({ code: 503, message: 'error trying to reach service: refused' });
    await expect(open({ url: `${podBase}/x`, answer: 'HTTP' })).rejects.toMatchObject({ code: 503, message: expect.stringMatching(/^error trying to reach service: /) as unknown });
  });
  it('reach other ports of nodes', async () => {
    const object = { metadata: { name: 'n1' }, status: { addresses: [{ type: 'InternalIP', address: '10.240.0.11' }] } };
    const at = (name: string) => open({ url: `/api/v1/nodes/${name}/proxy/healthz`, resource: 'nodes', name, object });
    expect([(await at('n1:10256')).dialed, (await at('https:n1:444')).dialed, (await at('https:n1:10250')).dialed]).toEqual([['http 10.240.0.11:10256'], ['https 10.240.0.11:444'], ['kubelet n1']]);
    await expect(at('n1:web')).rejects.toMatchObject({ code: 400 });
  });
  it('reach nodes and services', async () => {
    expect(await open({ url: '/api/v1/nodes/n1/proxy/metrics', resource: 'nodes', name: 'n1', object: { metadata: { name: 'n1' } } })).toMatchObject({ dialed: ['kubelet n1'], target: '/metrics' });
    const service = { metadata: { name: 's', namespace: 'a' }, spec: { ports: [{ name: 'http', port: 80 }] } };
    const visit = () => open({ url: '/api/v1/namespaces/a/services/s:80/proxy/', resource: 'services', name: 's:80', object: service });
    await expect(visit()).rejects.toMatchObject({ code: 503, message: 'no endpoints available for service "s"' });
    cluster.put(EndpointSlices, { metadata: { name: 'x', namespace: 'a', labels: { 'kubernetes.io/service-name': 's' } }, addressType: 'IPv4', ports: [{ name: 'http', port: 9000 }], endpoints: [{ addresses: ['10.244.1.9'], conditions: { ready: true } }] });
    expect(await visit()).toMatchObject({ dialed: ['http 10.244.1.9:9000'], target: '/' });
  });
});

