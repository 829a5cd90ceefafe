import { connect as connectHttp2, constants } from 'node:http2';
import { connect as connectTls } from 'node:tls';
import type { Conn } from '@orrery/vnet';
import { connOverSocket, duplexOverConn } from './vnet-bridge.ts';

/** TLS over a connection; the other end's certificate is not verified, as probes do not. */
export function tlsOverConn(conn: Conn, serverName: string): Promise<Conn> {
  return new Promise((resolve, reject) => {
    const isAddress = /^[0-9.]+$|:/.test(serverName);
    const socket = connectTls({ socket: duplexOverConn(conn), rejectUnauthorized: false, ...(isAddress ? {} : { servername: serverName }) });
    socket.once('error', reject);
    socket.once('secureConnect', () => {
      const stream = connOverSocket(socket);
      resolve({ ...stream, close: () => void socket.destroy() });
    });
  });
}

const healthStatuses = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'];

/** HealthCheckRequest { service = 1 } in a gRPC frame. */
function healthRequest(service: string): Buffer {
  const name = Buffer.from(service);
  const message = name.length ? Buffer.concat([Buffer.from([0x0a, name.length]), name]) : Buffer.alloc(0);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** One call of grpc.health.v1.Health/Check over a plain connection; resolves to the status, e.g. `SERVING`. */
export function grpcHealthOverConn(conn: Conn, call: { service: string; authority: string; signal: AbortSignal }): Promise<string> {
  return new Promise((resolve, reject) => {
    const session = connectHttp2(`http://${call.authority}`, { createConnection: () => duplexOverConn(conn) });
    const finish = (error: Error | undefined, status = ''): void => {
      session.destroy();
      if (error) reject(error);
      else resolve(status);
    };
    session.once('error', finish);
    call.signal.addEventListener('abort', () => finish(new Error('aborted')), { once: true });
    const stream = session.request({ [constants.HTTP2_HEADER_METHOD]: 'POST', [constants.HTTP2_HEADER_PATH]: '/grpc.health.v1.Health/Check', 'content-type': 'application/grpc', te: 'trailers' });
    const chunks: Buffer[] = [];
    let grpcStatus = '';
    const note = (headers: Record<string, unknown>): void => {
      if (headers['grpc-status'] !== undefined) grpcStatus = String(headers['grpc-status']);
    };
    stream.on('response', note);
    stream.on('trailers', note);
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.once('error', finish);
    stream.once('end', () => {
      const [tag, value = 0] = Buffer.concat(chunks).subarray(5);
      if (grpcStatus === '12') finish(new Error('error: this server does not implement the grpc health protocol (grpc.health.v1.Health): '));
      else if (grpcStatus !== '' && grpcStatus !== '0') finish(new Error(`error: health rpc probe failed: status code ${grpcStatus}`));
      else finish(undefined, healthStatuses[tag === 0x08 ? value : 0]);
    });
    stream.end(healthRequest(call.service));
  });
}
