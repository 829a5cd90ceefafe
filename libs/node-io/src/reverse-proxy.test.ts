import { createServer, get } from 'node:http';
import { VirtualClock, createMetrics, seededRandom, silentLogger } from '@orrery/runtime';
import { createFabric } from '@orrery/vnet';
import { afterEach, describe, expect, it } from 'vitest';
import { ensurePki } from './pki/index.ts';
import { type ProxyVerdict, createReverseProxy } from './reverse-proxy.ts';
import { duplexOverConn, exposeOnHost } from './vnet-bridge.ts';

const env = { clock: new VirtualClock(), random: seededRandom(1), log: silentLogger, metrics: createMetrics() };
const stops: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

/** A web server in the emulated network at 10.244.0.2:80, and a client stack beside it. */
function emulatedWeb() {
  const fabric = createFabric(env);
  const node = fabric.addSwitch({ node: 'n', nodeIp: '10.240.0.11' });
  const pod = node.attach({ ips: ['10.244.0.2'] }).stack;
  const http = createServer((message, response) => response.end(`${message.method} ${message.url} for ${message.headers['x-forwarded-for'] ?? 'nobody'}`));
  pod.listen({ ip: '', port: 80 }, (conn) => void http.emit('connection', duplexOverConn(conn)));
  return node.hostStack;
}

function fetchText(url: string): Promise<{ status: number; text: string; location?: string }> {
  return new Promise((resolve, reject) => {
    get(url, { agent: false }, (reply) => {
      let text = '';
      reply.on('data', (chunk) => (text += String(chunk)));
      reply.on('end', () => resolve({ status: reply.statusCode ?? 0, text, ...(reply.headers.location ? { location: reply.headers.location } : {}) }));
    }).on('error', reject);
  });
}

async function proxyWith(verdict: ProxyVerdict) {
  const net = emulatedWeb();
  const pki = ensurePki(undefined);
  const proxy = createReverseProxy({
    host: '127.0.0.1',
    httpPort: 0,
    httpsPort: 0,
    anyPortIfTaken: false,
    fallbackCertificate: { cert: pki.serverCert, key: pki.serverKey },
    dial: (to) => net.dial(to),
  });
  stops.push(() => proxy.stop());
  return proxy.start({ decide: () => verdict, certificate: () => undefined, done: () => undefined });
}

describe('reverse proxy', () => {
  it('forwards to the first endpoint that accepts', async () => {
    const { http } = await proxyWith({ kind: 'forward', ingress: 'd/x', endpoints: [{ ip: '10.244.0.2', port: 81 }, { ip: '10.244.0.2', port: 80 }] });
    expect(await fetchText(`http://${http}/a?b=c`)).toEqual({ status: 200, text: 'GET /a?b=c for 127.0.0.1' });
  });
  it('answers 502 when none does', async () => {
    const { http } = await proxyWith({ kind: 'forward', ingress: 'd/x', endpoints: [{ ip: '10.244.0.2', port: 81 }] });
    expect((await fetchText(`http://${http}/`)).status).toBe(502);
  });
  it('redirects and replies by itself', async () => {
    const redirect = await proxyWith({ kind: 'redirect', location: 'https://x/' });
    expect(await fetchText(`http://${redirect.http}/`)).toMatchObject({ status: 308, location: 'https://x/' });
    const reply = await proxyWith({ kind: 'reply', status: 404, body: 'default backend - 404' });
    expect(await fetchText(`http://${reply.http}/`)).toEqual({ status: 404, text: 'default backend - 404' });
  });
});

it('carries host connections into the emulated network', async () => {
  const net = emulatedWeb();
  const listener = await exposeOnHost({ host: '127.0.0.1', port: 0 }, () => net.dial({ ip: '10.244.0.2', port: 80 }));
  stops.push(() => listener.close());
  expect((await fetchText(`http://${listener.endpoint}/`)).text).toBe('GET / for nobody');
});
