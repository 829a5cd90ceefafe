import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2';
import type { ClusterAccess } from '@orrery/node-io';

export interface Reply {
  readonly status: number;
  readonly bytes: Buffer;
}

export interface Call {
  readonly method?: string;
  readonly path: string;
  readonly body?: Buffer | string;
  readonly contentType?: string;
  readonly accept?: string;
}

/**
 * The barest client there is, so that what is measured is the server: one HTTP/2 session, as client-go shares it, no
 * retries, bodies as bytes.
 */
export class BenchClient {
  private readonly session: ClientHttp2Session;
  private readonly access: ClusterAccess;

  constructor(access: ClusterAccess) {
    if (!access.server.startsWith('https:')) throw new Error(`${access.server}: HTTP/2 over TLS is needed`);
    this.access = access;
    const { ca, cert, key } = access;
    this.session = connect(new URL(access.server).origin, {
      ...(ca ? { ca } : {}),
      ...(cert ? { cert } : {}),
      ...(key ? { key } : {}),
      ...(access.serverName ? { servername: access.serverName } : {}),
      rejectUnauthorized: !access.insecureSkipTlsVerify,
      settings: { initialWindowSize: 4 * 1024 * 1024, enablePush: false },
    });
    this.session.setMaxListeners(0);
    this.session.on('connect', () => this.session.setLocalWindowSize(64 * 1024 * 1024));
    this.session.on('error', () => undefined);
  }

  private open({ method = 'GET', path, body, contentType, accept = 'application/json' }: Call): ClientHttp2Stream {
    const prefix = new URL(this.access.server).pathname.replace(/\/$/, '');
    const token = this.access.token?.();
    const stream = this.session.request({
      [constants.HTTP2_HEADER_METHOD]: method,
      [constants.HTTP2_HEADER_PATH]: prefix + path,
      accept,
      'user-agent': 'orrery-bench',
      ...(token ? { authorization: `Bearer ${token}` } : {}),
      // As the clients of Kubernetes send it.
      ...(body === undefined ? {} : { 'content-type': contentType ?? 'application/json', 'content-length': Buffer.byteLength(body) }),
    });
    stream.end(body);
    return stream;
  }

  /** Resolves with whatever the server answers; rejects when the connection breaks. */
  send(call: Call): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const stream = this.open(call);
      const chunks: Buffer[] = [];
      let status = 0;
      stream.on('response', (headers) => (status = Number(headers[':status'])));
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => resolve({ status, bytes: chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks) }));
      stream.on('error', reject);
    });
  }

  /** As `send`, but a failure of the server rejects with its message. */
  async expect(call: Call): Promise<Buffer> {
    const { status, bytes } = await this.send(call);
    if (status >= 400) throw new Error(`${call.method ?? 'GET'} ${call.path}: ${status} ${bytes.toString('utf8').slice(0, 300)}`);
    return bytes;
  }

  /** A stream of bytes; resolves once the server has begun to answer. */
  stream(call: Call, onData: (chunk: Buffer) => void): Promise<{ close(): void }> {
    return new Promise((resolve, reject) => {
      const stream = this.open(call);
      stream.on('data', onData);
      stream.on('error', reject);
      stream.on('response', (headers) => {
        const status = Number(headers[':status']);
        if (status >= 400) reject(new Error(`GET ${call.path}: ${status}`));
        else resolve({ close: () => stream.close(constants.NGHTTP2_CANCEL) });
      });
    });
  }

  close(): void {
    this.session.destroy();
  }
}
