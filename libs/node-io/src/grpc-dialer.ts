import { type Socket, connect as connectTcp } from 'node:net';
import { type TLSSocket, connect as connectTls } from 'node:tls';
import { type Channel, type Connect, type TlsMaterial, http2Channel } from '@orrery/rpc';
import { realRandom } from './env.ts';
import { realClock } from './real-clock.ts';
import { prepareSocket, transportOf } from './socket-transport.ts';

/** Of one answer, as `grpcChannel` has it. */
const maxMessageBytes = 512 * 1024 * 1024;
const connectTimeoutMs = 5000;

export interface DialGrpcOptions {
  readonly tls?: TlsMaterial;
  /** See `Http2ChannelOptions`; default 10 s. */
  readonly keepAliveMs?: number;
}

/** A channel like `grpcChannel` of `@orrery/rpc`, over this library's own HTTP/2: a message costs a fraction of it. */
export type DialGrpc = (target: string, options?: DialGrpcOptions) => Channel;

function addressOf(target: string): { host: string; port: number } | { path: string } {
  if (target.startsWith('unix:')) return { path: target.slice('unix:'.length).replace(/^\/\/(?=\/)/, '') };
  const colon = target.lastIndexOf(':');
  return { host: target.slice(0, colon).replace(/^\[(.*)\]$/, '$1'), port: Number(target.slice(colon + 1)) };
}

function socketTo(target: string, tls: TlsMaterial | undefined): Socket {
  const address = addressOf(target);
  if (!tls) return connectTcp(address);
  const { ca, cert, key } = tls;
  // Certificates are held against names and addresses; only names can be asked for.
  const named = 'host' in address && /[a-z]/i.test(address.host) && !address.host.includes(':') ? { servername: address.host } : {};
  return connectTls({ ...address, ...named, ...(ca === undefined ? {} : { ca }), ...(cert === undefined ? {} : { cert }), ...(key === undefined ? {} : { key }), ALPNProtocols: ['h2'] });
}

function connector(target: string, tls: TlsMaterial | undefined): Connect {
  return (events) => {
    const socket = socketTo(target, tls);
    let reason = 'connection closed';
    prepareSocket(socket);
    socket.setTimeout(connectTimeoutMs, () => socket.destroy(new Error(`no connection within ${connectTimeoutMs / 1000} s`)));
    socket.once(tls ? 'secureConnect' : 'connect', () => {
      socket.setTimeout(0);
      if (tls && (socket as TLSSocket).alpnProtocol !== 'h2') return void socket.destroy(new Error('the server does not speak HTTP/2'));
      events.connected(transportOf(socket));
    });
    socket.on('data', (bytes) => events.received(bytes));
    socket.on('error', (error) => (reason = error.message));
    socket.on('close', () => events.closed(reason));
    return () => void socket.destroy();
  };
}

export const dialGrpc: DialGrpc = (target, { tls, keepAliveMs = 10_000 } = {}) =>
  http2Channel({ clock: realClock, random: realRandom, connect: connector(target, tls), authority: target.startsWith('unix:') ? 'localhost' : target, scheme: tls ? 'https' : 'http', maxMessageBytes, keepAliveMs });
