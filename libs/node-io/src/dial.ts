import { type Socket, connect as connectTcp, isIP } from 'node:net';
import { type ConnectionOptions, type PeerCertificate, type SecureContext, type TLSSocket, checkServerIdentity, connect as connectTls, createSecureContext } from 'node:tls';
import { type Conn, NetError, type NetErrorCode } from '@orrery/vnet';
import { connOverSocket, duplexOverConn } from './vnet-bridge.ts';

/** How to speak TLS as a client. */
export interface DialTls {
  /** PEM authorities of the server's certificate; without, any certificate is accepted. */
  readonly ca?: string;
  /** PEM client certificate. */
  readonly cert?: string;
  readonly key?: string;
  /** Accepted as the server's common name in place of a matching host name (`system:node:n1`). */
  readonly commonName?: string;
  /** Name to verify the server's certificate against (and to ask for), if not the host that is dialed. */
  readonly serverName?: string;
  /** Without `ca`: verify by the machine's own authorities. */
  readonly systemRoots?: boolean;
}

export interface DialTarget {
  readonly host: string;
  readonly port: number;
  /** The address of this machine to come from; without, the system chooses. Of plain TCP only. */
  readonly localAddress?: string;
  /** Without: plain TCP. */
  readonly tls?: DialTls;
  /** Default 30 s. */
  readonly timeoutMs?: number;
}

const codes: Readonly<Record<string, NetErrorCode>> = { ECONNREFUSED: 'ECONNREFUSED', ECONNRESET: 'ECONNRESET', ETIMEDOUT: 'ETIMEDOUT', EPIPE: 'EPIPE' };

const untrusted = ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'UNABLE_TO_GET_ISSUER_CERT', 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'SELF_SIGNED_CERT_IN_CHAIN', 'DEPTH_ZERO_SELF_SIGNED_CERT', 'CERT_SIGNATURE_FAILURE'];

type TlsError = NodeJS.ErrnoException & { readonly host?: string; readonly cert?: PeerCertificate };

function wrongName({ host = '', cert }: TlsError): string {
  const names = (cert?.subjectaltname ?? '').split(', ').filter(Boolean);
  const kind = isIP(host) ? 'IP Address:' : 'DNS:';
  const valid = names.filter((name) => name.startsWith(kind)).map((name) => name.slice(kind.length));
  if (valid.length) return `certificate is valid for ${valid.join(', ')}, not ${host}`;
  if (isIP(host)) return `cannot validate certificate for ${host} because it doesn't contain any IP SANs`;
  return names.length ? `certificate is not valid for any names, but wanted to match ${host}` : 'certificate relies on legacy Common Name field, use SANs instead';
}

/** Why a certificate is not believed, in the words of Go's `x509`; undefined when something else went wrong. */
function disbelief(error: TlsError): string | undefined {
  const { code = '' } = error;
  if (untrusted.includes(code)) return 'certificate signed by unknown authority';
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID') return 'certificate has expired or is not yet valid';
  return code === 'ERR_TLS_CERT_ALTNAME_INVALID' ? wrongName(error) : undefined;
}

function dialError(error: TlsError, target: DialTarget): NetError {
  const why = disbelief(error);
  if (why !== undefined) return new NetError('EHOSTUNREACH', `tls: failed to verify certificate: x509: ${why}`);
  const words: Record<string, string> = { ECONNREFUSED: 'connect: connection refused', ETIMEDOUT: 'i/o timeout', EHOSTUNREACH: 'connect: no route to host' };
  return new NetError(codes[error.code ?? ''] ?? 'EHOSTUNREACH', `dial tcp ${target.host}:${target.port}: ${words[error.code ?? ''] ?? error.message}`);
}

/** Reading keys and certificates costs more than all else of a connection on this side, and the same few are shown again and again. */
const contexts = new Map<string, SecureContext>();
const maxContexts = 32;

function secureContext({ ca, cert, key }: DialTls): SecureContext {
  const id = JSON.stringify([ca, cert, key]);
  const context = contexts.get(id) ?? createSecureContext({ ...(ca ? { ca } : {}), ...(cert ? { cert } : {}), ...(key ? { key } : {}) });
  contexts.delete(id);
  contexts.set(id, context);
  if (contexts.size > maxContexts) contexts.delete(contexts.keys().next().value as string);
  return context;
}

function tlsOptions(target: DialTarget): ConnectionOptions {
  const { ca, commonName, serverName, systemRoots } = target.tls ?? {};
  const identity = (host: string, peer: PeerCertificate): Error | undefined => (commonName !== undefined && peer.subject.CN === commonName ? undefined : checkServerIdentity(host, peer));
  return { secureContext: secureContext(target.tls ?? {}), ...(serverName ? { servername: serverName } : {}), rejectUnauthorized: ca !== undefined || systemRoots === true, checkServerIdentity: identity, ALPNProtocols: ['http/1.1'] };
}

/** Servers are told what name they are called by; addresses are none. */
const nameOf = (host: string): { servername?: string } => (isIP(host) ? {} : { servername: host });

/** A TLS connection cannot be reset, only dropped. */
function connOverTls(socket: TLSSocket): Conn {
  return { ...connOverSocket(socket), close: () => void socket.destroy() };
}

function settled(socket: Socket, options: { event: 'connect' | 'secureConnect'; target: DialTarget; conn: () => Conn }): Promise<Conn> {
  const { event, target, conn } = options;
  return new Promise((resolve, reject) => {
    const onTimeout = (): void => void socket.destroy(Object.assign(new Error('i/o timeout'), { code: 'ETIMEDOUT' }));
    const onError = (error: Error): void => reject(dialError(error, target));
    socket.setTimeout(target.timeoutMs ?? 30_000, onTimeout);
    // Over TLS one failure may be told twice: the listener stays until the connection stands.
    socket.on('error', onError);
    socket.once(event, () => {
      socket.setTimeout(0);
      socket.off('timeout', onTimeout);
      socket.off('error', onError);
      resolve(conn());
    });
  });
}

/** Connects from this machine, with TLS if asked. Rejects with NetError in the words of Go's `net`. */
export function dial(target: DialTarget): Promise<Conn> {
  const { host, port } = target;
  if (!target.tls) {
    const socket = connectTcp({ host, port, allowHalfOpen: true, noDelay: true, ...(target.localAddress ? { localAddress: target.localAddress } : {}) });
    return settled(socket, { event: 'connect', target, conn: () => connOverSocket(socket) });
  }
  const tcp = connectTcp({ host, port, allowHalfOpen: true, noDelay: true });
  const socket = connectTls({ socket: tcp, ...nameOf(host), ...tlsOptions(target), host });
  tcp.once('error', (error) => socket.destroy(error));
  return settled(socket, { event: 'secureConnect', target, conn: () => connOverTls(socket) });
}

/** Speaks TLS over a connection of the emulated network. */
export function dialTlsOver(conn: Conn, target: DialTarget): Promise<Conn> {
  const socket = connectTls({ socket: duplexOverConn(conn), ...nameOf(target.host), ...tlsOptions(target), host: target.host });
  return settled(socket, { event: 'secureConnect', target, conn: () => connOverTls(socket) });
}
