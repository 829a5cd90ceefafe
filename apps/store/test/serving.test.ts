import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensurePki, serveHttp } from '@orrery/node-io';
import { AuthDefinition, KVDefinition } from '@orrery/proto/etcd';
import { type TlsMaterial, createClient, grpcChannel } from '@orrery/rpc';
import { describe, expect, it } from 'vitest';
import { createStore } from '../src/component.ts';
import { env, startStore, temporaryDir } from './servers.ts';

describe('TLS', () => {
  it('serves clients with a certificate of its authority, and no others', async () => {
    const dir = temporaryDir();
    const [pki, stranger] = [ensurePki(undefined), ensurePki(undefined)];
    const path = (name: string, pem: string): string => {
      writeFileSync(join(dir.path, name), pem);
      return join(dir.path, name);
    };
    const settings = {
      certFile: path('server.crt', pki.serverCert),
      keyFile: path('server.key', pki.serverKey),
      trustedCaFile: path('ca.crt', pki.caCert),
      clientCertAuth: true,
    };
    const server = await startStore({ settings });
    const put = async (tls: TlsMaterial): Promise<number | undefined> => {
      const channel = grpcChannel(server.address, { tls });
      try {
        return (await createClient(KVDefinition, channel).put({ key: Buffer.from('a') }, { timeoutMs: 3000 })).header?.revision;
      } finally {
        channel.close();
      }
    };
    expect(await put({ ca: pki.caCert, ...pki.clientCert('apiserver') })).toBe(2);
    await expect(put({ ca: pki.caCert })).rejects.toThrow();
    await expect(put({ ca: pki.caCert, ...stranger.clientCert('apiserver') })).rejects.toThrow();
    await expect(put({ ca: stranger.caCert, ...pki.clientCert('apiserver') })).rejects.toThrow();
    // The name in the certificate is the user, with authentication on.
    const channel = grpcChannel(server.address, { tls: { ca: pki.caCert, ...pki.clientCert('root') } });
    const auth = createClient(AuthDefinition, channel);
    await auth.userAdd({ name: 'root', options: { noPassword: true } });
    await auth.userGrantRole({ user: 'root', role: 'root' });
    await auth.authEnable({});
    expect((await auth.userList({})).users).toEqual(['root']);
    expect(await put({ ca: pki.caCert, ...pki.clientCert('root') })).toBe(3);
    await expect(put({ ca: pki.caCert, ...pki.clientCert('apiserver') })).rejects.toThrow('etcdserver: permission denied');
    channel.close();
    await server.stop();
    dir.remove();
  });
});

describe('status', () => {
  it('serves metrics and health over HTTP', async () => {
    const store = createStore(env(), { serveHttp }, { listenClient: [], listenMetrics: '127.0.0.1:0' });
    await store.start();
    const base = `http://127.0.0.1:${store.metricsPort}`;
    await createClient(KVDefinition, store.channel()).put({ key: Buffer.from('a') });
    expect(await (await fetch(`${base}/health`)).json()).toEqual({ health: 'true', reason: '' });
    expect(await (await fetch(`${base}/metrics`)).text()).toContain('etcd_debugging_mvcc_current_revision 2\n');
    expect((await fetch(`${base}/other`)).status).toBe(404);
    await store.stop();
  });
});
