import { type ServerHttp2Stream, performServerHandshake } from 'node:http2';
import { TLSSocket, createSecureContext } from 'node:tls';
import { type Conn, NetError } from '@orrery/vnet';
import { connOverSocket, duplexOverConn } from './vnet-bridge.ts';

/** PEM certificate (with its chain) and key of a server. */
export interface ServerIdentity {
  readonly cert: string;
  readonly key: string;
}

/** Whatever ends a TLS connection early is a reset to those who speak over it. */
function reset(error: Error): never {
  throw new NetError('ECONNRESET', error.message);
}

/**
 * Speaks TLS as a server over connections of the emulated network. Throws when certificate and key are no pair; a client whose
 * handshake fails rejects with NetError.
 */
export function serveTlsOver(identity: ServerIdentity): (conn: Conn) => Promise<Conn> {
  const secureContext = createSecureContext({ cert: identity.cert, key: identity.key });
  return (conn) =>
    new Promise((resolve, reject) => {
      const socket = new TLSSocket(duplexOverConn(conn), { isServer: true, secureContext, ALPNProtocols: ['http/1.1'] });
      const failed = (error?: Error): void => {
        socket.destroy();
        reject(new NetError('ECONNRESET', `tls: ${error?.message ?? 'the client went away during the handshake'}`));
      };
      // Node tells of handshakes that fail on sockets without a server of their own by this event.
      socket.once('_tlsError', failed);
      socket.once('error', failed);
      socket.once('close', failed);
      socket.once('secure', () => {
        for (const event of ['_tlsError', 'error', 'close']) socket.off(event, failed);
        const stream = connOverSocket(socket);
        resolve({ ...stream, local: conn.local, remote: conn.remote, read: () => stream.read().catch(reset), write: (bytes) => stream.write(bytes).catch(reset), close: () => void socket.destroy() });
      });
    });
}

/** The outcome of a unary call: a message, or a status of gRPC other than 0. */
export type UnaryReply = { readonly message: Uint8Array } | { readonly code: number; readonly text: string };

function frame(message: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

async function answerStream(stream: ServerHttp2Stream, path: string, answer: (path: string, message: Uint8Array) => UnaryReply): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  const reply = answer(path, Buffer.concat(chunks).subarray(5));
  const headers = { ':status': 200, 'content-type': 'application/grpc' };
  if ('code' in reply) {
    stream.respond({ ...headers, 'grpc-status': String(reply.code), 'grpc-message': encodeURIComponent(reply.text) }, { endStream: true });
    return;
  }
  stream.respond(headers, { waitForTrailers: true });
  stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  stream.end(frame(reply.message));
}

/** Answers unary gRPC calls over a plain connection of the emulated network until it ends. `path` is `/package.Service/Method`. */
export function serveUnaryOver(conn: Conn, answer: (path: string, message: Uint8Array) => UnaryReply): void {
  const session = performServerHandshake(duplexOverConn(conn));
  session.on('error', () => session.destroy());
  session.on('stream', (stream, headers) => {
    stream.on('error', () => stream.destroy());
    answerStream(stream, String(headers[':path'] ?? ''), answer).catch(() => stream.destroy());
  });
}
