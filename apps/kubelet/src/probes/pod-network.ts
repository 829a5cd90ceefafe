import { type ByteStream, exchange } from '@orrery/http';
import { type Clock, timeoutSignal } from '@orrery/runtime';
import type { Conn, DialOptions, Endpoint } from '@orrery/vnet';

/** Connects to addresses of pods; a `NetStack` of @orrery/vnet is one. */
export interface PodDialer {
  dial(to: Endpoint, options?: DialOptions): Promise<Conn>;
}

/** What needs more than bytes: given by adapters. */
export interface SecureTransports {
  /** TLS over a connection, without verifying the other end. */
  tls?(conn: Conn, serverName: string): Promise<ByteStream>;
  /** One call of grpc.health.v1.Health/Check; resolves to the serving status, e.g. `SERVING`. */
  grpcHealth?(conn: Conn, call: { service: string; authority: string; signal: AbortSignal }): Promise<string>;
}

export interface HttpCall {
  readonly endpoint: Endpoint;
  readonly https: boolean;
  readonly target: string;
  readonly host: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly timeoutMs: number;
}

const maxBody = 10 * 1024;

/** How the kubelet reaches pods: for probes and lifecycle hooks. All fail with an error in Go's words. */
export class PodNetwork {
  private readonly clock: Clock;
  private readonly dialer: PodDialer;
  private readonly secure: SecureTransports;

  constructor(clock: Clock, options: { dialer: PodDialer; secure?: SecureTransports }) {
    this.clock = clock;
    this.dialer = options.dialer;
    this.secure = options.secure ?? {};
  }

  /** Status, first 10 KiB of the body, and where a redirect leads, of one GET. */
  async httpGet(call: HttpCall): Promise<{ status: number; body: string; location: string | undefined }> {
    const url = `${call.https ? 'https' : 'http'}://${call.host}${call.target}`;
    return this.within(call.timeoutMs, `Get "${url}": context deadline exceeded (Client.Timeout exceeded while awaiting headers)`, async (signal) => {
      const conn = await this.connect(call.endpoint, signal, (reason) => `Get "${url}": ${reason}`);
      signal.addEventListener('abort', () => conn.close(), { once: true });
      const stream = call.https ? await this.tls(conn, call.host) : conn;
      const headers: [string, string][] = [['Host', call.host], ...call.headers.map(([name, value]): [string, string] => [name, value])];
      const reply = await exchange(stream, { method: 'GET', target: call.target, headers });
      const chunks: Uint8Array[] = [];
      let size = 0;
      for await (const bytes of reply.body) {
        chunks.push(bytes);
        size += bytes.length;
        if (size >= maxBody) break;
      }
      const location = reply.headers.find(([name]) => name.toLowerCase() === 'location')?.[1];
      return { status: reply.status, location, body: Buffer.concat(chunks).subarray(0, maxBody).toString() };
    });
  }

  async tcpConnect(endpoint: Endpoint, timeoutMs: number): Promise<void> {
    await this.within(timeoutMs, `dial tcp ${endpoint.ip}:${endpoint.port}: i/o timeout`, async (signal) => {
      const conn = await this.connect(endpoint, signal, (reason) => reason);
      conn.close();
    });
  }

  async grpcHealth(endpoint: Endpoint, call: { service: string; timeoutMs: number }): Promise<string> {
    const check = this.secure.grpcHealth;
    if (!check) throw new Error('gRPC probes need an HTTP/2 transport, and this kubelet has none');
    const address = `${endpoint.ip}:${endpoint.port}`;
    return this.within(call.timeoutMs, `timeout: failed to connect service "${address}" within ${call.timeoutMs / 1000}s: context deadline exceeded`, async (signal) => {
      const conn = await this.connect(endpoint, signal, (reason) => `failed to connect service "${address}": ${reason}`);
      return check(conn, { service: call.service, authority: address, signal });
    });
  }

  private tls(conn: Conn, host: string): Promise<ByteStream> {
    if (!this.secure.tls) throw new Error('HTTPS probes need a TLS transport, and this kubelet has none');
    return this.secure.tls(conn, host.split(':')[0] ?? host);
  }

  private async connect(endpoint: Endpoint, signal: AbortSignal, worded: (reason: string) => string): Promise<Conn> {
    try {
      return await this.dialer.dial(endpoint, { signal });
    } catch (error) {
      const { code } = error as { code?: string };
      const reasons: Record<string, string> = { ECONNREFUSED: 'connect: connection refused', EHOSTUNREACH: 'connect: no route to host', ETIMEDOUT: 'i/o timeout', ECONNRESET: 'connect: connection reset by peer' };
      const reason = reasons[code ?? ''] ?? (error as Error).message;
      throw new Error(worded(`dial tcp ${endpoint.ip}:${endpoint.port}: ${reason}`));
    }
  }

  /** Runs `work` with a signal that aborts after the time; what it throws then is `timedOut`. */
  private async within<T>(timeoutMs: number, timedOut: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const done = new AbortController();
    const signal = timeoutSignal(this.clock, timeoutMs, done.signal);
    const late = new Promise<never>((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error(timedOut)), { once: true }));
    try {
      return await Promise.race([work(signal), late]);
    } catch (error) {
      throw signal.aborted && !done.signal.aborted ? new Error(timedOut) : error;
    } finally {
      late.catch(() => undefined);
      done.abort(new Error('done'));
    }
  }
}
