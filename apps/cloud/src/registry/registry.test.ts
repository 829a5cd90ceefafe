import { type BlobFolder, createHttpClient, ensurePki, serveHttp } from '@orrery/node-io';
import { resolveConfig } from '@orrery/runtime';
import { describe, expect, it, onTestFinished } from 'vitest';
import { cloudSchema, createCloud } from '../component.ts';
import { fakeNetwork, memoryState, testEnv } from '../testing/cloud-harness.ts';
import { createLedger } from '../ledger.ts';
import { parsePath } from './path.ts';
import { type RegistryOptions, createRegistry } from './registry.ts';
import { registryUsers } from './users.ts';

async function digestOf(bytes: Uint8Array): Promise<string> {
  return `sha256:${Buffer.from(await crypto.subtle.digest('SHA-256', new Uint8Array(bytes))).toString('hex')}`;
}

function memoryBlobs(): BlobFolder {
  const [blobs, uploads] = [new Map<string, Uint8Array>(), new Map<string, Uint8Array>()];
  return {
    size: async (digest) => blobs.get(digest)?.byteLength,
    async *read(digest, from = 0) {
      yield (blobs.get(digest) ?? new Uint8Array()).subarray(from);
    },
    uploaded: async (name) => uploads.get(name)?.byteLength,
    async append(name, pieces) {
      const parts: Uint8Array[] = [uploads.get(name) ?? new Uint8Array()];
      for await (const piece of pieces) parts.push(piece);
      const all = Buffer.concat(parts);
      uploads.set(name, all);
      return all.byteLength;
    },
    async commit(name, digest) {
      const bytes = uploads.get(name) ?? new Uint8Array();
      uploads.delete(name);
      if ((await digestOf(bytes)) !== digest) return false;
      blobs.set(digest, bytes);
      return true;
    },
    discard: async (name) => void uploads.delete(name),
    discardAll: async () => uploads.clear(),
    remove: async (digest) => void blobs.delete(digest),
  };
}

async function start(options: Partial<RegistryOptions> = {}) {
  const handler = createRegistry(testEnv(), { ledger: createLedger(undefined), blobs: memoryBlobs(), users: new Map(), open: [], ...options });
  const server = await serveHttp({ host: '127.0.0.1', port: 0, handler });
  onTestFinished(() => server.close());
  const call = async (method: string, path: string, more: { body?: string; headers?: Record<string, string> } = {}) => {
    const reply = await fetch(path.startsWith('http') ? path : `http://127.0.0.1:${server.port}${path}`, { method, headers: { connection: 'close', ...more.headers }, ...(more.body === undefined ? {} : { body: more.body }) });
    const text = await reply.text();
    return { status: reply.status, text, header: (name: string) => reply.headers.get(name) ?? '', code: () => (JSON.parse(text) as { errors: { code: string }[] }).errors[0]?.code };
  };
  /** Pushes content as a client does that sends it in two pieces. */
  const push = async (repository: string, content: string): Promise<string> => {
    const digest = await digestOf(Buffer.from(content));
    const started = await call('POST', `/v2/${repository}/blobs/uploads/`, { body: '' });
    const half = Math.floor(content.length / 2);
    const sent = await call('PATCH', started.header('location'), { body: content.slice(0, half), headers: { 'content-range': `0-${half - 1}` } });
    expect([started.status, sent.status, sent.header('range')]).toEqual([202, 202, `0-${half - 1}`]);
    expect((await call('PUT', `${sent.header('location')}?digest=${digest}`, { body: content.slice(half) })).status).toBe(201);
    return digest;
  };
  return { call, push };
}

const manifestType = 'application/vnd.oci.image.manifest.v1+json';
const image = (config: string, layer: string, more: object = {}): string => JSON.stringify({ schemaVersion: 2, mediaType: manifestType, config: { mediaType: 'x', digest: config, size: 2 }, layers: [{ mediaType: 'y', digest: layer, size: 5 }], ...more });

describe('the image registry', () => {
  it('takes images and gives them back', async () => {
    const { call, push } = await start();
    expect([(await call('GET', '/v2/')).status, (await call('GET', '/v2/')).header('docker-distribution-api-version')]).toEqual([200, 'registry/2.0']);
    const [config, layer] = [await push('team/app', '{}'), await push('team/app', 'layer content')];
    const text = image(config, layer);
    const digest = await digestOf(Buffer.from(text));
    const pushed = await call('PUT', '/v2/team/app/manifests/v1', { body: text, headers: { 'content-type': manifestType } });
    expect([pushed.status, pushed.header('docker-content-digest')]).toEqual([201, digest]);
    for (const reference of ['v1', digest]) {
      const found = await call('GET', `/v2/team/app/manifests/${reference}`);
      expect([found.status, found.text, found.header('content-type')]).toEqual([200, text, manifestType]);
    }
    const head = await call('HEAD', `/v2/team/app/blobs/${layer}`);
    expect([head.status, head.header('content-length'), head.text]).toEqual([200, '13', '']);
    expect((await call('GET', `/v2/team/app/blobs/${layer}`)).text).toBe('layer content');
    const rest = await call('GET', `/v2/team/app/blobs/${layer}`, { headers: { range: 'bytes=6-' } });
    expect([rest.status, rest.text, rest.header('content-range')]).toEqual([206, 'content', 'bytes 6-12/13']);
    expect((await call('DELETE', `/v2/team/app/blobs/${layer}`)).status).toBe(409);
    expect((await call('DELETE', `/v2/team/app/manifests/${digest}`)).status).toBe(202);
    expect((await call('GET', '/v2/team/app/manifests/v1')).code()).toBe('MANIFEST_UNKNOWN');
    expect((await call('DELETE', `/v2/team/app/blobs/${layer}`)).status).toBe(202);
  });

  it('lists repositories and tags in pages, and what refers to an image', async () => {
    const { call, push } = await start();
    const [config, layer] = [await push('a', '{}'), await push('a', 'layer')];
    const text = image(config, layer);
    const digest = await digestOf(Buffer.from(text));
    for (const [repository, tag] of [['a', 'v2'], ['a', 'v1'], ['b/c', 'latest']]) expect((await call('PUT', `/v2/${repository}/manifests/${tag}`, { body: text })).status).toBe(201);
    await call('PUT', '/v2/a/manifests/signature', { body: image(config, layer, { subject: { digest, mediaType: manifestType, size: 1 }, artifactType: 'sig' }) });
    expect((await call('GET', '/v2/_catalog')).text).toBe('{"repositories":["a","b/c"]}');
    const page = await call('GET', '/v2/a/tags/list?n=2');
    expect([page.text, page.header('link')]).toEqual(['{"name":"a","tags":["signature","v1"]}', '</v2/a/tags/list?n=2&last=v1>; rel="next"']);
    expect((await call('GET', '/v2/a/tags/list?n=2&last=v1')).text).toBe('{"name":"a","tags":["v2"]}');
    expect(JSON.parse((await call('GET', `/v2/a/referrers/${digest}`)).text)).toMatchObject({ schemaVersion: 2, manifests: [{ artifactType: 'sig' }] });
  });

  it('refuses what is wrong in the words of the specification', async () => {
    const { call, push } = await start();
    const none = `sha256:${'0'.repeat(64)}`;
    const cases: [string, string, string | undefined, number, string][] = [
      ['GET', '/v2/x/blobs/sha256:12', undefined, 400, 'DIGEST_INVALID'],
      ['GET', `/v2/x/blobs/${none}`, undefined, 404, 'BLOB_UNKNOWN'],
      ['GET', '/v2/UP/tags/list', undefined, 400, 'NAME_INVALID'],
      ['GET', '/v2/x/tags/list', undefined, 404, 'NAME_UNKNOWN'],
      ['GET', '/v2/nothing', undefined, 404, 'NAME_UNKNOWN'],
      ['PUT', '/v2/x/manifests/v1', 'no json', 400, 'MANIFEST_INVALID'],
      ['PUT', '/v2/x/manifests/v1', image(none, none), 404, 'MANIFEST_BLOB_UNKNOWN'],
      ['PUT', `/v2/x/manifests/${none}`, '{}', 400, 'DIGEST_INVALID'],
      ['POST', `/v2/x/blobs/uploads/?digest=${none}`, 'other', 400, 'DIGEST_INVALID'],
      ['PATCH', '/v2/x/blobs/uploads/11111111-2222-4333-8444-555555555555', 'x', 404, 'BLOB_UPLOAD_UNKNOWN'],
      ['POST', '/v2/_catalog', '', 405, 'UNSUPPORTED'],
    ];
    for (const [method, path, body, status, code] of cases) {
      const reply = await call(method, path, body === undefined ? {} : { body });
      expect([path, reply.status, reply.code()]).toEqual([path, status, code]);
    }
    const started = await call('POST', '/v2/x/blobs/uploads/', { body: 'abc' });
    expect((await call('PATCH', started.header('location'), { body: 'x', headers: { 'content-range': '7-8' } })).status).toBe(416);
    expect((await call('DELETE', started.header('location'))).status).toBe(204);
    const mounted = await push('x', 'shared');
    expect((await call('POST', `/v2/y/blobs/uploads/?mount=${mounted}&from=x`, { body: '' })).status).toBe(201);
  });

  it('lets in who shows a password, and everybody where that is wanted', async () => {
    const { call } = await start({ users: registryUsers('# users\nann:secret:with-colon\n'), open: ['public'] });
    const basic = (text: string) => ({ headers: { authorization: `Basic ${Buffer.from(text).toString('base64')}` } });
    const refused = await call('GET', '/v2/');
    expect([refused.status, refused.header('www-authenticate'), refused.code()]).toEqual([401, 'Basic realm="registry"', 'UNAUTHORIZED']);
    expect((await call('GET', '/v2/', basic('ann:secret:with-colon'))).status).toBe(200);
    expect((await call('GET', '/v2/', basic('ann:guess'))).status).toBe(401);
    expect((await call('GET', '/v2/public/app/manifests/v1')).status).toBe(404);
    expect((await call('GET', '/v2/publicity/manifests/v1')).status).toBe(401);
    expect((await call('POST', '/v2/public/app/blobs/uploads/', { body: '' })).status).toBe(401);
    expect(() => registryUsers('nobody')).toThrow('line 1 is not USER:PASSWORD');
  });

  it('knows its images after a restart', async () => {
    const [blobs, state] = [memoryBlobs(), memoryState()];
    const { call, push } = await start({ blobs, ledger: createLedger(state) });
    const text = image(await push('a', '{}'), await push('a', 'layer'));
    await call('PUT', '/v2/a/manifests/v1', { body: text });
    const ledger = createLedger(state);
    await ledger.load();
    expect((await (await start({ blobs, ledger })).call('GET', '/v2/a/manifests/v1')).text).toBe(text);
  });
});

it('speaks TLS where it is given a certificate', async () => {
  const pki = ensurePki(undefined);
  const tls = { cert: pki.serverCert, key: pki.serverKey };
  const cloud = createCloud(testEnv(), { network: fakeNetwork().network, registry: { blobs: memoryBlobs(), serve: serveHttp, users: new Map(), tls } }, resolveConfig(cloudSchema, [{ registryListen: '127.0.0.1:0' }]));
  await cloud.start();
  onTestFinished(() => cloud.stop());
  const http = createHttpClient({ server: `https://127.0.0.1:${cloud.registryPort()}`, ca: pki.caCert });
  onTestFinished(() => http.close());
  expect((await http.request({ method: 'GET', path: '/v2/', headers: {} })).status).toBe(200);
});

it.each([
  ['/v2/a/b/c/manifests/v1', { kind: 'manifest', repository: 'a/b/c', reference: 'v1' }],
  ['/v2/a/tags/list', { kind: 'tags', repository: 'a' }],
  ['/v2/a/blobs/uploads', { kind: 'start-upload', repository: 'a' }],
  ['/v2/manifests/manifests/manifests', { kind: 'manifest', repository: 'manifests', reference: 'manifests' }],
])('understands %s', (path, expected) => expect(parsePath(path)).toEqual(expected));
