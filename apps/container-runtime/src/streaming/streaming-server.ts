import { type ByteStream, type UpgradeRequest, streamOfSocket } from '@orrery/http';
import type { HttpHandler, HttpServer, ServeHttp } from '@orrery/node-io';
import { Code, RpcError } from '@orrery/rpc';
import type { Env, Timer } from '@orrery/runtime';

/** Serves one upgraded request; resolves when it is over. */
export type StreamHandler = (request: UpgradeRequest, stream: ByteStream) => Promise<void>;

/** The HTTP server behind the URLs of Exec, Attach and PortForward. One may serve the runtimes of many nodes. */
export interface StreamingServer {
  /** A URL that works once, within a minute. The server starts listening at the first call. */
  issue(kind: 'exec' | 'attach' | 'portforward', handler: StreamHandler): Promise<string>;
  stop(): Promise<void>;
}

const tokenTtlMs = 60_000;
const maxTokens = 1000;

interface Token {
  readonly handler: StreamHandler;
  readonly expiry: Timer;
}

function newToken(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(8))).toString('base64url');
}

export function createStreamingServer(env: Env, options: { serveHttp: ServeHttp; host: string; port: number }): StreamingServer {
  const tokens = new Map<string, Token>();
  let starting: Promise<HttpServer> | undefined;
  const take = (url: string): StreamHandler | undefined => {
    const key = url.split('?')[0] ?? '';
    const token = tokens.get(key);
    tokens.delete(key);
    token?.expiry.cancel();
    return token?.handler;
  };
  const handler: HttpHandler = {
    request(request, response) {
      const known = tokens.has(request.url.split('?')[0] ?? '');
      response.send(known ? 400 : 404, { 'content-type': 'text/plain; charset=utf-8' }, known ? 'unable to upgrade: missing upgrade headers in request\n' : '404 page not found\n');
    },
    async upgrade(request, socket) {
      const serve = take(request.url);
      const stream = streamOfSocket(socket);
      if (!serve) {
        await stream.write(Buffer.from('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'));
        stream.close();
        return;
      }
      try {
        await serve(request, stream);
      } catch (error) {
        env.log.warn('streaming request failed', { url: request.url.replace(/[^/]*$/, '…'), error: (error as Error).message });
        stream.close();
      }
    },
  };
  return {
    async issue(kind, serve) {
      if (tokens.size >= maxTokens) throw new RpcError(Code.RESOURCE_EXHAUSTED, 'maximum number of in-flight requests exceeded');
      starting ??= options.serveHttp({ host: options.host, port: options.port, handler });
      const server = await starting;
      const key = `/${kind}/${newToken()}`;
      tokens.set(key, { handler: serve, expiry: env.clock.after(tokenTtlMs, () => void tokens.delete(key)) });
      return `http://${options.host}:${server.port}${key}`;
    },
    async stop() {
      for (const { expiry } of tokens.values()) expiry.cancel();
      tokens.clear();
      const server = await starting;
      starting = undefined;
      await server?.close();
    },
  };
}
