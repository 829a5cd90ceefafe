import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigMaps, Deployments, Secrets } from '@orrery/api';
import { KVDefinition } from '@orrery/proto/etcd';
import { KeyManagementServiceDefinition } from '@orrery/proto/kms';
import { type GrpcServer, createClient, grpcServer, service } from '@orrery/rpc';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ApiServer, ApiServerConfig } from '../src/component.ts';
import { repeated, takesTurns } from './stores.ts';
import { type TestServer, admin, eventually, startTestServer } from './test-server.ts';

const secretOf = (fill: number): string => Buffer.alloc(32, fill).toString('base64');
const head = 'apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n';
const entry = (resources: string, ...providers: string[]): string => `- resources: [${resources}]\n  providers:\n${providers.map((one) => `  - ${one}\n`).join('')}`;
const keys = (kind: string, ...names: [string, number][]): string => `${kind}: {keys: [${names.map(([name, fill]) => `{name: ${name}, secret: ${secretOf(fill)}}`).join(', ')}]}`;
const plain = 'identity: {}';

describe('encryption at rest', () => {
  let dir = '';
  let server: TestServer;
  const closers: (() => Promise<unknown>)[] = [];
  beforeEach(() => (dir = mkdtempSync(join(tmpdir(), 'orrery-enc-'))));
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
    await server.stop();
    rmSync(dir, { recursive: true });
  });

  const write = (text: string): string => {
    writeFileSync(join(dir, 'enc.yaml'), head + text);
    return join(dir, 'enc.yaml');
  };
  const configured = (text: string): Partial<ApiServerConfig> => ({ encryptionProviderConfig: write(text) });
  const start = async (text: string, more: Partial<ApiServerConfig> = {}): Promise<void> => {
    server = await startTestServer({ ...configured(text), ...more });
  };
  const kv = () => createClient(KVDefinition, server.store.channel());
  const key = (path: string): string => `${server.server.core.registry.root}/${path}`;
  const raw = async (path: string): Promise<Buffer> => (await repeated(() => kv().range({ key: Buffer.from(key(path)) }))).kvs?.[0]?.value ?? Buffer.alloc(0);
  const put = (path: string, value: string | Buffer) => repeated(() => kv().put({ key: Buffer.from(key(path)), value: Buffer.from(value) }));
  const text = async (path: string): Promise<string> => (await raw(path)).toString('latin1');
  const secret = (name: string, value = 'hunter2') => ({ metadata: { name, namespace: 'default' }, stringData: { password: value } });
  const read = async (from: ApiServer, name: string): Promise<string> => Buffer.from((await from.client(admin).get(Secrets, { namespace: 'default', name })).data?.['password'] ?? '', 'base64').toString();

  it.each([
    ['aesgcm', 'k8s:enc:aesgcm:v1:one:'],
    ['aescbc', 'k8s:enc:aescbc:v1:one:'],
    ['secretbox', 'k8s:enc:secretbox:v1:one:'],
  ])('%s: the store holds no plain text, everything else works as ever', async (kind, prefix) => {
    await start(entry('secrets', keys(kind, ['one', 1]), plain));
    // One server all along: its metrics are looked at.
    const api = server.server.client(admin);
    const seen: string[] = [];
    const handle = api.watch(Secrets, { resourceVersion: '0' }, { events: (events) => seen.push(...events.map(({ type }) => type)), closed: () => undefined });
    await api.create(Secrets, secret('a'));
    await api.create(ConfigMaps, { metadata: { name: 'a', namespace: 'default' }, data: { open: 'text' } });
    expect((await text('secrets/default/a')).startsWith(prefix)).toBe(true);
    expect(await text('secrets/default/a')).not.toContain(Buffer.from('hunter2').toString('base64'));
    expect(await text('configmaps/default/a')).toContain('open');
    expect(await read(server.server, 'a')).toBe('hunter2');
    await api.patch(Secrets, { namespace: 'default', name: 'a' }, { stringData: { password: 'new' } }, { type: 'application/merge-patch+json' });
    expect((await api.list(Secrets, { namespace: 'default' })).items).toHaveLength(1);
    const replica = await server.replica();
    expect(await read(replica, 'a')).toBe('new');
    await api.delete(Secrets, { namespace: 'default', name: 'a' });
    await eventually(() => seen.join() === 'ADDED,MODIFIED,DELETED');
    handle.stop();
    expect(server.env.metrics.expose()).toMatch(new RegExp(`apiserver_storage_transformation_operations_total\\{resource="secrets",status="OK",transformation_type="to_storage",transformer_prefix="k8s:enc:${kind}:v1:"\\} [1-9]`));
  });

  it('keys rotate: all read, the first writes, and an update that changes nothing writes anew', async () => {
    await start(entry('secrets', keys('aesgcm', ['old', 1]), plain));
    await server.api.create(Secrets, secret('a'));
    const rotated = await server.replica(configured(entry('secrets', keys('aesgcm', ['new', 2], ['old', 1]), plain)));
    const client = rotated.client(admin);
    expect(await read(rotated, 'a')).toBe('hunter2');
    const before = await client.get(Secrets, { namespace: 'default', name: 'a' });
    const after = await client.update(Secrets, before);
    expect(await text('secrets/default/a')).toMatch(/^k8s:enc:aesgcm:v1:new:/);
    expect(Number(after.metadata?.resourceVersion)).toBeGreaterThan(Number(before.metadata?.resourceVersion));
    expect((await client.update(Secrets, after)).metadata?.resourceVersion).toBe(after.metadata?.resourceVersion);
  });

  it('migrates in and out through identity', async () => {
    await start(entry('secrets', plain));
    await server.api.create(Secrets, secret('a'));
    expect(await text('secrets/default/a')).toMatch(/^\{/);
    const encrypting = await server.replica(configured(entry('secrets', keys('aesgcm', ['k', 1]), plain)));
    await encrypting.client(admin).update(Secrets, await encrypting.client(admin).get(Secrets, { namespace: 'default', name: 'a' }));
    expect(await text('secrets/default/a')).toMatch(/^k8s:enc:aesgcm:v1:k:/);
    const leaving = await server.replica(configured(entry('secrets', plain, keys('aesgcm', ['k', 1]))));
    await leaving.client(admin).update(Secrets, await leaving.client(admin).get(Secrets, { namespace: 'default', name: 'a' }));
    expect(await text('secrets/default/a')).toMatch(/^\{/);
    expect(await read(leaving, 'a')).toBe('hunter2');
  });

  it('a wrong or missing key fails reads of the resource, in upstream\'s words, and touches nothing else', async () => {
    await start(entry('secrets', keys('aesgcm', ['k', 1])));
    await server.api.create(Secrets, secret('a'));
    const stored = await raw('secrets/default/a');
    const expectations: [string, string][] = [
      [entry('secrets', keys('aesgcm', ['k', 2])), 'cipher: message authentication failed'],
      [entry('secrets', keys('aesgcm', ['other', 1])), 'no matching key was found for the provided AES transformer'],
      [entry('secrets', keys('aescbc', ['k', 1])), 'no matching prefix found'],
      ['', 'identity transformer tried to read encrypted data'],
    ];
    for (const [settings, why] of expectations) {
      const wrong = (await server.replica(settings ? configured(settings) : { encryptionProviderConfig: '' })).client(admin);
      await expect(wrong.list(Secrets, {})).rejects.toMatchObject({ code: 500, reason: 'InternalError', message: `Internal error occurred: unable to transform key ${JSON.stringify(key('secrets/default/a'))}: ${why}` });
      await expect(wrong.get(Secrets, { namespace: 'default', name: 'a' })).rejects.toThrow(`Internal error occurred: ${why}`);
      await expect(wrong.update(Secrets, { metadata: { name: 'a', namespace: 'default' } })).rejects.toThrow(why);
      await expect(wrong.delete(Secrets, { namespace: 'default', name: 'a' })).rejects.toThrow(why);
      await wrong.create(ConfigMaps, { metadata: { generateName: 'fine-', namespace: 'default' } });
      expect((await wrong.list(ConfigMaps, {})).items.length).toBeGreaterThan(0);
    }
    expect((await raw('secrets/default/a')).equals(stored)).toBe(true);
    expect(await read(server.server, 'a')).toBe('hunter2');
  });

  it('rules name resources, groups and everything; an earlier one may not hide a later one', async () => {
    await start(entry('configmaps', plain) + entry('"*.apps"', keys('aesgcm', ['apps', 1]), plain) + entry('"*.*"', keys('aesgcm', ['all', 2]), plain));
    const { api } = server;
    await api.create(ConfigMaps, { metadata: { name: 'c', namespace: 'default' } });
    await api.create(Secrets, secret('s'));
    const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } };
    await api.create(Deployments, { metadata: { name: 'd', namespace: 'default' }, spec: { selector: { matchLabels: { a: 'b' } }, template } });
    expect(await text('configmaps/default/c')).toMatch(/^\{/);
    expect(await text('secrets/default/s')).toMatch(/^k8s:enc:aesgcm:v1:all:/);
    expect(await text('deployments/default/d')).toMatch(/^k8s:enc:aesgcm:v1:apps:/);
    await expect(server.replica(configured(entry('"*.*"', plain) + entry('secrets', plain)))).rejects.toThrow('resource "secrets" is masked by earlier rule "*.*"');
  });

  it('follows the file when told, and keeps the last one that works', async () => {
    await start(entry('secrets', keys('aesgcm', ['old', 1]), plain), { encryptionProviderConfigAutomaticReload: true });
    await server.api.create(Secrets, secret('a'));
    const { clock } = server.env;
    write('nonsense');
    await eventually(() => /automatic_reloads_total\{status="failure"\} [12]/.test(server.env.metrics.expose()), 'refusal');
    expect(await read(server.server, 'a')).toBe('hunter2');
    write(entry('secrets', keys('aesgcm', ['new', 2], ['old', 1]), plain));
    await eventually(async () => {
      // Of two servers, one may be ahead of the other.
      await server.api.patch(Secrets, { namespace: 'default', name: 'a' }, { metadata: { annotations: { at: String(clock.monotonic()) } } }, { type: 'application/merge-patch+json' }).catch(() => undefined);
      return (await text('secrets/default/a')).startsWith('k8s:enc:aesgcm:v1:new:');
    }, 'reload');
    await eventually(() => read(server.server, 'a').then((value) => value === 'hunter2', () => false));
    await eventually(() => server.api.list(Secrets, {}).then((list) => list.items.length === 1, () => false));
    expect(server.env.metrics.expose()).toMatch(/apiserver_encryption_config_controller_automatic_reloads_total\{status="success"\} [12]/);
  });

  it('a value that is no object fails lists of its resource alone until it is gone', async () => {
    await start(entry('secrets', plain));
    const { api } = server;
    await api.create(ConfigMaps, { metadata: { name: 'good', namespace: 'default' } });
    await put('configmaps/default/bad', '{bad json}');
    await put('secrets/default/alike', '{"kind":"Secret","apiVersion":"v1","metadata":{"name":"alike"},,}');
    await eventually(async () => api.list(ConfigMaps, {}).then(() => false, (error: Error) => error.message.startsWith(`unable to decode ${JSON.stringify(key('configmaps/default/bad'))}: `)));
    await expect(api.get(ConfigMaps, { namespace: 'default', name: 'bad' })).rejects.toMatchObject({ code: 500 });
    expect((await api.get(ConfigMaps, { namespace: 'default', name: 'good' })).metadata?.name).toBe('good');
    await expect(api.get(Secrets, { namespace: 'default', name: 'alike' })).rejects.toMatchObject({ code: 500 });
    const fresh = await server.replica();
    await expect(fresh.client(admin).list(ConfigMaps, {})).rejects.toMatchObject({ code: 500 });
    expect((await fresh.client(admin).list(Deployments, {})).items).toEqual([]);
    await kv().deleteRange({ key: Buffer.from(key('configmaps/default/bad')) });
    await eventually(async () => api.list(ConfigMaps, {}).then((list) => list.items.length === 1, () => false), 'repair');
  });

  it('reads what kube-apiserver has stored: protobuf', async () => {
    await start(entry('secrets', plain));
    const body = { kind: 'ConfigMap', apiVersion: 'v1', metadata: { name: 'wire', namespace: 'default' }, data: { a: 'b' } };
    const reply = await fetch(`${server.url}/api/v1/namespaces/default/configmaps`, { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json', accept: 'application/vnd.kubernetes.protobuf' } });
    const bytes = Buffer.from(await reply.arrayBuffer());
    expect(bytes.subarray(0, 4).toString('latin1')).toBe('k8s\0');
    await put('configmaps/default/wire', bytes);
    await eventually(async () => (await server.api.list(ConfigMaps, {})).items.length === 1);
    expect(await server.api.get(ConfigMaps, { namespace: 'default', name: 'wire' })).toMatchObject({ kind: 'ConfigMap', metadata: { name: 'wire' }, data: { a: 'b' } });
  });

  describe('with a KMS plugin', () => {
    interface Plugin {
      readonly endpoint: string;
      keyId: string;
      healthz: string;
      decrypts: number;
      encrypts: number;
      stop(): Promise<void>;
    }

    const xor = (bytes: Buffer): Buffer => Buffer.from(bytes.map((byte) => byte ^ 0x5a));
    const startPlugin = async (name = 'kms.sock'): Promise<Plugin> => {
      const plugin = { endpoint: `unix://${join(dir, name)}`, keyId: 'key-1', healthz: 'ok', decrypts: 0, encrypts: 0 };
      const server: GrpcServer = grpcServer([
        service(KeyManagementServiceDefinition, {
          status: async () => ({ version: 'v2', healthz: plugin.healthz, keyId: plugin.keyId }),
          encrypt: async ({ plaintext = Buffer.alloc(0) }) => {
            plugin.encrypts += 1;
            return { ciphertext: xor(plaintext), keyId: plugin.keyId, annotations: { 'version.kms.example': Buffer.from('1') } };
          },
          decrypt: async ({ ciphertext = Buffer.alloc(0), annotations = {} }) => {
            plugin.decrypts += 1;
            if (annotations['version.kms.example']?.toString() !== '1') throw new Error('no annotations');
            return { plaintext: xor(ciphertext) };
          },
        }),
      ]);
      await server.listen(`unix:${join(dir, name)}`);
      closers.push(() => server.stop());
      return Object.assign(plugin, { stop: () => server.stop() });
    };
    const kms = ({ endpoint }: Plugin): string => `kms: {apiVersion: v2, name: vault, endpoint: "${endpoint}", timeout: 2s}`;

    it('writes with a seed that the plugin keeps, and asks it once a seed', async () => {
      const plugin = await startPlugin();
      await start(entry('secrets', kms(plugin), plain));
      for (const name of ['a', 'b', 'c']) await server.api.create(Secrets, secret(name));
      expect(await text('secrets/default/a')).toMatch(/^k8s:enc:kms:v2:vault:/);
      expect(await text('secrets/default/a')).not.toContain(Buffer.from('hunter2').toString('base64'));
      // A seed a server; servers that take turns meet each other's.
      const servers = takesTurns() ? 2 : 1;
      expect(plugin.encrypts).toBe(servers);
      const replica = await server.replica();
      expect((await replica.client(admin).list(Secrets, {})).items).toHaveLength(3);
      expect(plugin.decrypts).toBeGreaterThan(0);
      expect(plugin.decrypts).toBeLessThanOrEqual(servers * servers);
      expect(await read(replica, 'b')).toBe('hunter2');
      const health = await fetch(`${server.url}/healthz/kms-provider-0`);
      expect(health.status).toBe(200);
    });

    it('a new key id means a new seed, and what was written before is stale', async () => {
      const plugin = await startPlugin();
      await start(entry('secrets', kms(plugin), plain));
      await server.api.create(Secrets, secret('a'));
      plugin.keyId = 'key-2';
      const replica = (await server.replica()).client(admin);
      expect(await text('secrets/default/a')).toContain('key-1');
      await replica.update(Secrets, await replica.get(Secrets, { namespace: 'default', name: 'a' }));
      expect(await text('secrets/default/a')).toContain('key-2');
      // The first server meets the new seed in an event.
      await eventually(async () => (await server.api.get(Secrets, { namespace: 'default', name: 'a' }, { resourceVersion: '0' })).data !== undefined);
      expect((await server.api.list(Secrets, {})).items).toHaveLength(1);
    });

    it('without the plugin nothing is written, reads of what is encrypted fail, and health says so', async () => {
      const plugin = await startPlugin();
      await start(entry('secrets', kms(plugin), plain));
      await server.api.create(Secrets, secret('a'));
      await plugin.stop();
      const replica = await server.replica();
      const client = replica.client(admin);
      await expect(client.create(Secrets, secret('b'))).rejects.toMatchObject({ code: 500 });
      await expect(client.list(Secrets, {})).rejects.toThrow(/unable to transform key .*failed to decrypt DEK, error: /);
      await client.list(ConfigMaps, {});
      const health = await fetch(`http://127.0.0.1:${replica.port}/healthz`);
      expect(await health.text()).toContain('[-]kms-provider-0 failed: reason withheld');
      expect(await read(server.server, 'a')).toBe('hunter2');
      const back = await startPlugin();
      expect(back.endpoint).toBe(plugin.endpoint);
      await eventually(async () => client.list(Secrets, {}).then((list) => list.items.length === 1, () => false), 'the plugin is back');
    });
  });
});
