import { Agent, createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createFabric } from '@orrery/vnet';
import { duplexOverConn, ensurePki, managedNginx, nginxInstalled } from '@orrery/node-io';
import { afterAll, describe, expect, it } from 'vitest';
import { readGlobal } from '../src/annotations/global.ts';
import { createNginxPlane } from '../src/nginx/plane.ts';
import { renderNginx } from '../src/nginx/render.ts';
import { buildTable } from '../src/routing/table.ts';
import { controller, ingress, testEnv, world } from '../src/testing/world.ts';

const rich = [
  ingress('shop', { 'shop.test': [['/', 'Prefix', 'web'], ['/api', 'Prefix', 'api'], ['/exact', 'Exact', 'web']], '*.wild.test': [['/', 'Prefix', 'web']] }, {
    'limit-rps': '1000', 'limit-connections': '100', 'enable-cors': 'true', 'cors-allow-origin': 'https://*.b.test', affinity: 'cookie', 'session-cookie-name': 'route', 'whitelist-source-range': '127.0.0.0/8', 'server-alias': 'alias.test', 'from-to-www-redirect': 'true',
  }, { tls: [{ hosts: ['secure.test'] }] }),
  ingress('canary', { 'shop.test': [['/api', 'Prefix', 'next']] }, { canary: 'true', 'canary-by-header': 'X-New', 'canary-by-cookie': 'new', 'canary-weight': '30' }),
  ingress('rewrite', { 'rewrite.test': [['/a(/|$)(.*)', 'ImplementationSpecific', 'web']] }, { 'rewrite-target': '/$2', 'upstream-hash-by': '$request_uri', 'proxy-body-size': '8m' }),
  ingress('grpc', { 'grpc.test': [['/', 'Prefix', 'web']] }, { 'backend-protocol': 'GRPC' }),
  ingress('moved', { 'moved.test': [['/', 'Prefix', 'web']] }, { 'permanent-redirect': 'https://new.test$request_uri' }),
  ingress('users', { 'users.test': [['/', 'Prefix', 'web']] }, { 'auth-type': 'basic', 'auth-secret': 'users' }),
  ingress('nobody', { 'nobody.test': [['/', 'Prefix', 'gone']] }),
  ingress('secure', { 'secure.test': [['/', 'Prefix', 'web']] }),
];
const endpoints: Record<string, string[]> = { web: ['10.244.0.2', '10.244.0.3'], api: ['10.244.0.2'], next: ['10.244.0.4'], gone: [] };
const secrets = { users: { data: { auth: btoa('ann:{PLAIN}pw\n') } } };

it('renders a configuration from a table, always the same', () => {
  const backends = world(rich, { endpoints, secrets });
  const input = { table: buildTable(backends, controller), global: readGlobal({ 'hide-headers': 'server' }).settings, backends, address: (endpoint: { ip: string; port: number } | undefined) => (endpoint ? `${endpoint.ip}:${endpoint.port}` : '127.0.0.1:1'), host: '127.0.0.1', httpPort: 80, httpsPort: 443, generation: 3, dir: '/d', user: '' };
  const files = renderNginx(input);
  expect(renderNginx(input)).toEqual(files);
  expect(files.get('passwords/d-users')).toBe('ann:{PLAIN}pw\n');
  const conf = files.get('nginx.conf') ?? '';
  for (const line of [
    'upstream d-api-80-sticky-route {', 'server 10.244.0.2:8080 max_fails=0;', 'server 127.0.0.1:1 max_fails=0 backup;', 'server_name "shop.test";', 'server_name "~^[^.]+\\.wild\\.test$";', 'location = "/exact" {', 'location "/api/" {', 'location ~* "^/a(/|$)(.*)" {', 'rewrite "(?i)^/a(/|$)(.*)" /$2 break;',
    'client_max_body_size 8388608;', 'grpc_pass grpc://d-web-80;', 'return 301 https://new.test$request_uri;', 'limit_req zone=d-shop_rps burst=5000 nodelay;', 'allow 127.0.0.0/8;', 'hash "$request_uri" consistent;', 'proxy_hide_header server;',
    'return 308 https://$host$request_uri;', 'return 503;', 'server_name www.shop.test;', 'if (-f /d/leaving-3) { set $leaving close; }', 'return 404 "default backend - 404";',
  ]) expect(conf).toContain(line);
  expect(conf).toMatch(/split_clients \$request_id \$canary_[0-9a-f]+_weight \{ 30% d-next-80-sticky-route; \* d-api-80-sticky-route; \}/);
});

interface Got {
  readonly status: number;
  readonly text: string;
  readonly location: string | undefined;
}

function get(address: string, host: string, path: string, headers: Record<string, string> = {}, agent: Agent | false = false): Promise<Got> {
  const [ip = '', port = ''] = address.split(':');
  return new Promise((resolve, reject) => {
    const call = request({ host: ip, port, path, agent, headers: { host, ...headers } }, (reply) => {
      let text = '';
      reply.on('data', (chunk) => (text += String(chunk)));
      reply.on('end', () => resolve({ status: reply.statusCode ?? 0, text, location: reply.headers.location }));
      reply.on('error', reject);
    });
    call.on('error', reject);
    call.end();
  });
}

describe.skipIf(!nginxInstalled())(`nginx${nginxInstalled() ? '' : ' (not run: nginx is not installed)'}`, () => {
  const stops: (() => Promise<unknown>)[] = [];
  afterAll(async () => {
    for (const stop of stops) await stop();
  }, 60_000);

  it('takes the configuration, serves by it, and takes changes without losing a request', { timeout: 120_000 }, async () => {
    const env = testEnv();
    const node = createFabric(env).addSwitch({ node: 'n', nodeIp: '10.240.0.11' });
    for (const n of [2, 3, 4, 5]) {
      const server = createServer((message, response) => response.end(`${n} ${message.url}`));
      node.attach({ ips: [`10.244.0.${n}`] }).stack.listen({ ip: '', port: 8080 }, (conn) => void server.emit('connection', duplexOverConn(conn)));
    }
    const other = createServer();
    const taken = await new Promise<number>((resolve) => other.listen(0, '127.0.0.1', () => resolve((other.address() as AddressInfo).port)));
    stops.push(() => new Promise((resolve) => other.close(resolve)));
    const pki = ensurePki(undefined);
    const errors: string[] = [];
    const nginx = managedNginx({ host: '127.0.0.1', httpPort: taken, httpsPort: 0, anyPortIfTaken: true, fallbackCertificate: { cert: pki.serverCert, key: pki.serverKey }, dial: (to) => node.hostStack.dial(to), log: (line) => void errors.push(line) });
    const backends = world(rich, { endpoints, secrets });
    let global = readGlobal({ 'disable-access-log': 'true' }).settings;
    const plane = createNginxPlane({ report: { reloaded: () => undefined, failed: () => undefined }, env, nginx, backends, table: () => buildTable({ ...backends, global }, controller), global: () => global });
    stops.push(() => plane.stop());
    const { http } = await plane.start();
    expect(http).not.toBe(`127.0.0.1:${taken}`);
    expect(await get(http, 'shop.test', '/x')).toMatchObject({ status: 200, text: expect.stringMatching(/^[23] \/x$/) as string });
    expect(await get(http, 'shop.test', '/api', { 'x-new': 'always' })).toMatchObject({ text: '4 /api' });
    expect(await get(http, 'shop.test', '/api', { 'x-new': 'never' })).toMatchObject({ text: '2 /api' });
    expect(await get(http, 'rewrite.test', '/a/b?c=d')).toMatchObject({ text: expect.stringMatching(/^[23] \/b\?c=d$/) as string });
    expect(await get(http, 'moved.test', '/p')).toMatchObject({ status: 301, location: 'https://new.test/p' });
    expect(await get(http, 'secure.test', '/')).toMatchObject({ status: 308 });
    expect(await get(http, 'nobody.test', '/')).toMatchObject({ status: 503 });
    expect(await get(http, 'x.wild.test', '/')).toMatchObject({ status: 200 });
    expect(await get(http, 'unknown.test', '/')).toMatchObject({ status: 404, text: 'default backend - 404' });
    expect(await get(http, 'users.test', '/')).toMatchObject({ status: 401 });
    expect(await get(http, 'users.test', '/', { authorization: `Basic ${btoa('ann:pw')}` })).toMatchObject({ status: 200 });
    let running = true;
    const answers = new Map<number | string, number>();
    const agent = new Agent({ keepAlive: true });
    // Some keep their connections, others open one for each request.
    const load = [agent, agent, agent, agent, false as const, false as const].map(async (kept) => {
      while (running) {
        const answer = await get(http, 'rewrite.test', '/a', {}, kept).then(({ status }) => status, (error: Error) => error.message);
        answers.set(answer, (answers.get(answer) ?? 0) + 1);
      }
    });
    for (const [turn, ip] of ['10.244.0.5', '10.244.0.4', '10.244.0.3', '10.244.0.5'].entries()) {
      endpoints['web'] = [ip];
      global = readGlobal({ 'disable-access-log': 'true', 'proxy-body-size': `${turn + 2}m` }).settings;
      plane.changed();
      await env.clock.advance(100);
      await expect.poll(async () => (await get(http, 'rewrite.test', '/a')).text, { timeout: 60_000 }).toBe(`${ip.at(-1)} /`);
    }
    running = false;
    await Promise.all(load);
    agent.destroy();
    expect([...answers.keys()]).toEqual([200]);
  });
});
