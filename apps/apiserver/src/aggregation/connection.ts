import type { ByteStream } from '@orrery/http';
import { exchange } from '@orrery/http';
import { type DialTls, dial, dialTlsOver } from '@orrery/node-io/dial';
import type { PluginContext, UserInfo } from '../pipeline/index.ts';
import { type ServiceEndpoint, readyEndpoint } from '../service-endpoint.ts';
import type { Backend } from '../streaming/backend.ts';
import type { RemoteService } from './api-service.ts';
import { identityHeaders } from './identity-headers.ts';

export type ConnectionNeeds = Pick<PluginContext, 'env' | 'read' | 'clusterNet' | 'config'>;

const dialTimeoutMs = 30_000;
const maxReplyBytes = 32 * 1024 * 1024;

/** Throws in upstream's words when there is nothing to connect to. */
export function endpointOf(remote: RemoteService, needs: ConnectionNeeds): ServiceEndpoint {
  return readyEndpoint(remote.service, needs);
}

/** `Host` of requests to it. */
export const authority = ({ host, port }: ServiceEndpoint): string => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`);

function trustOf({ ca, insecure, service }: RemoteService): DialTls {
  const trust: DialTls = insecure ? {} : ca ? { ca } : { systemRoots: true };
  return { ...trust, serverName: `${service.name}.${service.namespace}.svc` };
}

export interface ConnectOptions {
  readonly needs: ConnectionNeeds;
  /** Default: as the APIService says. */
  readonly isUnverified?: boolean;
  readonly timeoutMs?: number;
}

/** Connects with TLS, showing the proxy's certificate. Rejects with NetError. */
export async function connect(remote: RemoteService, to: ServiceEndpoint, { needs, isUnverified = false, timeoutMs = dialTimeoutMs }: ConnectOptions): Promise<ByteStream> {
  const { proxyClientCertFile: cert, proxyClientKeyFile: key } = needs.config;
  const tls = { ...trustOf(isUnverified ? { ...remote, insecure: true } : remote), ...(cert ? { cert, key } : {}) };
  const target = { host: to.host, port: to.port, tls, timeoutMs };
  if (!needs.clusterNet || !to.inCluster) return dial(target);
  return dialTlsOver(await needs.clusterNet.dial({ ip: to.host, port: to.port }, { timeoutMs }), target);
}

/** A connection for one proxied request. */
export async function openBackend(remote: RemoteService, user: UserInfo, options: ConnectOptions & { readonly to: ServiceEndpoint }): Promise<Backend> {
  const headers = identityHeaders(user);
  return { stream: await connect(remote, options.to, options), host: authority(options.to), headers };
}

export interface FetchedReply {
  readonly status: number;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Buffer;
}

async function wholeBody(parts: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const part of parts) {
    size += part.length;
    if (size > maxReplyBytes) throw new Error(`reply exceeds ${maxReplyBytes} bytes`);
    chunks.push(part);
  }
  return Buffer.concat(chunks);
}

/** One GET of the aggregator's own, within `timeoutMs` from the dial to the last byte. */
export async function fetchFrom(
  remote: RemoteService,
  request: { readonly to: ServiceEndpoint; readonly path: string; readonly headers?: readonly [string, string][] },
  options: ConnectOptions & { readonly timeoutMs: number },
): Promise<FetchedReply> {
  const { to, path, headers = [] } = request;
  const { timeoutMs, needs } = options;
  let stream: ByteStream | undefined;
  let isLate = false;
  const talk = async (): Promise<FetchedReply> => {
    stream = await connect(remote, to, options);
    if (isLate) stream.close();
    const user = { username: 'system:kube-aggregator', groups: ['system:masters'] };
    const all: [string, string][] = [['Host', authority(to)], ['User-Agent', 'kube-aggregator'], ...identityHeaders(user), ...headers];
    const reply = await exchange(stream, { method: 'GET', target: path, headers: all });
    return { status: reply.status, headers: reply.headers, body: await wholeBody(reply.body) };
  };
  return new Promise((resolve, reject) => {
    const late = needs.env.clock.after(timeoutMs, () => {
      isLate = true;
      stream?.close();
      reject(new Error('context deadline exceeded'));
    });
    talk()
      .then(resolve, reject)
      .finally(() => late.cancel());
  });
}
