import { SubjectAccessReviews, TokenReviews } from '@orrery/api';
import type { SubjectAccessReview, TokenReview } from '@orrery/api/types';
import { exchange, streamPair } from '@orrery/http';
import { dialHost, serveHttp } from '@orrery/node-io';
import { resolveConfig } from '@orrery/runtime';
import { onTestFinished } from 'vitest';
import { type Fixture, fixture } from '../testing.ts';
import { createKubeletServer, kubeletServerSchema } from './kubelet-server.ts';

/** Lets `good` in; it may do what `may` says. */
function allowSome(f: Fixture, may: (verb: string, subresource: string) => boolean): void {
  const { create } = f.api;
  f.api.create = (async (resource, object, options) => {
    if (resource === (TokenReviews as unknown)) {
      const { token } = (object as TokenReview).spec ?? {};
      return { ...object, status: token === 'good' ? { authenticated: true, user: { username: 'reader', groups: ['g'] } } : { authenticated: false } };
    }
    if (resource === (SubjectAccessReviews as unknown)) {
      const { subresource, verb } = (object as SubjectAccessReview).spec?.resourceAttributes ?? {};
      return { ...object, status: { allowed: may(verb ?? '', subresource ?? '') } };
    }
    return create.call(f.api, resource, object, options);
  }) as typeof create;
}

const reads = (verb: string, subresource: string): boolean => verb === 'get' && ['proxy', 'metrics', 'pods'].includes(subresource);

/** A kubelet whose API is asked over HTTP, for tests; by default `good` may read logs and metrics, nothing else. */
export async function serving(options: Parameters<typeof fixture>[0] & { may?: (verb: string, subresource: string) => boolean; settings?: Record<string, unknown> } = {}) {
  const f = fixture(options);
  allowSome(f, options.may ?? reads);
  await f.kubelet.start();
  const server = createKubeletServer(
    f.env,
    {
      kubelets: () => [f.kubelet],
      api: f.api,
      serveHttp,
      connectStreaming: async (url) => {
        const [client, backend] = streamPair();
        void (async () => {
          const head = Buffer.from((await backend.read()) ?? []).toString();
          await backend.write(Buffer.from(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n${url.pathname}|${head.split('\r\n')[0]}`));
          await backend.closeWrite();
        })();
        return client;
      },
    },
    resolveConfig(kubeletServerSchema, [{ serverPort: 0, healthzPort: -1 }, options.settings ?? {}]),
  );
  onTestFinished(() => server.stop());
  await server.start();
  const get = async (target: string, headers: [string, string][] = [['Authorization', 'Bearer good']], method = 'GET') => {
    const reply = await exchange(await dialHost({ host: '127.0.0.1', port: server.port }), { method, target, headers: [['Host', 'x'], ...headers] });
    const chunks: Uint8Array[] = [];
    for await (const chunk of reply.body) chunks.push(chunk);
    return { status: reply.status, body: Buffer.concat(chunks).toString() };
  };
  return { ...f, server, get };
}

