import http from 'node:http';
import https from 'node:https';
import type { HttpClient, HttpClientRequest, HttpClientResponse } from '@orrery/client';

export interface HttpClientOptions {
  /** `https://host:port`, with an optional path that is put before every request's. */
  readonly server: string;
  /** PEM. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** Accept any certificate of the server. */
  readonly insecureSkipTlsVerify?: boolean;
  /** Name to verify the server's certificate against, if not the host of `server`. */
  readonly serverName?: string;
  /** Connections for ordinary requests. Default 64. */
  readonly maxSockets?: number;
}

function responseOf(message: http.IncomingMessage): HttpClientResponse {
  const headers = Object.fromEntries(Object.entries(message.headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : value]));
  return {
    status: message.statusCode ?? 0,
    headers,
    async text() {
      const parts: Buffer[] = [];
      for await (const part of message) parts.push(part as Buffer);
      return Buffer.concat(parts).toString('utf8');
    },
    chunks: () => message,
  };
}

/** HTTP/1.1 over kept connections, by Node's own client. Long answers have connections of their own. */
export function createHttpClient(options: HttpClientOptions): HttpClient {
  const base = new URL(options.server);
  const secure = base.protocol === 'https:';
  const tls = {
    ...(options.ca === undefined ? {} : { ca: options.ca }),
    ...(options.cert === undefined ? {} : { cert: options.cert }),
    ...(options.key === undefined ? {} : { key: options.key }),
    ...(options.serverName === undefined ? {} : { servername: options.serverName }),
    rejectUnauthorized: options.insecureSkipTlsVerify !== true,
  };
  const agent = (maxSockets: number): http.Agent => (secure ? new https.Agent({ ...tls, keepAlive: true, maxSockets }) : new http.Agent({ keepAlive: true, maxSockets }));
  const ordinary = agent(options.maxSockets ?? 64);
  const long = agent(Number.POSITIVE_INFINITY);
  const prefix = base.pathname.replace(/\/$/, '');
  return {
    request: ({ method, path, headers, body, signal, streaming }: HttpClientRequest) =>
      new Promise((resolve, reject) => {
        const wanted = {
          host: base.hostname.replace(/^\[|\]$/g, ''),
          port: base.port || (secure ? 443 : 80),
          method,
          path: prefix + path,
          headers,
          agent: streaming ? long : ordinary,
          ...(signal ? { signal } : {}),
        };
        const request = (secure ? https : http).request(wanted, (message) => resolve(responseOf(message)));
        request.on('error', reject);
        request.setNoDelay(true);
        request.end(body);
      }),
    close() {
      ordinary.destroy();
      long.destroy();
    },
  };
}
