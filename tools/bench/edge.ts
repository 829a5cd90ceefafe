// `npm run bench -- edge`: DNS queries and ingress requests a second, the latter beside nginx where it is installed.
import { spawn, spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createReverseProxy, dialHost, ensurePki } from '@orrery/node-io';
import { encode } from 'dns-packet';
import { startCluster } from './bench-cluster.ts';
import { type Figure, report } from './report.ts';

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '5' }, clients: { type: 'string', default: '32' }, json: { type: 'string' } } });
const seconds = Number(values.seconds);
const clients = Number(values.clients);

/** Questions a second by UDP, so many in flight at a time. */
async function dnsRate(address: string, name: string): Promise<number> {
  const [host = '', port = ''] = address.split(':');
  const socket = createSocket('udp4');
  let answered = 0;
  let id = 0;
  const ask = (): void => socket.send(encode({ type: 'query', id: id++ & 0xffff, questions: [{ name, type: 'A' }] }), Number(port), host);
  socket.on('message', () => {
    answered++;
    ask();
  });
  for (let i = 0; i < clients; i++) ask();
  const began = performance.now();
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  const rate = answered / ((performance.now() - began) / 1000);
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  return rate;
}

/** GETs a second over connections that are kept, so many at a time. */
async function httpRate(address: string, host: string): Promise<number> {
  const [ip = '', port = ''] = address.split(':');
  const agent = new Agent({ keepAlive: true, maxSockets: clients });
  let running = true;
  let answered = 0;
  const once = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const call = request({ host: ip, port, agent, headers: { host } }, (reply) => {
        reply.resume();
        reply.on('end', () => (reply.statusCode === 200 ? resolve() : reject(new Error(`${address} answered ${reply.statusCode}`))));
      });
      call.on('error', reject);
      call.end();
    });
  const began = performance.now();
  const work = Array.from({ length: clients }, async () => {
    for (; running; answered++) await once();
  });
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  running = false;
  const rate = answered / ((performance.now() - began) / 1000);
  await Promise.all(work);
  agent.destroy();
  return rate;
}

/** A page of 1 KB in a process of its own: neither proxy shares its CPU time. */
async function page(): Promise<{ address: string; stop(): void }> {
  const source = `const s=require('http').createServer((q,r)=>r.end('x'.repeat(1024)));s.keepAliveTimeout=60000;s.listen(0,'127.0.0.1',()=>console.log(s.address().port))`;
  const child = spawn(process.execPath, ['-e', source], { stdio: ['ignore', 'pipe', 'inherit'] });
  const port = await new Promise<string>((resolve) => child.stdout.once('data', (chunk: Buffer) => resolve(chunk.toString().trim())));
  return { address: `127.0.0.1:${port}`, stop: () => void child.kill() };
}

async function builtInRate(backend: string): Promise<number> {
  const [ip = '', port = ''] = backend.split(':');
  const pki = ensurePki(undefined);
  const proxy = createReverseProxy({ host: '127.0.0.1', httpPort: 0, httpsPort: 0, anyPortIfTaken: false, fallbackCertificate: { cert: pki.serverCert, key: pki.serverKey }, dial: (to) => dialHost({ host: to.ip, port: to.port }) });
  const plan = {
    endpoints: [{ ip, port: Number(port) }], target: '/', setHeaders: { 'x-real-ip': '127.0.0.1' }, responseHeaders: {}, cookies: [], hideHeaders: [], protocol: 'HTTP' as const, verify: false, serverName: '', connectTimeoutMs: 5_000,
    sendTimeoutMs: 60_000, readTimeoutMs: 60_000, bodyLimit: 1_048_576, retryOn: new Set(['error', 'timeout']), tries: 3, retryTimeoutMs: 0, mirror: undefined, auth: undefined,
  };
  const { http } = await proxy.start({ decide: () => ({ kind: 'forward', plan, tag: undefined }), certificate: () => ({}), asksClients: () => false, done: () => undefined, keepAlive: () => ({ connections: 320, seconds: 60 }), resolve: () => undefined });
  try {
    return await httpRate(http, 'web.test');
  } finally {
    await proxy.stop();
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Undefined where nginx is not installed. */
async function nginxRate(backend: string): Promise<number | undefined> {
  if (spawnSync('nginx', ['-v']).error) return undefined;
  const dir = mkdtempSync(join(tmpdir(), 'orrery-nginx-'));
  const port = await freePort();
  const conf = join(dir, 'nginx.conf');
  writeFileSync(
    conf,
    `worker_processes 1; daemon off; pid ${dir}/pid; error_log stderr warn;
     events { worker_connections 1024; }
     http { access_log off; client_body_temp_path ${dir}/body; proxy_temp_path ${dir}/proxy; fastcgi_temp_path ${dir}/f; uwsgi_temp_path ${dir}/u; scgi_temp_path ${dir}/s;
       upstream page { server ${backend}; keepalive 320; }
       server { listen 127.0.0.1:${port}; location / { proxy_pass http://page; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header X-Real-IP $remote_addr; } } }`,
  );
  const child = spawn('nginx', ['-c', conf, '-p', dir], { stdio: ['ignore', 'ignore', 'inherit'] });
  try {
    for (let i = 0; ; i++) {
      if (await answers(`127.0.0.1:${port}`)) break;
      if (i > 200) throw new Error('nginx does not answer');
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return await httpRate(`127.0.0.1:${port}`, 'web.test');
  } finally {
    child.kill();
    await new Promise((resolve) => child.once('exit', resolve));
    rmSync(dir, { recursive: true, force: true });
  }
}

function answers(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const [host = '', port = ''] = address.split(':');
    const call = request({ host, port, agent: false }, (reply) => {
      reply.resume();
      resolve(true);
    });
    call.on('error', () => resolve(false));
    call.end();
  });
}

const figures: Figure[] = [];
const cluster = await startCluster(1);
const { endpoints } = JSON.parse(readFileSync(cluster.kubeconfig.replace(/kubeconfig$/, 'cluster.json'), 'utf8')) as { endpoints: Record<string, string> };
figures.push({ name: 'DNS: a Service of the cluster', value: await dnsRate(endpoints['dns'] ?? '', 'kubernetes.default.svc.cluster.local'), unit: 'q/s' });
figures.push({ name: 'DNS: no such name', value: await dnsRate(endpoints['dns'] ?? '', 'nope.default.svc.cluster.local'), unit: 'q/s' });
await cluster.stop();
const backend = await page();
figures.push({ name: 'HTTP: straight to the page', value: await httpRate(backend.address, 'web.test'), unit: 'req/s' });
figures.push({ name: 'ingress: built-in proxy', value: await builtInRate(backend.address), unit: 'req/s' });
const beside = await nginxRate(backend.address);
if (beside === undefined) process.stdout.write('nginx is not installed: nothing to compare with\n');
else figures.push({ name: 'ingress: nginx, one worker', value: beside, unit: 'req/s' });
backend.stop();
report('edge', figures, values.json);
