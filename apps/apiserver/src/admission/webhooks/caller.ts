import type { WebhookClientConfig } from '@orrery/api/types';
import { parseExactly } from '@orrery/apimachinery';
import { StatusError } from '@orrery/errors';
import { type ByteStream, exchange } from '@orrery/http';
import { type DialTls, dial, dialTlsOver } from '@orrery/node-io/dial';
import type { PluginContext } from '../../pipeline/index.ts';
import { readyEndpoint } from '../../service-endpoint.ts';

/** Posts a review to a webhook and brings back the answer's JSON. Rejects with an error whose message tells what went wrong. */
export type Caller = (call: { readonly config: WebhookClientConfig; readonly timeoutSeconds: number; readonly body: unknown }) => Promise<unknown>;

interface Target {
  readonly url: URL;
  readonly host: string;
  readonly port: number;
  readonly serverName?: string;
  /** In the cluster's network rather than this machine's. */
  readonly inCluster: boolean;
}

const maxReplyBytes = 6 * 1024 * 1024;

type Needs = Pick<PluginContext, 'env' | 'read' | 'clusterNet'>;

/** As Go's path.Join: no empty parts, no slash at the end. */
function joined(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return `/${parts.join('/')}`;
}

/** Where the request says it goes: what errors and the Host header name. */
function urlOf({ url = '', service }: WebhookClientConfig, timeoutSeconds: number): { text: string; url: URL } {
  const [, host = '', path = ''] = service ? ['', `https://${service.name}.${service.namespace}.svc:${service.port ?? 443}`, service.path] : (/^([^/]*\/\/[^/]*)(.*)$/.exec(url) ?? []);
  const text = `${host}${joined(path)}?timeout=${timeoutSeconds}s`;
  return { text, url: new URL(text) };
}

function targetOf(config: WebhookClientConfig, url: URL, needs: Needs): Target {
  const { service } = config;
  if (!service) return { url, host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port || 443), inCluster: false };
  const { namespace, name, port = 443 } = service;
  return { url, ...readyEndpoint({ namespace, name, port }, needs), serverName: `${name}.${namespace}.svc` };
}

async function connect(target: Target, config: WebhookClientConfig, options: { timeoutMs: number; needs: Needs }): Promise<ByteStream> {
  const { host, port, serverName } = target;
  const { timeoutMs, needs } = options;
  const trust: DialTls = config.caBundle ? { ca: Buffer.from(config.caBundle, 'base64').toString('utf8') } : { systemRoots: true };
  const to = { host, port, timeoutMs, tls: { ...trust, ...(serverName ? { serverName } : {}) } };
  if (!target.inCluster || !needs.clusterNet) return dial(to);
  return dialTlsOver(await needs.clusterNet.dial({ ip: host, port }, { timeoutMs }), to);
}

async function bodyOf(parts: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const part of parts) {
    size += part.length;
    if (size > maxReplyBytes) throw new Error('response is too large');
    chunks.push(part);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** What a client says of an answer other than success. */
function refusal(status: number, text: string): StatusError {
  if (status === 404) return new StatusError({ code: 404, reason: 'NotFound', message: 'the server could not find the requested resource' });
  if (status >= 500) return new StatusError({ code: status, reason: 'InternalError', message: `an error on the server (${JSON.stringify(text.trim() || 'unknown')}) has prevented the request from succeeding` });
  return new StatusError({ code: status, message: `the server responded with the status code ${status} but did not return more information` });
}

/** The HTTPS client of webhooks: one connection a call. */
export function createCaller(needs: Needs): Caller {
  return async ({ config, timeoutSeconds, body }) => {
    const { text, url } = urlOf(config, timeoutSeconds);
    let stream: ByteStream | undefined;
    let isLate = false;
    const talk = async (): Promise<{ status: number; text: string }> => {
      stream = await connect(targetOf(config, url, needs), config, { timeoutMs: timeoutSeconds * 1000, needs });
      if (isLate) stream.close();
      const bytes = Buffer.from(JSON.stringify(body));
      const headers: [string, string][] = [['Host', url.host], ['Content-Type', 'application/json'], ['Accept', 'application/json, */*'], ['User-Agent', 'kube-apiserver-admission']];
      const reply = await exchange(stream, { method: 'POST', target: `${url.pathname}${url.search}`, headers, body: bytes });
      return { status: reply.status, text: await bodyOf(reply.body) };
    };
    const reply = await new Promise<{ status: number; text: string }>((resolve, reject) => {
      const late = needs.env.clock.after(timeoutSeconds * 1000, () => {
        isLate = true;
        stream?.close();
        reject(new Error(`Post ${JSON.stringify(text)}: context deadline exceeded`));
      });
      talk().then(resolve, (error: Error) => reject(new Error(`Post ${JSON.stringify(text)}: ${error.message}`))).finally(() => late.cancel());
    });
    if (reply.status < 200 || reply.status > 299) throw refusal(reply.status, reply.text);
    return parseExactly(reply.text);
  };
}
